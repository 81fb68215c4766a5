//! # The host's LVM scans or activates volumes that belong to guests
//!
//! ## What it is
//! A guest that puts LVM on a whole disk writes an LVM label to the start of the host's block device. The host
//! sees it, may activate the guest's volumes, then holds the device open; two systems use one volume group.
//!
//! Heard as: on the host the guest's own volume group is visible and active, and the VM's disk is in use.
//!
//! Known by: guest's volume group appears on host; duplicate PV or VG names, found duplicate; device busy because host
//! activated guest LV; cannot remove LV, in use.
//!
//! ## Why it happens
//! The VM's disk is an LV, LUN, zvol, mapped RBD or NBD device, and the host's lvm.conf has no filter:
//! event-based activation takes any PV that appears. Since 2.02.173 `scan_lvs = 0` keeps LVs out, but LUNs and
//! zvols are still looked at. Guests cloned from one template bring equal VG names and UUIDs.
//!
//! ## Confirm
//! `pvs -o pv_name,vg_name` on the host lists the VM's disk (`/dev/vg/vm-disk`, `/dev/zd0`, `/dev/rbd0`) with the
//! guest's group; `lsblk` shows LVs below it; `dmsetup ls --tree`, `lsof` name the holder.
//!
//! ## Refute
//! The host lists only its own groups, and the device is held by something else (mdraid, multipath, a mount).
//!
//! ## Fix
//! `vgchange -an <guest's VG>` on the host while the VM is off, then a `global_filter` that rejects the VMs' devices
//! (or the devices file, which lists only the host's own), and rebuild the initramfs. Never repair or rename
//! the guest's group from the host while the VM runs.
//!
//! ## References
//! lvm.conf(5), `devices/scan_lvs`, `global_filter`; lvmdevices(8); Proxmox VE and oVirt documentation on LVM
//! filters; RHEL "Virtualization: host LVM and guest disks".

use crate::prelude::*;

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["storage", "data-safety"],
    needs: &[Need::File("/etc/lvm/lvm.conf")],
    signs: &[
        Sign::strong("PVs appear on duplicate devices"),
        Sign::support("was already found on"),
        Sign::strong("Not using device {device} for PV"),
        Sign::support("because device is used by LV"),
        Sign::strong("Multiple VGs found with the same name"),
        Sign::strong("VG name {name} is used by VGs"),
        Sign::support("duplicate PVs were found"),
        Sign::support("Found duplicate PV"),
        Sign::strong("Logical volume {volume} is used by another device"),
        Sign::strong("Logical volume {volume} in use").and(&["guest"]),
        Sign::support("contains a filesystem in use"),
        Sign::support("is used by another device"),
        Sign::support("scan_lvs = 1"),
        Sign::support("scan_lvs=1"),
        Sign::support("guest's volume group"),
        Sign::support("guest volume group"),
        Sign::support("guest VG"),
        Sign::support("inconsistent metadata").and(&["guest"]),
        Sign::hint("Device or resource busy"),
        // multipath, rbd, iSCSI and Longhorn cannot let go of a disk that the host's LVM holds.
        Sign::support("map in use").and(&["lvm2"]),
        // lsblk(8): logical volumes on a disk that is a guest's.
        Sign::strong("map in use").and(&[" lvm"]).said(&["detach", "remove", "guest", "instance"]),
        Sign::support("rbd: unmap failed: (16)").and(&["lvm2"]),
        Sign::support("sysfs write failed").and(&["unmap", "lvm2"]),
        // What a complaint makes of a configuration.
        Sign::support("-wi-a").said(&[
            "guest's own",
            "inside the guest",
            "of the guest",
            "own volume group",
            "visible on the host",
            "on the host",
            "from the host",
        ]),
        Sign::strong("found duplicate VGID"),
        Sign::strong("Ignoring {pv} with conflicting VG info"),
        Sign::strong("prefers device").and(&["because", "PV"]),
        Sign::strong("differs from already active device"),
        Sign::strong("contains a filesystem in use").and(&["vm--"]),
    ],
    words: &[
        "host sees",
        "guest's lvm",
        "guest lvm",
        "volume group of the guest",
        "duplicate",
        "scan_lvs",
        "guest vg",
    ],
    tells: "pvs -o pv_name,vg_name",
    remedy: "deactivate the guest's volume group on the host and reject the VMs' devices in LVM's global_filter or devices file",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

/// How block devices of VMs are customarily named on hosts.
const VM_DEVICE: &[&str] = &[
    "/dev/zd",
    "/dev/rbd",
    "/dev/zvol/",
    "/dev/drbd",
    "/vm-",
    "--vm",
    "-vm--",
    "/dev/nbd",
    "vm--",
    "/dev/longhorn/",
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let disks = super::super::storage::cache_mode_unsafe::disks(cx);
    let of_vm = |device: &str| {
        VM_DEVICE.iter().any(|part| device.contains(part))
            || disks.iter().any(|disk| disk.source.as_deref() == Some(device))
    };
    for text in cx.texts_with("PV ").filter(|text| text.holds("VG")) {
        let mut listing = false;
        for (number, line) in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            // The heading of `pvs`: PV VG Fmt Attr PSize PFree.
            if words.first() == Some(&"PV") && words.get(1) == Some(&"VG") {
                listing = true;
                continue;
            }
            let Some(device) = words.first().filter(|word| listing && word.starts_with("/dev/")) else {
                continue;
            };
            draft = draft.looked();
            if words.get(2) == Some(&"lvm2") && of_vm(device) {
                draft = draft
                    .because(
                        Strength::Strong,
                        text.quote(number),
                        "the host uses a VM's disk as a physical volume",
                    )
                    .title(format!(
                        "the host's LVM has taken {device}, a VM's disk, with its group {}",
                        words[1]
                    ));
                return vec![draft.verdict()];
            }
        }
    }
    vec![draft.verdict()]
}
