//! How the host is built, as far as it was read: NUMA nodes, PCI functions, and what VMs are given of both.

use serde::{Deserialize, Serialize};

/// What a picture of the host shows. Names in it are untrusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// NUMA nodes by number; one where the host has no others.
    pub nodes: Vec<HostNode>,
    /// PCI functions by address.
    pub functions: Vec<PciFunction>,
    /// What VMs are given, the VM in question first.
    pub placements: Vec<Placement>,
    /// What was not read, and what would tell: a sentence each.
    pub lacking: Vec<String>,
}

/// A NUMA node of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostNode {
    /// Its number.
    pub id: u32,
    /// Its CPUs, sorted.
    pub cpus: CpuSet,
    /// Its memory in bytes.
    pub memory: Option<u64>,
    /// What is free of it, in bytes.
    pub free: Option<u64>,
    /// Its huge pages, by size.
    pub pools: Vec<HugePool>,
}

/// Huge pages of one size on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HugePool {
    /// Size of a page in bytes.
    pub page: u64,
    /// Pages that are reserved.
    pub total: u64,
    /// Pages that nobody uses; none where not read.
    pub free: Option<u64>,
}

/// Numbers of CPUs or nodes as ranges, first and last; sorted, and none touches the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CpuSet(pub Vec<(u32, u32)>);

impl CpuSet {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| u64::from(last.saturating_sub(*first)) + 1).sum()
    }

    /// Whether a number is among them.
    #[must_use]
    pub fn has(&self, number: u32) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }

    /// Each number, in order.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }
}

impl FromIterator<u32> for CpuSet {
    /// From sorted numbers.
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some((_, last)) if number == *last || Some(number) == last.checked_add(1) => *last = number,
                _ => ranges.push((number, number)),
            }
        }
        Self(ranges)
    }
}

impl std::fmt::Display for CpuSet {
    /// As the kernel writes lists: `0-3,8`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// A PCI function of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciFunction {
    /// Its address, `0000:01:00.0`.
    pub address: String,
    /// The bridge above it; none at a root bus, or where not read.
    pub parent: Option<String>,
    /// What it is in words: its class and, where a listing named it, its name.
    pub what: String,
    /// Whether buses lie below it.
    pub bridge: bool,
    /// Its driver; none where it has none, or none was read.
    pub driver: Option<String>,
    /// Its IOMMU group.
    pub group: Option<u32>,
    /// Its NUMA node.
    pub node: Option<u32>,
    /// The physical function of a virtual one.
    pub physical: Option<String>,
}

/// What one VM is given of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Its name.
    pub vm: String,
    /// Where each virtual CPU may run, for those that are pinned.
    pub pins: Vec<(u32, CpuSet)>,
    /// Nodes that its memory has to come from; empty where it may come from anywhere.
    pub nodes: CpuSet,
    /// Addresses of the PCI functions that are assigned to it.
    pub devices: Vec<String>,
}
