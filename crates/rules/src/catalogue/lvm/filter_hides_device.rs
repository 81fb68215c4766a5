//! # LVM's filter or devices file hides the physical volume
//!
//! ## What it is
//! LVM looks only at devices that pass `filter` and `global_filter` in lvm.conf, or that stand in the devices file
//! (`/etc/lvm/devices/system.devices`). A physical volume that is left out does not exist for LVM: its group and
//! the VMs' volumes in it are not found.
//!
//! Heard as: LVM does not see a volume group on the LUN, multipath or new disk although lsblk shows it.
//!
//! Known by: pvs does not list the disk; couldn't find device with uuid; use_devicesfile, lvmdevices --adddev,
//! global_filter; rejected by a filter; multipath component.
//!
//! ## Why it happens
//! A filter written for the old device names; `/dev/sdX` names that moved; RHEL 9 and others use the devices file
//! by default and only list what was there at installation; a replaced disk or a new multipath WWID; a filter
//! made to keep the host off guests' volumes that hides too much (`vdsm-tool config-lvm-filter`). A filter that accepts
//! links below `/dev/disk` hides the device at boot alone: udev tells LVM of it before the links exist.
//!
//! ## Confirm
//! `pvs -a`; `lvmconfig devices/filter devices/global_filter devices/use_devicesfile`; `lvmdevices --check`;
//! `pvs --config 'devices { filter=["a|.*|"] global_filter=["a|.*|"] use_devicesfile=0 }'` shows it.
//!
//! ## Refute
//! The last command does not show it either: then the device, its multipath map or its LVM label is missing.
//!
//! ## Fix
//! `lvmdevices --adddev <device>` (or `vgimportdevices VG`), or correct the filter; then `vgchange -ay VG` and
//! rebuild the initramfs, which has copies of both.
//!
//! ## References
//! lvmdevices(8), lvm.conf(5) (`devices/filter`, `global_filter`, `use_devicesfile`); LVM2 `lib/filters/`;
//! oVirt and RHEL documentation on LVM filters for hypervisors.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["storage", "boot"],
    needs: &[Need::File("/etc/lvm/lvm.conf"), Need::File("/etc/lvm/devices/system.devices")],
    signs: &[
        Sign::proof("device is rejected by filter config"),
        Sign::strong("excluded by a filter"),
        Sign::proof("excluded: device is not in devices file"),
        Sign::strong("is not in devices file"),
        Sign::strong("not in devices file"),
        Sign::strong("excluded by devices file"),
        Sign::strong("excluded by filters: "),
        Sign::strong("Please update the devices file"),
        Sign::strong("Devices file PVID {pvid} not found"),
        Sign::strong("Devices file {device} PVID {pvid} not found"),
        Sign::strong("Devices file {device} is excluded"),
        Sign::strong("device excluded by a filter"),
        Sign::strong("ignored by filter"),
        Sign::strong("Failed to find device \"{device}\"").and(&["filter"]),
        Sign::support("Failed to find device for physical volume"),
        Sign::support("Cannot use {device}: device is"),
        Sign::strong("Cannot use {device}: device is not in devices file"),
        Sign::support("Failed to find physical volume"),
        Sign::support("use_devicesfile").unless(&["use_devicesfile = 0", "use_devicesfile=0"]),
        Sign::support("lvmdevices"),
        Sign::support("global_filter").and(&["Volume group \"*\" not found"]),
        Sign::support("global_filter").and(&["not found"]),
        Sign::hint("Volume group \"{group}\" not found"),
        Sign::hint("Couldn't find device with uuid"),
        Sign::hint("cannot find logical volume group name"),
        Sign::strong("devices to use does not include"),
        Sign::strong("Please remove the lvm.conf filter, it is ignored with the devices file"),
        Sign::strong("not matched to device_id"),
        Sign::strong("which is already used for missing device"),
        Sign::strong("Devices file PVID"),
        Sign::strong("is using only old wwid"),
        Sign::strong("Device not found for").and(&["devices file"]),
    ],
    words: &[
        "filter",
        "devices file",
        "lvm.conf",
        "volume group not found",
        "system.devices",
        "pvs",
        "vgs",
        "not activated",
        "lvm",
    ],
    explains: &["lvm/not-activated", "storage/image-missing"],
    tells: "lvmconfig devices/filter devices/global_filter devices/use_devicesfile",
    remedy: "add the device to LVM's devices file (lvmdevices --adddev) or let the filter accept it, then activate the group",
    applicability: Applicability::NeedsApproval,
    rank: Rank::Specific,
    check,
    ..Rule::NEW
};

/// A filter that ends by rejecting all, in the ways people write it.
const REJECT_ALL: &[&str] =
    &["\"r|.*|\"", "\"r/.*/\"", "\"r|.|\"", "'r|.*|'", "\"r@.*@\"", "\"r#.*#\"", "\"r|.*\"", "\"r!.*!\""];

/// What people say of a group that is not there.
const GONE: &[&str] =
    &["volume group not found", "not activated", "vgs", "pvs", "lvm", "not found", "disappear"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let not_found =
        cx.stands("Volume group \"{group}\" not found") || cx.stands("Couldn't find device with uuid");
    let missed = cx.asked(GONE);
    for text in cx.texts_with("filter") {
        if text.source.ends_with("lvm.conf") {
            draft = draft.looked();
        }
        for (number, line) in text.lines_with("filter") {
            let setting = line.trim_start();
            let sets = ["filter", "global_filter"].iter().any(|name| {
                setting.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
            });
            if !sets || !REJECT_ALL.iter().any(|all| line.contains(all)) || !(not_found || missed) {
                continue;
            }
            // A name below /dev/disk is a link that udev makes later than it tells LVM of the device.
            let by_link = line.contains("by-path") || line.contains("by-id") || line.contains("pci-");
            let strength = if not_found || by_link { Strength::Strong } else { Strength::Support };
            let shows = "what this filter does not list is hidden";
            return vec![draft.because(strength, text.quote(number), shows).verdict()];
        }
    }
    vec![draft.verdict()]
}
