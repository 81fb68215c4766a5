//! PCI devices: `lspci` plain, `-n`, `-nn`, `-nnk`, `-v`, `-vv`, `-vvv`, whole or some devices of it. Indentation may
//! have been lost on the way.

mod detail;

use crate::{PciAddress, View, lines::lines};
pub use detail::{Region, RegionState};
use vmwright_model::{Issue, Kind, Spanned};

/// One function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PciDevice {
    /// Line of its first line.
    pub line: u32,
    /// Address; domain 0 where not printed.
    pub address: PciAddress,
    /// Class in words; empty with `-n`.
    pub class_name: String,
    /// Class and subclass, 0x0300 for VGA; none without `-n` or `-nn`.
    pub class: Option<u16>,
    /// Vendor and device in words; empty with `-n`.
    pub name: String,
    /// Vendor id; none without `-n` or `-nn`.
    pub vendor: Option<u16>,
    /// Device id.
    pub device: Option<u16>,
    /// Revision, `a1`. `ff` tells of a device that does not answer.
    pub revision: String,
    /// Subsystem in words and ids.
    pub subsystem: Option<Spanned<String>>,
    /// Driver bound to it.
    pub driver: Option<Spanned<String>>,
    /// Modules that could drive it.
    pub modules: Option<Spanned<Vec<String>>>,
    /// IOMMU group.
    pub iommu_group: Option<Spanned<u32>>,
    /// NUMA node.
    pub numa_node: Option<Spanned<i32>>,
    /// Regions and the expansion ROM.
    pub regions: Vec<Region>,
    /// Every line below the first, without blanks around it.
    pub details: Vec<Spanned<String>>,
}

impl PciDevice {
    /// The first line that begins with a text: `LnkSta:`, `Capabilities: [`, `Interrupt:`.
    #[must_use]
    pub fn detail(&self, start: &str) -> Option<Spanned<&str>> {
        let found = self.details.iter().find(|detail| detail.value.starts_with(start))?;
        Some(Spanned::new(found.value.as_str(), found.line))
    }

    /// The first line that contains a text: `SR-IOV`, `Access Control Services`.
    #[must_use]
    pub fn detail_with(&self, part: &str) -> Option<Spanned<&str>> {
        let found = self.details.iter().find(|detail| detail.value.contains(part))?;
        Some(Spanned::new(found.value.as_str(), found.line))
    }

    /// Whether the class is one, by number or in words: 0x0300 is `VGA compatible controller`.
    #[must_use]
    pub fn is_class(&self, class: u16, words: &str) -> bool {
        self.class.map_or_else(|| self.class_name.starts_with(words), |known| known == class)
    }

    /// A bridge that forwards between buses (class 0x0604): it stays with its host driver.
    #[must_use]
    pub fn is_pci_bridge(&self) -> bool {
        self.is_class(0x0604, "PCI bridge")
    }

    /// A graphics card: VGA, 3D controller or display controller.
    #[must_use]
    pub fn is_display(&self) -> bool {
        match self.class {
            Some(class) => class >> 8 == 0x03,
            None => ["VGA", "3D controller", "Display controller"]
                .iter()
                .any(|word| self.class_name.starts_with(word)),
        }
    }
}

/// The devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lspci {
    /// In the order of the text.
    pub devices: Vec<PciDevice>,
}

impl Lspci {
    /// The device at an address.
    #[must_use]
    pub fn get(&self, address: PciAddress) -> Option<&PciDevice> {
        self.devices.iter().find(|device| device.address == address)
    }

    /// The other functions of a device's slot.
    pub fn siblings(&self, address: PciAddress) -> impl Iterator<Item = &PciDevice> {
        self.devices
            .iter()
            .filter(move |device| device.address != address && device.address.same_slot(&address))
    }

    /// Devices in an IOMMU group, where the text tells groups.
    pub fn in_group(&self, group: u32) -> impl Iterator<Item = &PciDevice> {
        let fits =
            move |device: &&PciDevice| device.iommu_group.as_ref().is_some_and(|found| found.value == group);
        self.devices.iter().filter(fits)
    }
}

