//! The answer to `guest-get-disks`.

use super::sysfs::{self, Pci};
use serde_json::{Value, json};
use std::fs;

/// Disks and their partitions. Loop and RAM disks are the guest's own and left out.
pub(super) fn list() -> Value {
    let mut entries = Vec::new();
    for disk in sysfs::names("/sys/block") {
        if disk.starts_with("loop") || disk.starts_with("ram") || disk.starts_with("zram") {
            continue;
        }
        let directory = format!("/sys/block/{disk}");
        let mut entry = json!({ "name": format!("/dev/{disk}"), "partition": false, "dependencies": [] });
        if let Some(pci) = sysfs::pci_of(format!("{directory}/device")) {
            entry["address"] = address(&disk, pci);
        }
        entries.push(entry);
        for part in sysfs::names(&directory) {
            if fs::exists(format!("{directory}/{part}/partition")).unwrap_or(false) {
                entries.push(json!({
                    "name": format!("/dev/{part}"), "partition": true, "dependencies": [format!("/dev/{disk}")],
                }));
            }
        }
    }
    entries.into()
}

fn address(disk: &str, pci: Pci) -> Value {
    // The kernel names disks after their driver.
    let bus = match disk.as_bytes() {
        [b'v', b'd', ..] => "virtio",
        [b'n', b'v', b'm', b'e', ..] => "nvme",
        [b's', b'd', ..] => "scsi",
        _ => "unknown",
    };
    let mut address = json!({
        "bus-type": bus, "bus": 0, "target": 0, "unit": 0, "dev": format!("/dev/{disk}"),
        "pci-controller": { "domain": pci.domain, "bus": pci.bus, "slot": pci.slot, "function": pci.function },
    });
    if let Some(serial) =
        sysfs::value(format!("/sys/block/{disk}/serial")).filter(|serial| !serial.is_empty())
    {
        address["serial"] = serial.into();
    }
    address
}
