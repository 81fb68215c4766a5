//! Virtio devices on both sides: PCI ids of the VMM, and the guest's virtio bus.

use super::observe::Observed;
use super::Gate;
use crate::gates::uevent;
use crate::scope::{GuestError, Session};
use serde_json::Value;

/// PCI vendor of every virtio device.
const VENDOR: u64 = 0x1af4;

/// The most devices that are looked at on either side.
const MOST: usize = 1024;

/// Numbers on the guest's bus that may be missing in a row (devices taken away) before its end is assumed.
const GAP: u32 = 8;

/// A device on the guest's virtio bus. Untrusted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GuestVirtio {
    /// Type number of the virtio specification, section 5.
    pub(crate) kind: u32,
    /// None where no driver took the device.
    pub(crate) driver: Option<String>,
}

/// What a type is called.
fn name(kind: u32) -> String {
    let name = match kind {
        1 => "network card",
        2 => "disk",
        3 => "serial ports",
        4 => "entropy source",
        5 => "memory balloon",
        8 => "SCSI controller",
        9 => "9P share",
        16 => "graphics",
        18 => "input",
        19 => "socket",
        24 => "memory",
        26 => "file share",
        _ => return format!("virtio type {kind}"),
    };
    format!("virtio {name}")
}

/// The type behind a PCI device id: `0x1040 + type`, or one of the transitional ids (virtio 1.2, section 4.1.2).
fn kind(device: u64) -> Option<u32> {
    match device {
        0x1000 => Some(1),
        0x1001 => Some(2),
        0x1002 => Some(5),
        0x1003 => Some(3),
        0x1004 => Some(8),
        0x1005 => Some(4),
        0x1009 => Some(9),
        0x1040..=0x107f => u32::try_from(device - 0x1040).ok(),
        _ => None,
    }
}

/// Types of all virtio devices in an answer to `query-pci`, behind bridges too.
pub(super) fn types_of_vmm(answer: &Value) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    let mut pending: Vec<&Value> = answer.as_array()?.iter().collect();
    while let Some(bus) = pending.pop() {
        for device in bus.get("devices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default() {
            let id = |name| device.get("id").and_then(|id| id.get(name)).and_then(Value::as_u64);
            if id("vendor") == Some(VENDOR) && found.len() < MOST {
                found.extend(id("device").and_then(kind));
            }
            // A bridge has the devices behind it.
            pending.extend(device.get("pci_bridge"));
        }
    }
    found.sort_unstable();
    Some(found)
}

/// The guest's virtio bus, device by device: the agent cannot list directories, but the kernel numbers them.
pub(super) fn of_guest(session: &Session<'_>) -> Result<Vec<GuestVirtio>, String> {
    let mut found = Vec::new();
    let mut missing = 0;
    for number in 0..MOST {
        let path = format!("/sys/bus/virtio/devices/virtio{number}/uevent");
        match session.guest_file(&path, 4096) {
            Ok(text) => {
                missing = 0;
                found.extend(parse(&text));
            }
            Err(GuestError::Refused(_)) => missing += 1,
            Err(error @ GuestError::Silent(_)) => return Err(format!("{path}: {error}")),
        }
        if missing >= GAP {
            break;
        }
    }
    Ok(found)
}

/// `MODALIAS=virtio:d00000002v00001AF4` is a disk.
fn parse(text: &str) -> Option<GuestVirtio> {
    let digits = uevent(text, "MODALIAS")?.strip_prefix("virtio:d")?.get(..8)?;
    let kind = u32::from_str_radix(digits, 16).ok()?;
    Some(GuestVirtio { kind, driver: uevent(text, "DRIVER").map(str::to_owned) })
}

/// Every virtio device of the VMM has a driver in the guest.
pub(super) fn judge(seen: &Observed, gate: &mut Gate) {
    let vmm = gate.of_vmm("virtio devices", &seen.virtio_vmm);
    let guest = gate.of_guest("virtio devices", &seen.virtio_guest);
    let (Some(vmm), Some(guest)) = (vmm, guest) else { return };
    let mut kinds = vmm.clone();
    kinds.dedup();
    for kind in kinds {
        let made = vmm.iter().filter(|other| **other == kind).count();
        let seen: Vec<&GuestVirtio> = guest.iter().filter(|device| device.kind == kind).collect();
        let drivers: Vec<&str> = seen.iter().filter_map(|device| device.driver.as_deref()).collect();
        let name = name(kind);
        gate.aspects.expect(drivers.len() >= made, || {
            if seen.len() < made {
                format!("{name}: the VMM has {made}, the guest sees {}", seen.len())
            } else {
                format!("{name}: {} of {made} have no driver in the guest", seen.len() - drivers.len())
            }
        });
        let in_guest = format!("{} ({})", seen.len(), if drivers.is_empty() { "no driver" } else { drivers[0] });
        gate.row(&name, "", &made.to_string(), &in_guest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn devices_behind_bridges_count_and_other_vendors_do_not() {
        let device = |vendor: u64, id: u64| json!({ "id": { "vendor": vendor, "device": id } });
        let mut bridge = device(0x1b36, 12);
        bridge["pci_bridge"] = json!({ "bus": {}, "devices": [device(0x1af4, 0x1045), device(0x1af4, 0x1110)] });
        let answer = json!([{ "bus": 0, "devices": [device(0x1af4, 0x1001), bridge, device(0x8086, 0x1001), 5] }]);
        assert_eq!(types_of_vmm(&answer), Some(vec![2, 5]));
        assert_eq!(types_of_vmm(&json!("no list")), None);
    }

    #[test]
    fn lines_of_the_bus() {
        let found = parse("DRIVER=virtio_rng\nMODALIAS=virtio:d00000004v00001AF4\n").unwrap();
        assert_eq!(found, GuestVirtio { kind: 4, driver: Some("virtio_rng".to_owned()) });
        assert_eq!(parse("MODALIAS=virtio:d00000004v00001AF4\n").unwrap().driver, None);
        for wrong in ["", "MODALIAS=pci:v1", "MODALIAS=virtio:d4", "MODALIAS=virtio:dZZZZZZZZv0", "MODALIAS=virtio:dä0000004"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