impl View for Lspci {
    const KIND: Kind = Kind::new("lspci");
    const SUREST: u8 = 92;
    const MARKS: &[&str] = &[": "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        for (number, line) in lines(text) {
            if let Some(device) = header(number, line) {
                view.devices.push(device);
                continue;
            }
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            if let Some(device) = view.devices.last_mut() {
                detail::read(device, number, line);
            }
        }
        let issues =
            if view.devices.is_empty() { vec![Issue::new(0, "no PCI device was found")] } else { Vec::new() };
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let (headers, all) = crate::lines::share(head, |line| header(1, line).is_some());
        if headers == 0 {
            return if name.starts_with("lspci") { 30 } else { 0 };
        }
        // Names of groups in front of the addresses make another listing; details are three to a device or more.
        let details = [
            "Subsystem:",
            "Kernel driver in use:",
            "Kernel modules:",
            "Flags:",
            "Control:",
            "Capabilities:",
            "Region ",
            "DeviceName:",
        ];
        let (detailed, _) = crate::lines::share(head, |line| {
            let line = line.trim_start();
            details.iter().any(|detail| line.starts_with(detail)) || line.starts_with("Memory at ")
        });
        match detailed {
            _ if (headers + detailed) * 2 >= all => 92,
            1.. => 75,
            _ if name.starts_with("lspci") => 80,
            _ => 0,
        }
    }
}

/// `01:00.0 VGA compatible controller [0300]: NVIDIA Corporation GP104 [10de:1b80] (rev a1)`.
pub(crate) fn header(line: u32, text: &str) -> Option<PciDevice> {
    let text = text.trim();
    let (address, rest) = text.split_once(' ')?;
    let address: PciAddress = address.parse().ok()?;
    let rest = rest.trim_start();
    let (class, name) = rest.split_once(": ")?;
    let mut device = PciDevice {
        line,
        address,
        class_name: String::new(),
        class: None,
        name: String::new(),
        vendor: None,
        device: None,
        revision: String::new(),
        subsystem: None,
        driver: None,
        modules: None,
        iommu_group: None,
        numa_node: None,
        regions: Vec::new(),
        details: Vec::new(),
    };
    let mut name = name;
    if let Some((before, after)) = name.split_once(" (rev ") {
        device.revision = after.split(')').next().unwrap_or_default().to_owned();
        name = before;
    }
    let name = name.split(" (prog-if").next().unwrap_or(name).trim();
    // `-n`: `0300: 10de:1b80`.
    if let (Some(class), Some((vendor, id))) = (hex(class), ids(name)) {
        (device.class, device.vendor, device.device) = (Some(class), Some(vendor), Some(id));
        return Some(device);
    }
    (device.class_name, device.class) = match class.rsplit_once(" [") {
        Some((words, code)) if code.ends_with(']') => (words.to_owned(), hex(code.trim_end_matches(']'))),
        _ => (class.to_owned(), None),
    };
    // The last bracket with two ids in it; names of devices have brackets too.
    let found = name.rmatch_indices('[').take(4).find_map(|(at, _)| {
        let inside = &name[at + 1..];
        Some((at, ids(&inside[..inside.find(']')?])?))
    });
    device.name = match found {
        Some((at, (vendor, id))) => {
            (device.vendor, device.device) = (Some(vendor), Some(id));
            name[..at].trim_end().to_owned()
        }
        None => name.to_owned(),
    };
    Some(device)
}

fn hex(text: &str) -> Option<u16> {
    let fits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if fits { u16::from_str_radix(text, 16).ok() } else { None }
}

