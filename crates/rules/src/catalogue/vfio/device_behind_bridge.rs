//! # The device is a bridge, or sits behind one, that cannot be assigned with it
//!
//! ## What it is
//! Only endpoints can be given to a guest. Bridges, root ports and switch ports stay with the host: they are part
//! of the path to the device, and a group stays viable with them.
//!
//! Heard as: a bridge or root port is in the list of devices to assign.
//!
//! Known by: device is not an endpoint, header type; Cannot assign PCI bridge; PCIe-to-PCI bridge; non-endpoint;
//! conventional PCI card.
//!
//! ## Why it happens
//! All addresses of an IOMMU group were put into the VM, the root port among them; or a conventional PCI card sits
//! behind a PCIe-to-PCI bridge that shows the IOMMU one requester id for all cards behind it.
//!
//! ## Confirm
//! `lspci -nn -s <address>` names a "PCI bridge [0604]" for an address that the VM lists; `lspci -t` shows what is
//! behind which bridge; `lspci -vv -s <address> | grep 'Express ('` names the port type.
//!
//! ## Refute
//! Each address in the VM's configuration is an endpoint (header type 00).
//!
//! ## Fix
//! Take the bridge out of the VM's device list and leave it on pcieport. For conventional PCI behind a bridge
//! assign every device behind it together, or move the card.
//!
//! ## References
//! libvirt `src/hypervisor/virhostdev.c` ("Non-endpoint PCI devices"), `src/util/virpci.c`; QEMU
//! `hw/vfio/pci.c`, `vfio_setup_pcie_cap()`; Linux `drivers/vfio/pci/vfio_pci_core.c` (normal headers only).

use super::wrong_driver::assigned;
use crate::prelude::*;
use std::sync::Arc;
use vmwright_formats::View;
use vmwright_formats::{PciAddress, PciDevices};

pub const RULE: Rule = Rule {
    tags: &["passthrough"],
    signs: &[
        Sign::proof("Non-endpoint PCI devices cannot be assigned to guests"),
        Sign::proof("Only PCI endpoint devices can be reset"),
        Sign::strong("assignment of PCIe type {type} devices is not currently supported"),
        Sign::support("PCI device {device} is not assignable").unless(&["lacking ACS"]),
        Sign::support("vfio-pci: probe of {device} failed with error -22").and(&["PCI bridge"]),
        Sign::hint("PCIe-to-PCI bridge"),
        Sign::hint("PCI Express to PCI Bridge"),
        Sign::hint("PCI Express-to-PCI Bridge"),
        Sign::strong("this isn't a vfio-{x} device"),
    ],
    words: &["pci bridge", "root port", "bridge", "behind", "riser"],
    explains: &["vfio/group-not-viable", "vfio/wrong-driver"],
    tells: "lspci -tv",
    remedy: "assign the endpoint alone and leave bridges and ports to the host",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    needs: &[Need::Command(&["lspci", "-nnk"])],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let devices = devices(cx);
    for assigned in assigned(cx) {
        let bridge = |what: &str| what.starts_with("PCI bridge") || what.starts_with("Host bridge");
        let at = devices.iter().find(|one| one.address == assigned.address && bridge(&one.what));
        if let Some(device) = at {
            draft = draft
                .because(Strength::Support, assigned.quote, "the VM is given this address")
                .because(Strength::Strong, device.quote.clone(), "and a bridge is there")
                .about(Subject::new(SubjectKind::Pci, device.address.to_string()))
                .title(format!("{} is a bridge and cannot be given to a VM", device.address));
            // One is enough: more of the same kind add no certainty.
            break;
        }
    }
    vec![draft.verdict()]
}

/// A device as lspci lists it.
pub(crate) struct Device {
    /// Its address.
    pub address: PciAddress,
    /// The rest of its line: class, name, ids.
    pub what: String,
    /// Its line.
    pub quote: Option<Evidence>,
    /// "Kernel driver in use", where that was printed.
    pub driver: Option<(String, Option<Evidence>)>,
}

/// Parts of the names of device classes (pci.ids), one of which stands in every line of lspci about a device.
const CLASSES: [&str; 14] = [
    "ontroller",
    "ridge",
    "evice",
    "rocess",
    "ccelerator",
    "peripheral",
    "IOMMU",
    "memory",
    "Memory",
    "ounters",
    "nterface",
    "Instrumentation",
    "encryption",
    "lass",
];

/// How an address ends, before what stands behind it: a device has eight functions at most.
const FUNCTIONS: [&str; 8] = [".0 ", ".1 ", ".2 ", ".3 ", ".4 ", ".5 ", ".6 ", ".7 "];

/// The devices in the outputs of lspci, wherever they were pasted, and in the reader's own list; 1024 at most.
pub(crate) fn devices(cx: &Reading<'_>) -> Arc<Vec<Device>> {
    cx.once(read)
}

fn read(cx: &Reading<'_>) -> Vec<Device> {
    let mut found: Vec<Device> = Vec::new();
    for seen in cx.all::<PciDevices>() {
        for one in &seen.devices {
            // Classes of linux/pci_ids.h, in lspci's words.
            let what = match one.class().map(|class| class >> 8) {
                Some(0x0600) => "Host bridge",
                Some(0x0604) => "PCI bridge",
                _ => "",
            };
            let driver =
                one.driver().and_then(|found| Some((found.value?.to_owned(), seen.quote(found.line))));
            let quote = one.get("class").and_then(|class| seen.quote(class.line));
            found.push(Device { address: one.address, what: what.to_owned(), quote, driver });
        }
    }
    found.truncate(1024);
    let address = |(_, line): (u32, &str)| line.starts_with(|first: char| first.is_ascii_hexdigit());
    let listing = |text: &&Text<'_>| text.kind != PciDevices::KIND && text.lines_with(FUNCTIONS).any(address);
    for text in cx.texts_with(CLASSES).filter(listing) {
        let mut open = false;
        for (number, line) in text.lines() {
            if line.starts_with(|first: char| first.is_ascii_hexdigit()) {
                let parts = line.split_once(' ').and_then(|(first, what)| Some((first.parse().ok()?, what)));
                open = parts.is_some();
                if let Some((address, what)) = parts.filter(|_| found.len() < 1024) {
                    found.push(Device {
                        address,
                        what: what.to_owned(),
                        quote: text.quote(number),
                        driver: None,
                    });
                }
            } else if !line.starts_with([' ', '\t']) {
                open = false;
            } else if let Some(driver) = line.trim().strip_prefix("Kernel driver in use: ")
                && let (true, Some(device)) = (open, found.last_mut())
            {
                device.driver = Some((driver.trim().to_owned(), text.quote(number)));
            }
        }
    }
    found
}
