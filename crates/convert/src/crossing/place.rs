//! Where a device is that the specification has no item for.

use super::Crossing;
use crate::libvirt::Node;
use crate::qemu::{pci_bus, usb_bus};

/// `,bus=...,addr=...` of an element's address, or nothing where it says none.
pub(super) fn of(crossing: &Crossing, node: &Node) -> String {
    let Some(address) = node.child("address") else { return String::new() };
    let number = |name: &str| address.attribute(name).and_then(crate::libvirt::number).unwrap_or(0);
    match address.attribute("type") {
        Some("pci") => {
            let bus = pci_bus(&crossing.spec, number("bus"));
            let many =
                if address.attribute("multifunction") == Some("on") { ",multifunction=on" } else { "" };
            match number("function") {
                0 => format!(",bus={bus}{many},addr={:#x}", number("slot")),
                function => format!(",bus={bus},addr={:#x}.{function:#x}", number("slot")),
            }
        }
        Some("usb") => {
            let port = address.attribute("port").map(|port| format!(",port={port}")).unwrap_or_default();
            format!(",bus={}{port}", usb_bus(number("bus")))
        }
        Some("virtio-serial") => {
            let port = match number("port") {
                0 => String::new(),
                port => format!(",nr={port}"),
            };
            format!(",bus=virtio-serial{}.0{port}", number("controller"))
        }
        Some("ccid") => format!(",bus=ccid{}.0", number("controller")),
        Some("isa") => match address.attribute("iobase") {
            Some(base) => format!(",iobase={base}"),
            None => String::new(),
        },
        Some("drive") => {
            let lun = number("unit");
            format!(
                ",bus=scsi{}.0,channel={},scsi-id={},lun={lun}",
                number("controller"),
                number("bus"),
                number("target")
            )
        }
        _ => String::new(),
    }
}
