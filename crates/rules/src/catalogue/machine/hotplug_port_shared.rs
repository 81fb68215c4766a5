//! # Two devices were added to one root port or slot
//!
//! ## What it is
//! A PCIe root port is a link to one device. A second device on the same port, or on a slot that is taken, is refused,
//! displaces the first in the guest, or stays invisible because function 0 is another's.
//!
//! Heard as: a second hot-added device makes the first disappear.
//!
//! Known by: second hot-plugged device does not appear, or first disappears; function 0 and multifunction; slot 0;
//! pcie-root-port has one slot only.
//!
//! ## Why it happens
//! Scripts call `device_add ...,bus=rp1` for each device; an address was copied from another device; one tool adds a
//! device with an implicit address that another tool's explicit one meets.
//!
//! ## Confirm
//! QEMU's monitor `info pci` and `info qtree`, or `virsh -r dumpxml VM`: two devices with the same bus and slot.
//!
//! ## Refute
//! Each device has a bus and slot of its own: a full machine is `machine/pci-slots-exhausted`.
//!
//! ## Fix
//! Give each hot-added device an empty root port of its own. Several functions of one slot must be added with function 0
//! last and `multifunction=on`.
//!
//! ## References
//! QEMU `docs/pcie.txt` (section "Hot-plug"), `hw/pci/pci.c`, `do_pci_register_device()` ("in use by",
//! "already occupied by"); libvirt `src/conf/domain_addr.c` ("Attempted double use of PCI Address").

use crate::prelude::*;
use std::collections::BTreeMap;
use vmwright_formats::DomainXml;

pub const RULE: Rule = Rule {
    tags: &["machine", "hotplug"],
    signs: &[
        Sign::strong("PCI: slot {slot} function {function} not available for {device}, in use by")
            .unless(AT_START),
        Sign::strong("PCI: slot {slot} function 0 already occupied by").unless(AT_START),
        Sign::strong("PCI: slot {slot} function 0 already ocuppied by").unless(AT_START),
        Sign::support("cannot be exposed to guest"),
        Sign::hint("Attempted double use of PCI"),
        Sign::support("Slot already in use"),
        Sign::support("slot is already occupied"),
        Sign::support("pciehp: Slot({slot}): Link Up").and(&["Card not present"]),
        Sign::support("device_add").and(&["in use by"]),
        Sign::strong("unplug of device was rejected by the guest"),
        Sign::strong("device cannot be detached: device is busy"),
        Sign::strong("cannot hot unplug {d} device with multifunction PCI guest address"),
    ],
    words: &["second device", "hotplug", "hot-plug", "disappears", "same port", "same slot", "device_add"],
    tells: "virsh -r dumpxml VM",
    remedy: "give each hot-added device an empty root port (or slot) of its own",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// The device stands on the command line: nothing was added to a running VM, and the definition contradicts itself
/// (`machine/config-conflict`).
const AT_START: &[&str] = &["-device*in use by", "-device*already occupied by"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for text in cx.texts_with("device_add") {
        let mut first: BTreeMap<String, u32> = BTreeMap::new();
        // One port is used again only where nothing was taken off in between.
        for (number, line) in text.lines_with(["device_add", "device_del"]).take(256) {
            if line.contains("device_del") {
                first.clear();
            }
            let Some(bus) = bus_of(line).filter(|_| line.contains("device_add")) else { continue };
            let place = format!("{bus} {}", value_of(line, "addr").unwrap_or_default());
            if bus.starts_with("pcie.0") || bus.starts_with("pci.0") && value_of(line, "addr").is_none() {
                continue;
            }
            let Some(before) = first.insert(place, number) else { continue };
            draft = draft
                .because(Strength::Strong, text.quote(number), "a second device goes to the same port")
                .because(Strength::Support, text.quote(before), "the first one went there");
            return vec![draft.title(format!("two devices were added to `{bus}`")).verdict()];
        }
    }
    vec![draft.verdict()]
}

/// The bus of a `device_add` of a device that sits on PCI, in the monitor's or in QMP's spelling.
fn bus_of(line: &str) -> Option<String> {
    let other =
        ["usb-", "scsi-", "virtserialport", "virtconsole", "ide-"].iter().any(|kind| line.contains(kind));
    value_of(line, "bus").filter(|_| !other)
}

fn value_of(line: &str, key: &str) -> Option<String> {
    let plain = line.split_once(&format!(",{key}=")).map(|parts| parts.1);
    let json =
        || line.split_once(&format!("\"{key}\"")).map(|parts| parts.1.trim_start_matches([':', ' ', '"']));
    let rest = plain.or_else(json)?;
    let end = rest.find([',', '"', ' ', '}', '\'']).unwrap_or(rest.len());
    (end > 0).then(|| rest[..end].to_owned())
}

/// The lines of a guest PCI address that two devices of one domain have: the second and the first.
pub(crate) fn twice(xml: &DomainXml) -> Option<(u32, u32)> {
    let mut seen: BTreeMap<[&str; 4], u32> = BTreeMap::new();
    let one = xml.domains.len() == 1;
    let addresses = xml.document.elements().filter(|element| one && element.name() == "address");
    for address in addresses.take(4096) {
        let part = |name: &str| address.attribute(name).map_or("0x0", |value| value.value);
        // `<source><address .../></source>` is the device's address on the host.
        let host = address.parent().is_some_and(|parent| parent.name() == "source");
        if part("type") != "pci" || host || address.attribute("slot").is_none() {
            continue;
        }
        let place = [part("domain"), part("bus"), part("slot"), part("function")];
        if let Some(first) = seen.insert(place, address.line()) {
            return Some((address.line(), first));
        }
    }
    None
}
