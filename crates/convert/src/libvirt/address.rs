//! Where the guest sees a device.

use super::port::Port;
use vmwright_formats::PciAddress;
use vmwright_formats::machine_spec::check;
use vmwright_model::machine::Address;

/// The address of a device, and what a virtio device's driver says of the way there.
pub(super) fn of(port: &mut Port<'_>, field: &mut Option<Address>) {
    let mut address = field.take().unwrap_or_default();
    port.child("address", |port| place(port, &mut address));
    port.child("driver", |port| {
        port.on_off("iommu", &mut address.iommu);
        port.on_off("packed", &mut address.packed);
    });
    *field = (address != Address::default()).then_some(address);
}

fn place(port: &mut Port<'_>, address: &mut Address) {
    if !port.reading() {
        let kind = if address.pci.is_some() {
            "pci"
        } else if address.mmio {
            "virtio-mmio"
        } else if address.unit.is_some() || address.target.is_some() {
            "drive"
        } else if address.controller.is_some() {
            "virtio-serial"
        } else if address.port.is_some() || address.bus.is_some() {
            "usb"
        } else {
            return;
        };
        port.put("type", kind);
    }
    match port.raw("type").as_deref() {
        Some("pci") => {
            pci(port, &mut address.pci);
            port.or_default(&mut address.multifunction, |port, on| {
                port.word("multifunction", &[("on", true)], on);
            });
        }
        Some("virtio-mmio") => address.mmio = true,
        Some("drive") => {
            port.number("controller", 0..=1024, &mut address.controller);
            port.number("bus", 0..=1024, &mut address.bus);
            port.number("target", 0..=16383, &mut address.target);
            port.number("unit", 0..=16383, &mut address.unit);
        }
        Some("virtio-serial") => {
            port.number("controller", 0..=1024, &mut address.controller);
            port.number("bus", 0..=1024, &mut address.bus);
            port.text("port", "word", &mut address.port);
        }
        Some("usb") => {
            port.number("bus", 0..=1024, &mut address.bus);
            port.text("port", "word", &mut address.port);
        }
        _ => {}
    }
}

/// A PCI address in four attributes.
pub(super) fn pci(port: &mut Port<'_>, field: &mut Option<String>) {
    if port.reading() {
        let part = |name: &str, usual: &str| port.raw(name).unwrap_or_else(|| usual.to_owned());
        let address = port.raw("slot").and_then(|slot| {
            PciAddress::from_parts(&part("domain", "0"), &part("bus", "0"), &slot, &part("function", "0"))
        });
        *field = address.map(|address| address.to_string()).filter(|text| check("pci-address", text).is_ok());
    } else if let Some(address) = field.as_ref().and_then(|text| text.parse::<PciAddress>().ok()) {
        port.put("domain", format!("0x{:04x}", address.domain));
        port.put("bus", format!("0x{:02x}", address.bus));
        port.put("slot", format!("0x{:02x}", address.slot));
        port.put("function", format!("0x{:x}", address.function));
    }
}
