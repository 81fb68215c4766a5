//! Where the guest sees a device, in QEMU's words.

use super::super::argument::Value;
use super::{Line, is_q35};
use vmwright_formats::machine_spec::parse_size;
use vmwright_model::MachineSpec;
use vmwright_model::machine::Address;

/// `bus`, `addr` and what a virtio device is told besides.
pub(super) fn pci(line: &Line<'_>, address: Option<&Address>, value: Value) -> Value {
    let Some(address) = address else { return value };
    let value = value.switch("iommu_platform", address.iommu).switch("packed", address.packed);
    let Some((bus, slot, function)) = address.pci.as_deref().and_then(split) else { return value };
    let value = value.with("bus", pci_bus(line.spec, bus)).on(
        "multifunction",
        address.multifunction || (function == 0 && line.index.shared_slots.contains(&(bus, slot))),
    );
    let addr = if function == 0 { format!("{slot:#x}") } else { format!("{slot:#x}.{function:#x}") };
    value.with("addr", addr)
}

/// Id of the PCI bus with this number.
pub(crate) fn pci_bus(spec: &MachineSpec, bus: u32) -> String {
    let express = is_q35(&spec.machine) || spec.arch == "aarch64" || spec.machine.starts_with("virt");
    match bus {
        0 if express => "pcie.0".to_owned(),
        _ => format!("pci.{bus}"),
    }
}

/// Id of the bus of the USB controller with this number.
pub(crate) fn usb_bus(number: u32) -> String {
    match number {
        0 => "usb.0".to_owned(),
        number => format!("usb{number}.0"),
    }
}

/// Bus, slot and function of `0000:01:02.3`.
pub(super) fn split(pci: &str) -> Option<(u32, u32, u32)> {
    let (rest, function) = pci.rsplit_once('.')?;
    let mut parts = rest.rsplit(':');
    let hex = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let (slot, bus) = (hex(parts.next()?)?, hex(parts.next()?)?);
    Some((bus, slot, hex(function)?))
}

/// Place on a USB bus; the first bus where nothing is said, because a machine may have several.
pub(super) fn usb(address: Option<&Address>, value: Value) -> Value {
    let Some(address) = address else { return value };
    if address.bus.is_none() && address.port.is_none() {
        return value;
    }
    let bus = usb_bus(address.bus.or(address.controller).unwrap_or(0));
    value.with("bus", bus).maybe("port", address.port.as_ref())
}

/// Id of the virtio-serial controller with this number.
pub(super) fn serial_controller(line: &Line<'_>, number: Option<u32>) -> String {
    match number {
        None if !line.index.serial_controller => "serial1".to_owned(),
        number => format!("virtio-serial{}", number.unwrap_or(0)),
    }
}

/// A size in MiB, where it is one.
pub(super) fn mebibytes(text: &str) -> Option<u64> {
    parse_size(text).ok().map(|bytes| bytes >> 20)
}
