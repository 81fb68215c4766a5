//! PCI functions as vmwright's probe writes them from sysfs: `<address> <fact> <value>`, one fact a line.

use crate::facts::Facts;
use crate::{PciAddress, View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// One function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PciFacts {
    /// Its address.
    pub address: PciAddress,
    /// Facts and their values, in the order of the text.
    pub facts: Facts,
}

/// A base address register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// First and last byte; none where the host's firmware and kernel found no room.
    pub place: Option<(u64, u64)>,
    /// Whether it may lie above 4 GiB.
    pub wide: bool,
}

impl std::ops::Deref for PciFacts {
    type Target = Facts;
    fn deref(&self) -> &Facts {
        &self.facts
    }
}

impl PciFacts {
    /// A value that is there or `-`: none where it was not told, `Some(None)` where there is none.
    fn optional(&self, fact: &str) -> Option<Spanned<Option<&str>>> {
        self.get(fact).map(|found| Spanned::new((found.value != "-").then_some(found.value), found.line))
    }

    /// Class, subclass and programming interface: `0x030000` is a VGA controller.
    #[must_use]
    pub fn class(&self) -> Option<u32> {
        u32::from_str_radix(self.get("class")?.strip_prefix("0x")?, 16).ok()
    }

    /// Vendor and device.
    #[must_use]
    pub fn ids(&self) -> Option<(u16, u16)> {
        let (vendor, device) = self.get("id")?.value.split_once(':')?;
        Some((u16::from_str_radix(vendor, 16).ok()?, u16::from_str_radix(device, 16).ok()?))
    }

    /// The driver that has it.
    #[must_use]
    pub fn driver(&self) -> Option<Spanned<Option<&str>>> {
        self.optional("driver")
    }

    /// Its IOMMU group.
    #[must_use]
    pub fn group(&self) -> Option<Spanned<Option<u32>>> {
        let found = self.optional("iommu_group")?;
        Some(Spanned::new(found.value.and_then(|group| group.parse().ok()), found.line))
    }

    /// Its NUMA node; -1 is written where the firmware tells none.
    #[must_use]
    pub fn node(&self) -> Option<Spanned<i32>> {
        let found = self.get("numa_node")?;
        Some(Spanned::new(found.parse().ok()?, found.line))
    }

    /// The resets that the kernel would use, in order; empty where there is none at all.
    #[must_use]
    pub fn resets(&self) -> Option<Spanned<Vec<&str>>> {
        let found = self.optional("reset_method")?;
        Some(Spanned::new(found.value.unwrap_or_default().split_whitespace().collect(), found.line))
    }

    /// Virtual functions that exist, and that could.
    #[must_use]
    pub fn sriov(&self) -> Option<Spanned<(u32, u32)>> {
        let found = self.get("sriov")?;
        let (now, most) = found.value.split_once(" of ")?;
        Some(Spanned::new((now.parse().ok()?, most.parse().ok()?), found.line))
    }

    /// Whether the link runs below what the device can: both as written.
    #[must_use]
    pub fn link(&self) -> Option<Spanned<(&str, &str)>> {
        let found = self.get("link")?;
        Some(Spanned::new(found.value.split_once(" of ")?, found.line))
    }

    /// The BARs 0 to 5 that are in use.
    pub fn bars(&self) -> impl Iterator<Item = Spanned<Bar>> {
        self.all("bar").filter_map(|found| {
            let mut words = found.value.split_whitespace();
            let (_, place, kind) = (words.next()?, words.next()?, words.next()?);
            let hex = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
            let place = match place.split_once('-') {
                Some((start, end)) => Some((hex(start)?, hex(end)?)),
                None => None,
            };
            Some(Spanned::new(Bar { place, wide: kind == "mem64" }, found.line))
        })
    }
}

/// The functions of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PciDevices {
    /// In the order of the text.
    pub devices: Vec<PciFacts>,
}

impl PciDevices {
    /// The function at an address.
    #[must_use]
    pub fn of(&self, address: PciAddress) -> Option<&PciFacts> {
        self.devices.iter().find(|device| device.address == address)
    }

    /// The functions of an IOMMU group.
    pub fn in_group(&self, group: u32) -> impl Iterator<Item = &PciFacts> {
        self.devices.iter().filter(move |one| one.group().is_some_and(|own| own.value == Some(group)))
    }
}

impl View for PciDevices {
    const KIND: Kind = Kind::new("pci_devices");
    const SUREST: u8 = 95;
    const MARKS: &[&str] = &[" id ", " class ", " driver ", " iommu_group ", " subsystem "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            if line.trim().is_empty() || line.trim() == "none" {
                continue;
            }
            let Some((address, fact, value)) = fact(line) else {
                issues.push(Issue::new(number, "not a line of the PCI probe"));
                continue;
            };
            if view.devices.last().is_none_or(|last| last.address != address) {
                view.devices.push(PciFacts { address, facts: Facts::default() });
            }
            if let Some(device) = view.devices.last_mut() {
                device.facts.push(fact, value, number);
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        const USUAL: [&str; 5] = ["id", "class", "driver", "iommu_group", "subsystem"];
        let usual = |line: &str| fact(line).is_some_and(|(_, fact, _)| USUAL.contains(&fact));
        let (hits, all) = crate::lines::share(head, usual);
        match hits > 1 && hits * 8 >= all {
            true => 95,
            false if name == "pci-devices" => 30,
            false => 0,
        }
    }
}

fn fact(line: &str) -> Option<(PciAddress, &str, &str)> {
    let (address, rest) = line.trim().split_once(' ')?;
    let (fact, value) = rest.split_once(' ')?;
    let is_name = fact.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    Some((address.parse().ok().filter(|_| is_name && address.len() >= 12)?, fact, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_have_their_types() {
        let text = include_str!("../tests/samples/pci_devices.txt");
        let (view, issues) = PciDevices::read(text);
        assert_eq!(issues, []);
        let gpu = view.of("01:00.0".parse().expect("short")).expect("it is there");
        assert_eq!((gpu.class(), gpu.ids()), (Some(0x03_0000), Some((0x10de, 0x1b80))));
        assert_eq!(gpu.driver().map(|driver| driver.value), Some(Some("vfio-pci")));
        assert_eq!(gpu.group().map(|group| group.value), Some(Some(1)));
        assert_eq!(gpu.node().map(|node| node.value), Some(-1));
        assert_eq!(gpu.resets().map(|resets| resets.value), Some(vec!["bus"]));
        assert_eq!(gpu.link().map(|link| link.value.0), Some("2.5 GT/s PCIe x16"));
        let bars: Vec<_> = gpu.bars().map(|bar| bar.value).collect();
        assert_eq!(bars[1], Bar { place: Some((0xe000_0000, 0xefff_ffff)), wide: true });
        assert_eq!(bars[2].place, None);
        let nic = view.of("03:00.0".parse().expect("short")).expect("it is there");
        assert_eq!(nic.sriov().map(|vfs| vfs.value), Some((2, 7)));
        assert_eq!(nic.driver().map(|driver| driver.value), Some(None));
        assert_eq!(nic.resets().map(|resets| resets.value.len()), Some(0));
        assert_eq!(view.in_group(1).count(), 2);
    }

    #[test]
    fn what_is_no_fact() {
        let (view, issues) =
            PciDevices::read("0000:00:00.0 class 0x060000\nwhat\nnone\n0000:00:00.0 Odd x\n");
        assert_eq!(view.devices[0].facts.len(), 1);
        assert_eq!(issues.iter().map(|issue| issue.line).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(PciDevices::recognise("x", "0000:00:00.0 Host bridge: Intel\n"), 0);
    }
}
