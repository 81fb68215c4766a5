//! Devices of the host that were given to the VM, and graphics cards: the guest sees each where the VMM has it, and a driver
//! of the guest took it. Of a graphics card the kernel's graphics (DRM) or NVIDIA's driver has to tell as well: a driver that
//! did not bring the card up tells of none.

use super::Gate;
use super::observe::{Observed, read};
use crate::gates::uevent;
use crate::quote;
use crate::scope::{Host, Session};
use serde_json::Value;
use vmwright_model::MachineSpec;
use vmwright_model::machine::HostDeviceKind;

/// The most functions of the VMM, and cards of the guest, that are looked at.
const MOST: usize = 256;
const CARDS: usize = 8;

/// The class of graphics cards (PCI Code and ID Assignment Specification, base class 3).
const GRAPHICS: u64 = 0x03;

/// Vendor and device.
type Id = (u64, u64);

/// What the guest sees where the VMM has a function.
pub(crate) type Seen = (Function, Result<InGuest, String>);

/// A device of the host by its address, and what it is.
pub(crate) type Wanted = (String, Result<Id, String>);

/// A PCI function as the VMM has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    /// Where the guest has it: `0000:01:00.0`.
    pub(crate) address: String,
    pub(crate) id: Id,
    /// Class and subclass (PCI Code and ID Assignment Specification).
    pub(crate) class: u64,
}

impl Function {
    fn graphics(&self) -> bool {
        self.class >> 8 == GRAPHICS
    }
}

/// The same in the guest. Untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InGuest {
    /// Vendor and device; none where nothing is there.
    pub(crate) id: Option<Id>,
    pub(crate) driver: Option<String>,
    /// What tells of it as a graphics card.
    pub(crate) shown: Option<String>,
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Assigned {
    /// Vendor and device of each PCI device of the host that the specification gives, as the host has it.
    pub(crate) wanted: Vec<Wanted>,
    /// Functions that are among those or graphics cards, with what the guest sees there.
    pub(crate) functions: Option<Result<Vec<Seen>, String>>,
}

pub(super) fn observe(session: &Session<'_>) -> Assigned {
    let spec = session.scope.spec;
    let given = spec.host_devices.iter().filter(|device| device.kind == HostDeviceKind::Pci);
    let wanted: Vec<Wanted> = given.map(|device| (device.device.clone(), of_host(session.scope.host, &device.device))).collect();
    if wanted.is_empty() && spec.videos.iter().all(|video| video.model == "none") {
        return Assigned::default();
    }
    let functions = session.scope.vmm.query("query-pci").and_then(|answer| {
        functions(&answer).ok_or_else(|| "query-pci: the answer has another form".to_owned())
    });
    let concerns = |function: &Function| function.graphics() || wanted.iter().any(|(_, id)| id.as_ref() == Ok(&function.id));
    let functions = functions.map(|all| {
        let seen = |function: Function| (function.clone(), in_guest(session, &function));
        all.into_iter().filter(concerns).map(seen).collect()
    });
    Assigned { wanted, functions: Some(functions) }
}

fn of_host(host: &dyn Host, address: &str) -> Result<Id, String> {
    let number = |file: &str| {
        let path = format!("/sys/bus/pci/devices/{address}/{file}");
        let bytes = host.file(&path).map_err(|why| format!("{path}: {why}"))?;
        hexadecimal(&String::from_utf8_lossy(&bytes)).ok_or_else(|| format!("{path} is no number"))
    };
    Ok((number("vendor")?, number("device")?))
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

/// Every function in an answer to `query-pci`, behind bridges too.
pub(super) fn functions(answer: &Value) -> Option<Vec<Function>> {
    let mut found = Vec::new();
    let mut pending: Vec<&Value> = answer.as_array()?.iter().collect();
    while let Some(bus) = pending.pop() {
        for device in bus.get("devices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default() {
            let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64);
            let function = || {
                let (bus, slot) = (number(device, "bus")?, number(device, "slot")?);
                let address = format!("0000:{bus:02x}:{slot:02x}.{:x}", number(device, "function")?);
                let id = device.get("id")?;
                let class = number(device.get("class_info")?, "class")?;
                Some(Function { address, id: (number(id, "vendor")?, number(id, "device")?), class })
            };
            if found.len() < MOST {
                found.extend(function());
            }
            pending.extend(device.get("pci_bridge"));
        }
    }
    found.sort_by(|one, other| one.address.cmp(&other.address));
    Some(found)
}

pub(super) fn in_guest(session: &Session<'_>, function: &Function) -> Result<InGuest, String> {
    session.ask("guest-ping")?;
    let place = format!("/sys/bus/pci/devices/{}", function.address);
    let number = |file: &str| read(session, &format!("{place}/{file}")).ok().and_then(|text| hexadecimal(&text));
    let id = number("vendor").zip(number("device"));
    let driver = id.and_then(|_| read(session, &format!("{place}/uevent")).ok());
    let driver = driver.and_then(|text| uevent(&text, "DRIVER").map(str::to_owned));
    let shown = if function.graphics() && driver.is_some() { shown(session, &function.address) } else { None };
    Ok(InGuest { id, driver, shown })
}

