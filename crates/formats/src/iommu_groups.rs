//! IOMMU groups: the loops over `/sys/kernel/iommu_groups` that every guide prints, in their forms, or a listing of
//! the files themselves.

use crate::{PciAddress, View, lines::lines, lspci};
use memchr::memmem::Finder;
use std::sync::LazyLock;
use vmwright_model::{Issue, Kind};

/// One device in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Line in the text.
    pub line: u32,
    /// Number of the group.
    pub group: u32,
    /// Address of the device.
    pub address: PciAddress,
    /// What the listing says of it; empty where it says nothing.
    pub text: String,
    /// Vendor and device id, where told.
    pub ids: Option<(u16, u16)>,
    /// Whether it is a PCI-to-PCI bridge, as far as the listing tells.
    pub bridge: bool,
}

/// The members of all groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IommuGroups {
    /// In the order of the text.
    pub members: Vec<GroupMember>,
}

impl IommuGroups {
    /// The entry of a device.
    #[must_use]
    pub fn of(&self, address: PciAddress) -> Option<&GroupMember> {
        self.members.iter().find(|member| member.address == address)
    }

    /// The members of a group.
    pub fn members(&self, group: u32) -> impl Iterator<Item = &GroupMember> {
        self.members.iter().filter(move |member| member.group == group)
    }
}

impl View for IommuGroups {
    const KIND: Kind = Kind::new("iommu_groups");
    const SUREST: u8 = 93;
    const MARKS: &[&str] = &["roup ", "Group:", "/iommu_groups/"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        let mut current = None;
        for (number, line) in lines(text) {
            let trimmed = line.trim();
            if trimmed.is_empty() {
                continue;
            }
            let (group, rest) = match group(trimmed) {
                Some((group, rest)) => (Some(group), rest),
                None => (None, trimmed),
            };
            match (group.or(current), address_in(rest)) {
                (Some(group), Some((address, text))) => {
                    current = Some(group);
                    view.members.push(member(number, group, address, text));
                }
                _ if group.is_some() => current = group,
                // A driver's line below a device, or a prompt.
                _ if rest.starts_with(['$', '#', '[']) || line.starts_with(char::is_whitespace) => {}
                _ => issues.push(Issue::new(number, "not a line of a listing of IOMMU groups")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let grouped = |line: &str| group(line.trim()).is_some();
        let (hits, all) = crate::lines::share(head, grouped);
        let found = || !Self::read(head).0.members.is_empty();
        match (hits, hits > 0 && found()) {
            (1.., true) if hits * 5 >= all => 93,
            (1.., true) => 60,
            _ if name.contains("iommu") => 25,
            _ => 0,
        }
    }
}

/// What finds a group in a path: to make it takes longer than to go through a line with it.
static PATH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("/iommu_groups/"));

/// The number behind the word "group", and what follows it.
fn group(line: &str) -> Option<(u32, &str)> {
    let line = line.trim_start_matches(['*', '#', '=', '-', ' ', '"']);
    let rest =
        ["IOMMU Group ", "IOMMU group ", "iommu group ", "IOMMU Group: ", "Group:", "Group ", "group "]
            .iter()
            .find_map(|start| line.strip_prefix(start));
    let rest = match rest {
        Some(rest) => rest.trim_start(),
        None => &line[PATH.find(line.as_bytes())? + PATH.needle().len()..],
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let number = rest[..digits].parse().ok()?;
    Some((number, rest[digits..].trim_start_matches([':', '"', ' ', '\t', '-'])))
}

/// The first address of a line and what follows it.
fn address_in(text: &str) -> Option<(PciAddress, &str)> {
    // The path of a listing ends with the address.
    if let Some((_, path)) = text.split_once("devices/") {
        let (address, rest) = path.split_once(' ').unwrap_or((path, ""));
        return Some((address.trim().parse().ok()?, rest));
    }
    let mut rest = text;
    // Some listings have the ids or a flag `[R]` (it can be reset) in front.
    for _ in 0..6 {
        rest = rest.trim_start();
        let (word, behind) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        if let Ok(address) = word.trim_end_matches(':').parse() {
            return Some((address, behind.trim()));
        }
        rest = behind;
    }
    None
}

fn member(line: u32, group: u32, address: PciAddress, text: &str) -> GroupMember {
    let as_lspci = lspci::header(line, &format!("{address} {text}"));
    let bridge = as_lspci.as_ref().is_some_and(lspci::PciDevice::is_pci_bridge);
    let ids = as_lspci.and_then(|device| Some((device.vendor?, device.device?)));
    GroupMember { line, group, address, text: text.to_owned(), ids, bridge }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(u32, String)> {
        let (view, issues) = IommuGroups::read(text);
        assert_eq!(issues, [], "{text}");
        view.members.iter().map(|member| (member.group, member.address.to_string())).collect()
    }

    #[test]
    fn forms_of_the_loop() {
        let expected = [(1, "0000:00:01.0".to_owned()), (1, "0000:01:00.0".to_owned())];
        for text in [
            "IOMMU Group 1 00:01.0 PCI bridge [0604]: Intel [8086:1901]\nIOMMU Group 1 01:00.0 VGA [0300]: x [10de:1b80]\n",
            "IOMMU Group 1:\n\t00:01.0 PCI bridge [0604]: Intel [8086:1901]\n\t01:00.0 VGA [0300]: x\n",
            "IOMMU group 1\n  [8086:1901] 00:01.0 PCI bridge\n  [10de:1b80] [R] 01:00.0 VGA\n  Driver: nouveau\n",
            "/sys/kernel/iommu_groups/1/devices/0000:00:01.0\n/sys/kernel/iommu_groups/1/devices/0000:01:00.0\n",
            "Group:  1   0000:00:01.0 PCI bridge\nGroup:  1   0000:01:00.0 VGA   Driver: x\n",
        ] {
            assert_eq!(pairs(text), expected, "{text}");
            assert!(IommuGroups::recognise("x", text) >= 60, "{text}");
        }
    }

    #[test]
    fn what_is_told_of_a_member() {
        let (view, _) = IommuGroups::read(
            "IOMMU Group 1 00:01.0 PCI bridge [0604]: Intel Corporation X [8086:1901] (rev 05)\nodd\n",
        );
        let member = view.of("00:01.0".parse().expect("short")).expect("it is there");
        assert!(member.bridge);
        assert_eq!((member.line, member.ids), (1, Some((0x8086, 0x1901))));
        assert_eq!(view.members(1).count(), 1);
    }

    #[test]
    fn other_texts() {
        assert_eq!(IommuGroups::recognise("x", "Group 1 of people\nhello\n"), 0);
        assert_eq!(IommuGroups::recognise("iommu.txt", "x"), 25);
        let dmesg = "[ 0.1] pci 0000:00:01.0: Adding to iommu group 1\n";
        assert_eq!(IommuGroups::recognise("dmesg.txt", dmesg), 0);
    }
}
