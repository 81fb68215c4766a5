//! The lines below a device.

use super::PciDevice;
use vmwright_model::Spanned;

/// Whether a region has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionState {
    /// It has.
    Assigned,
    /// `<unassigned>`: the kernel found no room, or never looked.
    Unassigned,
    /// `<ignored>`: the firmware's address was not taken.
    Ignored,
    /// `[virtual]` and the like: printed from the kernel's records, not from the device.
    Virtual,
}

/// One region (BAR) of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Line in the text.
    pub line: u32,
    /// Number; none with `-v` alone and for the ROM.
    pub index: Option<u8>,
    /// Address on the bus.
    pub address: Option<u64>,
    /// Size, in bytes.
    pub size: Option<u64>,
    /// Whether it is I/O ports, not memory.
    pub io: bool,
    /// Whether it is the expansion ROM.
    pub rom: bool,
    /// Whether it may lie above 4 GiB.
    pub bits64: bool,
    /// Whether it is prefetchable.
    pub prefetchable: bool,
    /// Whether `[disabled]` is written.
    pub disabled: bool,
    /// Whether it has an address.
    pub state: RegionState,
}

/// Reads one line below a device's first; `line` has no blanks around it.
pub(super) fn read(device: &mut PciDevice, number: u32, line: &str) {
    let after = |start: &str| line.strip_prefix(start).map(str::trim);
    if let Some(driver) = after("Kernel driver in use:") {
        device.driver = Some(Spanned::new(driver.to_owned(), number));
    } else if let Some(modules) = after("Kernel modules:") {
        let modules =
            modules.split(',').map(|module| module.trim().to_owned()).filter(|module| !module.is_empty());
        device.modules = Some(Spanned::new(modules.collect(), number));
    } else if let Some(subsystem) = after("Subsystem:") {
        device.subsystem = Some(Spanned::new(subsystem.to_owned(), number));
    } else if let Some(region) = region(number, line) {
        device.regions.push(region);
    }
    // With -v these stand in the line of flags, with -vv alone.
    if line.starts_with("Flags:") || line.starts_with("NUMA node") || line.starts_with("IOMMU group") {
        for part in line.trim_start_matches("Flags:").split(',') {
            let part = part.trim();
            let value =
                |start: &str| part.strip_prefix(start).map(|rest| rest.trim_start_matches(':').trim());
            if let Some(node) = value("NUMA node").and_then(|node| node.parse().ok()) {
                device.numa_node = Some(Spanned::new(node, number));
            }
            if let Some(group) = value("IOMMU group").and_then(|group| group.parse().ok()) {
                device.iommu_group = Some(Spanned::new(group, number));
            }
        }
    }
    device.details.push(Spanned::new(line.to_owned(), number));
}

/// `Region 0: Memory at f6000000 (32-bit, non-prefetchable) [size=16M]`, without the number with `-v`.
fn region(line: u32, text: &str) -> Option<Region> {
    let (index, rest) = match text.strip_prefix("Region ") {
        Some(rest) => {
            let (index, rest) = rest.split_once(": ")?;
            (index.parse().ok(), rest)
        }
        None => (None, text),
    };
    // `[virtual] Memory at ...`.
    let bare = rest.trim_start_matches("[virtual] ");
    let starts =
        [("Memory at ", false, false), ("I/O ports at ", true, false), ("Expansion ROM at ", false, true)];
    let (rest, io, rom) =
        starts.iter().find_map(|(start, io, rom)| Some((bare.strip_prefix(start)?, *io, *rom)))?;
    let word = rest.split(' ').next().unwrap_or_default();
    let address = u64::from_str_radix(word, 16).ok();
    let state = match () {
        () if word.starts_with("<unassigned>") => RegionState::Unassigned,
        () if word.starts_with("<ignored>") || word.starts_with("<invalid") => RegionState::Ignored,
        () if text.contains("[virtual]") => RegionState::Virtual,
        () => RegionState::Assigned,
    };
    Some(Region {
        line,
        index,
        address,
        size: rest.split_once("[size=").and_then(|(_, size)| size_of(size.split(']').next()?)),
        io,
        rom,
        bits64: rest.contains("64-bit"),
        prefetchable: rest.contains("prefetchable") && !rest.contains("non-prefetchable"),
        disabled: rest.contains("[disabled]"),
        state,
    })
}

/// `16M`, `512K`, `128`, `32G`.
fn size_of(text: &str) -> Option<u64> {
    let (number, shift) = match text.strip_suffix(['K', 'M', 'G', 'T']) {
        Some(number) => (number, 10 * (1 + "KMGT".find(&text[number.len()..])?)),
        None => (text, 0),
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}
