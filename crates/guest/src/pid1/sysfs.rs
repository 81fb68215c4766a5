//! Small readings of sysfs.

use std::fs;
use std::path::{Path, PathBuf};

/// The file's first line without its end; none where it cannot be read.
pub(super) fn value(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Names in a directory, sorted; empty where there is none.
pub(super) fn names(path: impl AsRef<Path>) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Whether a device of this kind is on the virtio bus: its number by the virtio specification, section 5, as `0x0013`.
pub(super) fn has_virtio(kind: &str) -> bool {
    let devices = "/sys/bus/virtio/devices";
    let is_one = |name: &String| value(format!("{devices}/{name}/device")).as_deref() == Some(kind);
    names(devices).iter().any(is_one)
}

/// A PCI address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pci {
    pub(super) domain: u32,
    pub(super) bus: u32,
    pub(super) slot: u32,
    pub(super) function: u32,
}

impl Pci {
    /// `0000:00:1f.2`.
    fn parse(name: &str) -> Option<Self> {
        let (domain, rest) = name.split_once(':')?;
        let (bus, rest) = rest.split_once(':')?;
        let (slot, function) = rest.split_once('.')?;
        let number = |text| u32::from_str_radix(text, 16).ok();
        Some(Self {
            domain: number(domain)?,
            bus: number(bus)?,
            slot: number(slot)?,
            function: number(function)?,
        })
    }
}

/// The PCI function that a device hangs on: the last PCI address in its real path.
pub(super) fn pci_of(device: impl AsRef<Path>) -> Option<Pci> {
    let path: PathBuf = fs::canonicalize(device).ok()?;
    path.components().rev().find_map(|component| Pci::parse(component.as_os_str().to_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses() {
        let address = Pci { domain: 0, bus: 0, slot: 0x1f, function: 2 };
        assert_eq!(Pci::parse("0000:00:1f.2"), Some(address));
        for wrong in ["virtio0", "0000:00", "0000:00:1f", "pci0000:00", "0000:zz:00.0"] {
            assert_eq!(Pci::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_there_is_empty() {
        assert_eq!(value("/nonexistent"), None);
        assert!(names("/nonexistent").is_empty());
        assert_eq!(pci_of("/nonexistent"), None);
    }
}
