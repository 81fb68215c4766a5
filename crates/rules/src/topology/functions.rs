//! PCI functions with what is above them: the probe's record, and what listings add to it.

use crate::Reading;
use std::collections::BTreeMap;
use vmwright_formats::{IommuGroups, Lspci, PciAddress, PciDevices, View, lspci::PciDevice};
use vmwright_model::topology::PciFunction;

/// As many as the probe writes down.
const FUNCTIONS: usize = 4096;

/// The functions by address.
pub(super) fn functions(reading: &Reading<'_>) -> Vec<PciFunction> {
    let mut found: BTreeMap<PciAddress, PciFunction> = BTreeMap::new();
    for seen in reading.all::<PciDevices>() {
        for device in seen.devices.iter().take(FUNCTIONS) {
            let value = |fact: &str| device.get(fact).map(|found| found.value.to_owned());
            let function = PciFunction {
                address: device.address.to_string(),
                parent: value("parent"),
                what: device.class().map(class_name).unwrap_or_default().to_owned(),
                bridge: device.class().is_some_and(|class| class >> 8 == 0x0604),
                driver: device.driver().and_then(|driver| driver.value.map(str::to_owned)),
                group: device.group().and_then(|group| group.value),
                node: device.node().and_then(|node| u32::try_from(node.value).ok()),
                physical: value("physfn"),
            };
            found.insert(device.address, function);
        }
    }
    let mut above: Vec<(PciAddress, u8)> = Vec::new();
    for seen in reading.all::<Lspci>() {
        for device in &seen.devices {
            if found.len() >= FUNCTIONS && !found.contains_key(&device.address) {
                continue;
            }
            above.extend(secondary(device).map(|bus| (device.address, bus)));
            listed(device, found.entry(device.address).or_default());
        }
    }
    for seen in reading.all::<IommuGroups>() {
        for member in &seen.members {
            if found.len() >= FUNCTIONS && !found.contains_key(&member.address) {
                continue;
            }
            let function = found.entry(member.address).or_default();
            let as_lspci = Lspci::read(&format!("{} {}", member.address, member.text)).0;
            if let Some(device) = as_lspci.devices.first().filter(|_| function.what.is_empty()) {
                listed(device, function);
            }
            function.bridge |= member.bridge;
            function.group.get_or_insert(member.group);
        }
    }
    let mut functions = Vec::with_capacity(found.len());
    for (address, mut function) in found {
        function.address = address.to_string();
        if function.parent.is_none() {
            let over =
                |(bridge, bus): &&(PciAddress, u8)| bridge.domain == address.domain && *bus == address.bus;
            function.parent = above.iter().find(over).map(|(bridge, _)| bridge.to_string());
        }
        functions.push(function);
    }
    functions
}

/// What lspci says of a function goes before what only its class says.
fn listed(device: &PciDevice, function: &mut PciFunction) {
    let words = match (device.class_name.as_str(), device.name.as_str()) {
        ("", "") => device.class.map_or("", |class| class_name(u32::from(class) << 8)).to_owned(),
        (class, "") => class.to_owned(),
        (class, name) => format!("{class}: {name}"),
    };
    if !words.is_empty() {
        function.what = words;
    }
    function.bridge |= device.is_pci_bridge();
    if function.driver.is_none() {
        function.driver = device.driver.as_ref().map(|driver| driver.value.clone());
    }
    if function.group.is_none() {
        function.group = device.iommu_group.as_ref().map(|group| group.value);
    }
    if function.node.is_none() {
        function.node = device.numa_node.as_ref().and_then(|node| u32::try_from(node.value).ok());
    }
}

/// The bus below a bridge: `Bus: primary=00, secondary=01, subordinate=01, sec-latency=0`.
fn secondary(device: &PciDevice) -> Option<u8> {
    let line = device.detail("Bus: primary=")?.value;
    let (_, rest) = line.split_once("secondary=")?;
    u8::from_str_radix(rest.get(..2)?, 16).ok()
}

/// A class in words (PCI Code and ID Assignment Specification, section 1): subclasses that a reader of a host's
/// topology looks for, and the rest by their base class.
fn class_name(class: u32) -> &'static str {
    match (class >> 16 & 0xff, class >> 8 & 0xff) {
        (0x01, 0x06) => "SATA controller",
        (0x01, 0x07) => "SAS controller",
        (0x01, 0x08) => "NVMe controller",
        (0x01, 0x04) => "RAID controller",
        (0x01, _) => "storage controller",
        (0x02, 0x00) => "Ethernet controller",
        (0x02, 0x07) => "InfiniBand controller",
        (0x02, _) => "network controller",
        (0x03, 0x00) => "VGA controller",
        (0x03, 0x02) => "3D controller",
        (0x03, _) => "display controller",
        (0x04, 0x03) => "audio device",
        (0x04, _) => "multimedia device",
        (0x05, _) => "memory controller",
        (0x06, 0x00) => "host bridge",
        (0x06, 0x01) => "ISA bridge",
        (0x06, 0x04) => "PCI bridge",
        (0x06, _) => "bridge",
        (0x07, _) => "communication controller",
        (0x08, 0x06) => "IOMMU",
        (0x08, _) => "system peripheral",
        (0x0c, 0x03) => "USB controller",
        (0x0c, 0x05) => "SMBus",
        (0x0c, _) => "serial bus controller",
        (0x0d, _) => "wireless controller",
        (0x10, _) => "encryption controller",
        (0x11, _) => "signal processing controller",
        (0x12, _) => "processing accelerator",
        _ => "PCI function",
    }
}
