//! Buses by the ids that a command line gives them.

use super::bag::Bag;
use std::collections::{BTreeMap, BTreeSet};
use vmwright_model::machine::{Address, ControllerKind};

/// Numbers of buses and controllers.
#[derive(Debug, Default)]
pub(super) struct Buses {
    known: BTreeMap<String, (ControllerKind, u32)>,
    used: BTreeSet<(u8, u32)>,
}

impl Buses {
    /// Gives a controller its number: the one that its id ends in, where that is free, else the next one.
    pub(super) fn add(&mut self, id: &str, kind: ControllerKind, first: u32) -> u32 {
        let digits = id.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
        let own = id[digits..].parse::<u32>().ok().filter(|number| *number >= first && *number < 0x10000);
        let key = |number: u32| (kind as u8, number);
        let number = own.filter(|number| !self.used.contains(&key(*number))).unwrap_or_else(|| {
            let last = self.used.range(key(0)..=key(u32::MAX)).next_back();
            last.map_or(first, |(_, last)| last.saturating_add(1).max(first))
        });
        self.used.insert(key(number));
        if !id.is_empty() {
            self.known.insert(id.to_owned(), (kind, number));
        }
        number
    }

    /// Another id of a controller that has its number.
    pub(super) fn alias(&mut self, id: &str, kind: ControllerKind, number: u32) {
        self.known.insert(id.to_owned(), (kind, number));
    }

    /// The number of the controller of a kind that a bus belongs to: `scsi0.0`, `usb.0`.
    pub(super) fn controller(&self, bus: &str, kind: ControllerKind) -> Option<u32> {
        let id = bus.rsplit_once('.').map_or(bus, |(id, _)| id);
        self.known
            .get(id)
            .or_else(|| self.known.get(bus))
            .filter(|found| found.0 == kind)
            .map(|found| found.1)
    }

    fn pci(&self, bus: &str) -> Option<u32> {
        match bus {
            "pci.0" | "pcie.0" | "pci" => Some(0),
            _ => self.known.get(bus).filter(|found| found.0 == ControllerKind::Pci).map(|found| found.1),
        }
    }

    /// Takes a device's place on PCI and what a virtio device is told besides. What it cannot place stays.
    pub(super) fn address(&self, bag: &mut Bag) -> Option<Address> {
        let mut address =
            Address { iommu: bag.flag("iommu_platform"), packed: bag.flag("packed"), ..Address::default() };
        let bus = match bag.get("bus") {
            Some(bus) => self.pci(bus),
            None if bag.has("addr") => Some(0),
            None => None,
        };
        let place = bus.and_then(|bus| {
            let (slot, function) = match bag.get("addr") {
                Some(addr) => slot(addr)?,
                None if bus > 0 => (0, 0),
                None => return None,
            };
            Some(format!("0000:{bus:02x}:{slot:02x}.{function:x}"))
        });
        if place.is_some() {
            bag.take("bus");
            bag.take("addr");
            address.multifunction = bag.flag("multifunction").unwrap_or(false);
        }
        address.pci = place;
        (address != Address::default()).then_some(address)
    }

    /// Takes a device's place on a USB bus.
    pub(super) fn usb(&self, bag: &mut Bag) -> Option<Address> {
        let number = match bag.get("bus") {
            Some("usb.0") => 0,
            Some(bus) => self.controller(bus, ControllerKind::Usb)?,
            None if bag.has("port") => 0,
            None => return None,
        };
        bag.take("bus");
        Some(Address { bus: Some(number), port: bag.take("port"), ..Address::default() })
    }

    /// A device as it was written, with its bus by the id that it will have.
    pub(super) fn rewritten(&self, bag: &Bag) -> String {
        let Some(bus) = bag.get("bus") else { return bag.raw.clone() };
        let renamed = match self.known.get(bus) {
            Some((ControllerKind::Pci, number)) => Some(format!("pci.{number}")),
            _ => bus.rsplit_once('.').and_then(|(id, rest)| {
                let (kind, number) = *self.known.get(id)?;
                Some(format!("{}.{rest}", name(kind, number)))
            }),
        };
        match renamed.filter(|renamed| renamed != bus) {
            Some(renamed) => {
                let mut bag = bag.clone();
                bag.take("bus");
                let driver = bag.take("driver").unwrap_or_default();
                bag.put("bus", renamed);
                format!("{},{}", super::escape(&driver), bag.rest())
            }
            None => bag.raw.clone(),
        }
    }
}

/// Slot and function of `0x1f.0x2`, `1f.2`, `02.0`: QEMU reads both as hexadecimal. A number alone may be decimal.
fn slot(addr: &str) -> Option<(u32, u32)> {
    let hex = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let (slot, function) = match addr.split_once('.') {
        Some((slot, function)) => (hex(slot)?, hex(function)?),
        None => (hex(addr)?, 0),
    };
    (slot < 32 && function < 8).then_some((slot, function))
}

/// The id that the writer gives a controller.
fn name(kind: ControllerKind, number: u32) -> String {
    match kind {
        ControllerKind::Pci => format!("pci.{number}"),
        ControllerKind::Usb if number == 0 => "usb".to_owned(),
        ControllerKind::Usb => format!("usb{number}"),
        ControllerKind::Scsi => format!("scsi{number}"),
        ControllerKind::Sata => format!("sata{number}"),
        ControllerKind::Ide => "ide".to_owned(),
        ControllerKind::Fdc => format!("fdc{number}"),
        ControllerKind::VirtioSerial => format!("virtio-serial{number}"),
        ControllerKind::Ccid => format!("ccid{number}"),
    }
}