/// `10de:1b80`.
pub(crate) fn ids(text: &str) -> Option<(u16, u16)> {
    let (vendor, device) = text.split_once(':')?;
    Some((hex(vendor)?, hex(device)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00:01.0 PCI bridge [0604]: Intel Corporation 6th-10th Gen Core Processor PCIe Controller (x16) [8086:1901] (rev 05) (prog-if 00 [Normal decode])
\tKernel driver in use: pcieport
01:00.0 VGA compatible controller [0300]: NVIDIA Corporation GP104 [GeForce GTX 1080] [10de:1b80] (rev a1) (prog-if 00 [VGA controller])
\tSubsystem: Gigabyte Technology Co., Ltd GP104 [GeForce GTX 1080] [1458:3702]
\tControl: I/O+ Mem+ BusMaster+
\tNUMA node: 0
\tIOMMU group: 1
\tRegion 0: Memory at f6000000 (32-bit, non-prefetchable) [size=16M]
\tRegion 1: Memory at <unassigned> (64-bit, prefetchable) [disabled]
\tRegion 5: I/O ports at e000 [size=128]
\tExpansion ROM at 000c0000 [disabled] [size=512K]
\tCapabilities: [78] Express (v2) Legacy Endpoint, MSI 00
\t\tLnkSta:\tSpeed 2.5GT/s (downgraded), Width x16
\tKernel driver in use: nouveau
\tKernel modules: nvidiafb, nouveau
01:00.1 Audio device [0403]: NVIDIA Corporation GP104 High Definition Audio Controller [10de:10f0] (rev a1)
Kernel driver in use: snd_hda_intel
";

    #[test]
    fn a_verbose_listing() {
        let (view, issues) = Lspci::read(TEXT);
        assert_eq!(issues, []);
        assert_eq!(view.devices.len(), 3);
        let bridge = &view.devices[0];
        assert!(bridge.is_pci_bridge() && !bridge.is_display());
        assert_eq!((bridge.vendor, bridge.device), (Some(0x8086), Some(0x1901)));
        let gpu = view.get("01:00.0".parse().expect("short")).expect("it is there");
        assert!(gpu.is_display());
        assert_eq!((gpu.line, gpu.class, gpu.revision.as_str()), (3, Some(0x0300), "a1"));
        assert_eq!(gpu.name, "NVIDIA Corporation GP104 [GeForce GTX 1080]");
        assert_eq!(gpu.driver, Some(Spanned::new("nouveau".to_owned(), 14)));
        assert_eq!(gpu.modules.as_ref().map(|modules| modules.value.len()), Some(2));
        assert_eq!(
            (gpu.iommu_group.clone(), gpu.numa_node.clone()),
            (Some(Spanned::new(1, 7)), Some(Spanned::new(0, 6)))
        );
        assert!(gpu.subsystem.as_ref().is_some_and(|subsystem| subsystem.value.ends_with("[1458:3702]")));
        assert_eq!(gpu.detail("LnkSta:").map(|link| link.line), Some(13));
        assert!(gpu.detail_with("downgraded").is_some());
        assert_eq!(view.siblings(gpu.address).count(), 1);
        assert_eq!(view.in_group(1).count(), 1);
        assert_eq!(view.devices[2].driver.as_ref().map(|driver| driver.line), Some(17));
    }

    #[test]
    fn regions() {
        let (view, _) = Lspci::read(TEXT);
        let regions = &view.devices[1].regions;
        assert_eq!(regions.len(), 4);
        assert_eq!(
            (regions[0].index, regions[0].size, regions[0].address),
            (Some(0), Some(16 << 20), Some(0xf600_0000))
        );
        assert_eq!((regions[0].state, regions[0].prefetchable), (RegionState::Assigned, false));
        assert_eq!(
            (regions[1].state, regions[1].bits64, regions[1].prefetchable),
            (RegionState::Unassigned, true, true)
        );
        assert!(regions[2].io && regions[3].rom && regions[3].disabled);
    }

    #[test]
    fn plain_and_numeric() {
        let (view, _) = Lspci::read(
            "00:02.0 VGA compatible controller: Intel Corporation UHD Graphics\n0000:01:00.0 0300: 10de:1b80 (rev ff)\n",
        );
        assert_eq!(
            (view.devices[0].class, view.devices[0].class_name.as_str()),
            (None, "VGA compatible controller")
        );
        assert!(view.devices[0].is_display());
        assert_eq!((view.devices[1].class, view.devices[1].device), (Some(0x300), Some(0x1b80)));
        assert_eq!(view.devices[1].revision, "ff");
    }

    #[test]
    fn recognised_by_content() {
        assert_eq!(Lspci::recognise("x", TEXT), 92);
        assert_eq!(Lspci::recognise("x", "00:02.0 VGA compatible controller: Intel\n"), 92);
        assert_eq!(Lspci::recognise("x", "12:30.0 hello\n"), 0);
        assert_eq!(Lspci::recognise("x", "IOMMU Group 1 01:00.0 VGA: x\n"), 0);
    }
}
