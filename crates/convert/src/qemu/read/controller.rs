//! Controllers.

use super::Reader;
use super::bag::Bag;
use vmwright_model::machine::{Controller, ControllerKind};

impl Reader {
    /// A controller by its driver; none where it is another device.
    pub(super) fn controller(&mut self, driver: &str, bag: &mut Bag) -> Option<String> {
        let (kind, model) = kind(driver)?;
        let companion = driver.starts_with("ich9-usb-uhci");
        let id = bag.get("id").unwrap_or_default().to_owned();
        let first = u32::from(matches!(kind, ControllerKind::Pci));
        let index = if companion {
            // It shares the number of the EHCI controller that it belongs to.
            let master = bag.take("masterbus")?;
            bag.take("firstport");
            self.buses.controller(&master, kind)?
        } else {
            // The boards of the q35 family have the first SATA controller built in.
            let first = if kind == ControllerKind::Sata && self.is_q35() { 1 } else { first };
            self.buses.add(if id == "usb" { "usb0" } else { &id }, kind, first)
        };
        if id == "usb" {
            self.buses.alias("usb", kind, index);
        }
        if kind == ControllerKind::Scsi && matches!(model, Some("lsilogic")) {
            self.without_luns.insert(index);
        }
        let mut controller = Controller {
            kind,
            index: Some(index),
            model: model.map(str::to_owned),
            ports: None,
            queues: bag.small("num_queues"),
            iothread: self.iothread(bag),
            chassis: None,
            port: None,
            node: bag.small("numa_node"),
            hotplug: bag.flag("hotplug"),
            address: None,
        };
        match kind {
            ControllerKind::Pci => {
                controller.chassis = bag.small(if driver == "pci-bridge" { "chassis_nr" } else { "chassis" });
                controller.port = bag.small("port");
            }
            ControllerKind::VirtioSerial => controller.ports = bag.small("max_ports"),
            ControllerKind::Usb if bag.get("p2") == bag.get("p3") => {
                controller.ports = bag.small("p2");
                bag.take("p3");
            }
            _ => {}
        }
        controller.address =
            if kind == ControllerKind::Ccid { self.buses.usb(bag) } else { self.buses.address(bag) };
        let item = format!("controller.{}", self.spec.controllers.len());
        self.spec.controllers.push(controller);
        bag.take("id");
        Some(item)
    }

    pub(super) fn is_q35(&self) -> bool {
        self.spec.machine == "q35" || self.spec.machine.starts_with("pc-q35")
    }
}

/// What is plugged into a controller, and its name in the specification.
fn kind(driver: &str) -> Option<(ControllerKind, Option<&str>)> {
    use ControllerKind::{Ccid, Fdc, Pci, Sata, Scsi, Usb, VirtioSerial};
    Some(match driver {
        "pcie-root-port" | "ioh3420" | "pci-bridge" => (Pci, Some(driver)),
        "i82801b11-bridge" => (Pci, Some("dmi-to-pci-bridge")),
        "x3130-upstream" => (Pci, Some("pcie-switch-upstream-port")),
        "xio3130-downstream" => (Pci, Some("pcie-switch-downstream-port")),
        "pcie-pci-bridge" => (Pci, Some("pcie-to-pci-bridge")),
        "pxb" => (Pci, Some("pci-expander-bus")),
        "pxb-pcie" => (Pci, Some("pcie-expander-bus")),
        "virtio-scsi-pci" | "virtio-scsi-device" | "virtio-scsi-ccw" => (Scsi, Some("virtio-scsi")),
        "virtio-scsi-pci-transitional" => (Scsi, Some("virtio-transitional")),
        "virtio-scsi-pci-non-transitional" => (Scsi, Some("virtio-non-transitional")),
        "lsi" | "lsi53c895a" => (Scsi, Some("lsilogic")),
        "mptsas1068" => (Scsi, Some("lsisas1068")),
        "megasas" => (Scsi, Some("lsisas1078")),
        "pvscsi" => (Scsi, Some("vmpvscsi")),
        "spapr-vscsi" => (Scsi, Some("ibmvscsi")),
        "piix3-usb-uhci" => (Usb, Some("piix3-uhci")),
        "piix4-usb-uhci" => (Usb, Some("piix4-uhci")),
        "usb-ehci" => (Usb, Some("ehci")),
        "nec-usb-xhci" => (Usb, Some("nec-xhci")),
        "vt82c686b-usb-uhci" => (Usb, Some("vt82c686b-uhci")),
        "qemu-xhci" | "pci-ohci" => (Usb, Some(driver)),
        "ich9-usb-ehci1" => (Usb, Some("ich9-ehci1")),
        "ich9-usb-uhci1" => (Usb, Some("ich9-uhci1")),
        "ich9-usb-uhci2" => (Usb, Some("ich9-uhci2")),
        "ich9-usb-uhci3" => (Usb, Some("ich9-uhci3")),
        "ahci" | "ich9-ahci" => (Sata, None),
        "isa-fdc" => (Fdc, None),
        "virtio-serial-pci" | "virtio-serial-device" | "virtio-serial" | "virtio-serial-ccw" => {
            (VirtioSerial, None)
        }
        "virtio-serial-pci-transitional" => (VirtioSerial, Some("virtio-transitional")),
        "virtio-serial-pci-non-transitional" => (VirtioSerial, Some("virtio-non-transitional")),
        "usb-ccid" => (Ccid, None),
        _ => return None,
    })
}
