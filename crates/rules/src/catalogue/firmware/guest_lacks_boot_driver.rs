//! # The guest's kernel lacks the driver for its boot disk
//!
//! ## What it is
//! Firmware and boot loader read the disk through firmware services. The guest's kernel then needs a driver of
//! its own for the controller, and it has none: Windows stops with INACCESSIBLE_BOOT_DEVICE (0x7B), Linux waits
//! for the root device and panics or drops to the initramfs shell.
//!
//! Heard as: after a move from VMware, Hyper-V or a physical machine, or a change of the disk bus, the guest ends
//! in dracut, initramfs or with INACCESSIBLE_BOOT_DEVICE; it does not find its root disk.
//!
//! Known by: drops to dracut, initramfs shell or busybox: cannot find root device by UUID; after changing disk bus to
//! virtio or scsi; after P2V or VMware conversion; blue screen inaccessible boot device; emergency shell; virtio_blk
//! not in initramfs; mptsas, ahci missing; changed controller; dracut --add-drivers; INACCESSIBLE_BOOT_DEVICE.
//!
//! ## Why it happens
//! The disk's bus was changed (IDE or SATA to virtio), the VM was converted from VMware, Hyper-V or metal without
//! virtio drivers, the initramfs was made for the old hardware only, `root=` names `/dev/sda` and the disk is now
//! `/dev/vda`, or the Windows installer was not given viostor or vioscsi.
//!
//! ## Confirm
//! `virsh dumpxml NAME | grep -A4 '<disk'` shows the bus; in Linux `lsinitramfs` or `lsinitrd | grep virtio`; the
//! VM boots when the bus is set back to SATA or IDE.
//!
//! ## Refute
//! The driver's probe line and the disk's partitions stand in the guest's log before the failure: then the root
//! device's name, encryption or file system is the problem.
//!
//! ## Fix
//! Boot once on the old bus, add the driver (virtio-win with a small extra virtio disk; `dracut
//! --add-drivers 'virtio_blk virtio_scsi virtio_pci'`; `update-initramfs -u`), use UUIDs in `root=` and fstab, then
//! change the bus.
//!
//! ## References
//! Linux `init/do_mounts.c`, `mount_block_root()`; initramfs-tools `scripts/local`; dracut
//! `modules.d/99base/dracut-lib.sh`; virtio-win `viostor`; virt-v2v(1).

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["boot", "guest"],
    signs: &[
        Sign::proof("INACCESSIBLE_BOOT_DEVICE"),
        Sign::proof("INACCESSIBLE BOOT DEVICE"),
        Sign::strong("STOP: 0x0000007B"),
        Sign::support("0x0000007B"),
        Sign::support("stop code 0x7B"),
        Sign::support("stop code: 0x7B"),
        Sign::support("BSOD 0x7B"),
        Sign::strong("VFS: Unable to mount root fs on unknown-block(0,0)")
            .unless(&["firecracker", "firectl"]),
        Sign::support("VFS: Unable to mount root fs on"),
        Sign::strong("VFS: Cannot open root device").unless(&["firecracker", "firectl"]),
        Sign::support("Please append a correct \"root=\" boot option"),
        Sign::strong("ALERT! {device} does not exist. Dropping to a shell"),
        Sign::strong("ALERT!  {device} does not exist.  Dropping to a shell"),
        Sign::strong("Gave up waiting for root"),
        Sign::strong("dracut-initqueue timeout"),
        Sign::strong("dracut-initqueue*: Warning: /dev/*does not exist"),
        Sign::strong("Warning: /dev/disk/by-{kind} does not exist"),
        Sign::strong("Warning: /dev/mapper/{name} does not exist"),
        Sign::support("Timed out waiting for device /dev/disk/by-"),
        Sign::support("Timed out waiting for device dev-"),
        Sign::strong("ERROR: device '*' not found. Skipping fsck"),
        Sign::strong("Unable to find root device '"),
        Sign::support("You are being dropped to a recovery shell"),
        Sign::support("Entering emergency mode").and(&["dracut"]),
        Sign::strong("Cannot find root device"),
        Sign::strong("Waiting for root device"),
        Sign::strong("We couldn't find any drives"),
        Sign::strong("No drives were found. Click Load Driver"),
        Sign::strong("A media driver your computer needs is missing"),
        Sign::support("no signed device drivers were found"),
        Sign::hint("not syncing: VFS"),
        // Windows: the volume or its device is not reached.
        Sign::support("UNMOUNTABLE_BOOT_VOLUME"),
        Sign::support("UNMOUNTABLE BOOT VOLUME"),
        Sign::support("STOP: 0x000000ED"),
        Sign::support("0xc000000e"),
        Sign::support("0xc0000225"),
        Sign::support("a required device isn't connected or can't be accessed"),
        // FreeBSD, Arch, Alpine and SUSE have words of their own.
        Sign::strong("Mounting from ufs:{device} failed with error"),
        Sign::strong("Mounting from zfs:{device} failed with error"),
        Sign::strong("mountroot>"),
        Sign::strong("Failed to mount the real root device"),
        Sign::strong("Failed to mount '{device}' on real root"),
        Sign::strong("initramfs emergency recovery shell launched"),
        Sign::strong("Could not find {device}. Want me to fall back to"),
        Sign::support("You are now being dropped into an emergency shell"),
        Sign::support("Bailing out, you are on your own"),
        Sign::strong("Warning: Could not boot."),
        Sign::support("bus: virtio").said(&[
            "only with its disk on sata",
            "boots only with",
            "only boots with",
            "boots with sata",
            "boots from sata",
            "works with ide",
            "once with sata",
        ]),
    ],
    words: &["virtio driver", "viostor", "initramfs", "blue screen", "converted"],
    tells: "the guest's console; virsh dumpxml NAME | grep -A4 '<disk'",
    remedy: "boot once on the old disk bus, put the new bus's driver into the guest's boot image, then change the bus",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
