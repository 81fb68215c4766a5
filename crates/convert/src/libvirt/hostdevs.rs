//! Devices of the host that are given to the guest.

use super::address;
use super::port::{Port, number};
use vmwright_formats::machine_spec::check;
use vmwright_model::machine::{HostDevice, HostDeviceKind};

const KINDS: &[(&str, HostDeviceKind)] = &[
    ("pci", HostDeviceKind::Pci),
    ("mdev", HostDeviceKind::Mdev),
    ("usb", HostDeviceKind::Usb),
    ("scsi", HostDeviceKind::Scsi),
];

pub(super) fn host_devices(port: &mut Port<'_>, devices: &mut Vec<HostDevice>) {
    port.list(
        "hostdev",
        devices,
        || HostDevice::of(HostDeviceKind::Pci, ""),
        |port, device| {
            port.put("mode", "subsystem");
            if port.raw("mode").is_some_and(|mode| mode != "subsystem") {
                return false;
            }
            let mut kind = (!port.reading()).then_some(device.kind);
            port.word("type", KINDS, &mut kind);
            let Some(kind) = kind else { return false };
            device.kind = kind;
            port.yes_no("managed", &mut device.managed);
            if kind == HostDeviceKind::Mdev {
                port.put("model", "vfio-pci");
                port.on_off("display", &mut device.display);
            }
            port.child("source", |port| source(port, device));
            port.child("boot", |port| port.number("order", 1..=1024, &mut device.boot_order));
            port.child("rom", |port| {
                port.on_off("bar", &mut device.rom_bar);
                port.text("file", "path", &mut device.rom);
            });
            address::of(port, &mut device.address);
            // One that is only kept from the host's drivers is no device of the guest.
            let place = port.node().child("address").and_then(|address| address.attribute("type"));
            if port.reading() && place == Some("unassigned") {
                return false;
            }
            check("host-device", &device.device).is_ok()
        },
    );
}

fn source(port: &mut Port<'_>, device: &mut HostDevice) {
    match device.kind {
        HostDeviceKind::Pci => port.child("address", |port| {
            let mut address = (!port.reading()).then(|| device.device.clone());
            address::pci(port, &mut address);
            device.device = address.unwrap_or_default();
        }),
        HostDeviceKind::Mdev => {
            port.child("address", |port| port.string("uuid", "uuid", &mut device.device));
        }
        HostDeviceKind::Usb => usb(port, device),
        HostDeviceKind::Scsi => scsi(port, device),
    }
}

/// By maker and product, or by its place.
fn usb(port: &mut Port<'_>, device: &mut HostDevice) {
    if port.reading() {
        let id = |name: &str| port.node().child(name)?.attribute("id").and_then(number);
        if let (Some(vendor), Some(product)) = (id("vendor"), id("product")) {
            device.device = format!("{vendor:04x}:{product:04x}");
        }
        let place = port.node().child("address");
        let part = |name: &str| place?.attribute(name).and_then(number);
        if let (Some(bus), Some(number)) = (part("bus"), part("device"))
            && device.device.is_empty()
        {
            device.device = format!("{bus}.{number}");
        }
    } else if let Some((vendor, product)) = device.device.split_once(':') {
        for (name, id) in [("vendor", vendor), ("product", product)] {
            port.child(name, |port| port.put("id", format!("0x{id}")));
        }
    } else if let Some((bus, number)) = device.device.split_once('.') {
        port.child("address", |port| {
            port.put("bus", bus);
            port.put("device", number);
        });
    }
}

/// The host adapter's number, bus, target and unit.
fn scsi(port: &mut Port<'_>, device: &mut HostDevice) {
    if port.reading() {
        let adapter = port.node().child("adapter").and_then(|node| node.attribute("name"));
        let host = adapter.and_then(|name| name.strip_prefix("scsi_host"));
        let place = port.node().child("address");
        let part = |name: &str| place?.attribute(name);
        if let (Some(host), Some(bus), Some(target), Some(unit)) =
            (host, part("bus"), part("target"), part("unit"))
        {
            device.device = format!("{host}:{bus}:{target}:{unit}");
        }
        return;
    }
    let parts: Vec<&str> = device.device.split(':').collect();
    if let [host, bus, target, unit] = parts.as_slice() {
        port.child("adapter", |port| port.put("name", format!("scsi_host{host}")));
        port.child("address", |port| {
            for (name, value) in [("bus", bus), ("target", target), ("unit", unit)] {
                port.put(name, *value);
            }
        });
    }
}
