//! # The guest has no virtio driver for its disk, NIC or balloon
//!
//! ## What it is
//! Virtio devices are unknown to a guest without their drivers: Windows installers see no disk, Windows has no
//! network, old or minimal Linux kernels probe nothing.
//!
//! Heard as: the Windows setup finds no drive; Windows is offline or shows an unknown device after its card or
//! disk became virtio; code 28.
//!
//! Known by: Windows setup shows no drive; no network adapter, unknown device in device manager; virtio-win ISO,
//! viostor, NetKVM, vioscsi; 0x7B; FreeBSD or old Linux sees no disk; converted from VMware, Hyper-V or physical;
//! network gone after switching model; storage controller unknown; installing Windows; load driver; blue screen at
//! first boot.
//!
//! ## Why it happens
//! The ISO of virtio-win was not attached during installation, the driver of another Windows version was taken,
//! the bus was changed to virtio after the installation, the disk moved from virtio-blk to virtio-scsi, the
//! kernel was built without CONFIG_VIRTIO_*, modern-only devices (1.0, `disable-legacy=on`) meet a driver that
//! knows only the old ones.
//!
//! ## Confirm
//! In Windows: Device Manager, devices with a yellow mark whose hardware id begins with `PCI\VEN_1AF4`. In
//! Linux: `lspci -nnk -d 1af4:` without "Kernel driver in use", `lsmod | grep virtio`, `grep VIRTIO
//! /boot/config-$(uname -r)`.
//!
//! ## Refute
//! `lspci -k` or Device Manager names a driver for each 1af4 device.
//!
//! ## Fix
//! Attach virtio-win.iso and load viostor or vioscsi (disk), NetKVM, Balloon, vioserial of the right version;
//! for a changed boot disk first attach a small virtio disk and let the guest install its driver. For Linux
//! rebuild the initramfs or kernel with virtio. Until then use SATA and e1000e.
//!
//! ## References
//! Virtio specification 1.2, 4.1.2 (PCI vendor 0x1AF4); virtio-win documentation; Linux
//! `drivers/virtio/Kconfig`; libguestfs `virt-v2v(1)`, "Windows: installing drivers".

use crate::prelude::*;
use vmwright_formats::Lspci;

#[path = "messages/virtio_driver_missing.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["guest", "windows", "virtio"],
    signs: messages::SIGNS,
    words: &[
        "windows",
        "driver",
        "virtio",
        "no disk",
        "no network",
        "installer",
        "virtio-win",
        "not detected",
    ],
    explains: &["network/guest-address-missing"],
    tells: "lspci -nnk -d 1af4: in the guest, or Windows' Device Manager",
    remedy: "install the virtio drivers of the guest's version (virtio-win.iso), or use SATA and e1000e until they are there",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Red Hat's vendor id, which all virtio PCI devices carry.
const VIRTIO: u16 = 0x1af4;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for seen in cx.all::<Lspci>() {
        // Only a listing that names drivers can show that one lacks.
        let names_drivers = seen.devices.iter().any(|device| device.driver.is_some());
        let virtio = |name: &str| name.contains("Virtio") || name.contains("virtio");
        let bare = seen.devices.iter().find(|device| {
            device.driver.is_none() && (device.vendor == Some(VIRTIO) || virtio(&device.name))
        });
        if let Some(device) = bare.filter(|_| names_drivers) {
            draft = draft
                .because(
                    Strength::Strong,
                    seen.quote(device.line),
                    "a virtio device has no driver in the guest",
                )
                .title(format!("the guest has no driver for its virtio device {}", device.address));
        }
    }
    vec![draft.verdict()]
}