/// What in the guest tells of a graphics card: a card of DRM, whose parent it or its virtio device is, or NVIDIA's record.
fn shown(session: &Session<'_>, address: &str) -> Option<String> {
    let card = |number: &usize| {
        ["device", "device/.."].iter().any(|parent| {
            let text = read(session, &format!("/sys/class/drm/card{number}/{parent}/uevent"));
            text.is_ok_and(|text| uevent(&text, "PCI_SLOT_NAME") == Some(address))
        })
    };
    let drm = (0..CARDS).find(card).map(|number| format!("DRM card{number}"));
    drm.or_else(|| {
        let text = read(session, &format!("/proc/driver/nvidia/gpus/{address}/information")).ok()?;
        let model = text.lines().find_map(|line| line.strip_prefix("Model:"))?;
        Some(format!("NVIDIA {}", model.trim()))
    })
}

pub(super) fn judge(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    let Some(answer) = &seen.assigned.functions else { return };
    gate.aspects.about("host devices");
    for (address, id) in &seen.assigned.wanted {
        if let Err(why) = id {
            gate.aspects.unknown(format!("{address} of the host: {}", quote::line(why)));
        }
    }
    let Some(functions) = gate.of_vmm("PCI devices", answer) else { return };
    let mut left: Vec<_> = functions.iter().collect();
    for (host, id) in &seen.assigned.wanted {
        let Ok(id) = id else { continue };
        let label = format!("host device {host} ({:04x}:{:04x})", id.0, id.1);
        let Some(at) = left.iter().position(|(function, _)| function.id == *id) else {
            gate.aspects.about("host devices").fail(format!("{label}: the VMM has no such device"));
            gate.row(&label, host, "not found", "");
            continue;
        };
        let (function, in_guest) = left.remove(at);
        gate.aspects.about("host devices");
        let told = taken(&label, function, in_guest, true, gate);
        gate.row(&label, host, &function.address, &told);
    }
    // Cards that the VMM emulates: what no driver takes still shows what the firmware draws.
    let emulated = spec.videos.iter().filter(|video| video.model != "none").count();
    for (function, in_guest) in left.into_iter().filter(|(function, _)| function.graphics()).take(emulated) {
        let label = format!("graphics card ({:04x}:{:04x})", function.id.0, function.id.1);
        gate.aspects.about("graphics");
        let told = taken(&label, function, in_guest, false, gate);
        gate.row(&label, "", &function.address, &told);
    }
}

/// Judges what the guest sees of a function, and tells it. One that `must` have a driver fails without.
fn taken(label: &str, function: &Function, in_guest: &Result<InGuest, String>, must: bool, gate: &mut Gate) -> String {
    let Some(found) = gate.of_guest(label, in_guest).cloned() else { return "unknown".to_owned() };
    let at = &function.address;
    if found.id != Some(function.id) {
        gate.aspects.fail(format!("{label}: the guest does not see it at {at}"));
        return "not found".to_owned();
    }
    let Some(driver) = found.driver else {
        if must {
            gate.aspects.fail(format!("{label}: no driver of the guest took it"));
        } else {
            gate.aspects.none(format!("{label}: no driver of the guest took it; it shows what the firmware draws"));
        }
        return "no driver".to_owned();
    };
    let driver = quote::line(&driver);
    match found.shown {
        _ if !function.graphics() => gate.aspects.pass(),
        Some(shown) => {
            gate.aspects.pass();
            return format!("{driver}, {}", quote::line(&shown));
        }
        None => gate.aspects.unknown(format!("{label}: {driver} took it, and neither DRM nor NVIDIA's driver tells of it")),
    }
    driver
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn functions_have_their_place_behind_bridges_too() {
        let device = |bus: u64, slot: u64, id: (u64, u64), class: u64| {
            json!({ "bus": bus, "slot": slot, "function": 0, "id": { "vendor": id.0, "device": id.1 }, "class_info": { "class": class } })
        };
        let mut bridge = device(0, 2, (0x1b36, 12), 0x0604);
        bridge["pci_bridge"] = json!({ "bus": {}, "devices": [device(1, 0, (0x10de, 0x2236), 0x0302)] });
        let answer = json!([{ "bus": 0, "devices": [bridge, device(0, 1, (0x1234, 0x1111), 0x0300), 5] }]);
        let all = functions(&answer).unwrap();
        let told: Vec<(&str, bool)> = all.iter().map(|one| (one.address.as_str(), one.graphics())).collect();
        assert_eq!(told, [("0000:00:01.0", true), ("0000:00:02.0", false), ("0000:01:00.0", true)]);
        assert_eq!(all[2].id, (0x10de, 0x2236));
        assert_eq!(functions(&json!("no list")), None);
        assert_eq!((hexadecimal("0x8086\n"), hexadecimal("8086"), hexadecimal("0xzz")), (Some(0x8086), None, None));
    }
}
