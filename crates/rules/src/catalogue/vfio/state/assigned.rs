//! The host devices that VMs are given.

use crate::prelude::*;
use vmwright_formats::{DomainXml, PciAddress};

/// A host device that a VM's configuration names.
pub(crate) struct Assigned {
    /// The host's address.
    pub address: PciAddress,
    /// Whether libvirt or Proxmox binds it to vfio-pci by itself.
    pub managed: bool,
    /// Where it is named.
    pub quote: Option<Evidence>,
}

/// The PCI devices that domain XML, QEMU arguments (in whatever text they stand) or a Proxmox configuration
/// assign to a VM; 64 at most.
pub(crate) fn assigned(cx: &Context<'_>) -> Vec<Assigned> {
    let mut found: Vec<Assigned> = Vec::new();
    for domain in cx.all::<DomainXml>() {
        for device in domain.domains.iter().flat_map(|one| &one.devices.hostdevs) {
            if let Some(address) = &device.address {
                let managed = device.managed.as_ref().is_some_and(|managed| managed.value == "yes");
                found.push(Assigned { address: address.value, managed, quote: domain.quote(address.line) });
            }
        }
    }
    for (text, number, line) in cx.lines_with(["hostpci", "PCI_RESOURCE_", "VFIO device for", "vfio-pci"]) {
        for address in words_after(line).iter().filter_map(|word| word.parse().ok()) {
            let managed = line.starts_with("hostpci");
            found.push(Assigned { address, managed, quote: text.quote(number) });
        }
    }
    let mut known = Vec::new();
    found.retain(|one| {
        !known.contains(&one.address) && known.len() < 64 && {
            known.push(one.address);
            true
        }
    });
    found
}

/// What follows `host=` in a vfio-pci argument, in either syntax, or `hostpci0:`; in Kubernetes what the variable
/// `PCI_RESOURCE_...` gives to a launcher, or what a device driver's log calls a VFIO device.
fn words_after(line: &str) -> Vec<&str> {
    let key = if line.starts_with("hostpci") {
        ": "
    } else if line.contains("PCI_RESOURCE_") {
        "="
    } else if line.contains("VFIO device for") {
        ": "
    } else if line.contains("\"vfio-pci\"") {
        "\"host\":\""
    } else if line.contains("vfio-pci,") {
        "host="
    } else {
        return Vec::new();
    };
    let word = |rest: &'_ str| rest.find(|c: char| !(c.is_ascii_hexdigit() || c == ':' || c == '.'));
    line.split(key)
        .skip(1)
        .take(16)
        .map(|rest| rest[..word(rest).unwrap_or(rest.len())].trim_end_matches(':'))
        .collect()
}
