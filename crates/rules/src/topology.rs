//! The host's build for a reader's eye: which nodes, functions and placements a snapshot tells of. No rule judges by
//! it; a report draws it.

mod functions;
mod nodes;
mod placements;

use crate::Reading;
use vmwright_formats::PciDevices;
use vmwright_model::Topology;

/// What was read of the host's build. What was not read is missing, and `lacking` says what would tell it.
#[must_use]
pub fn topology(reading: &Reading<'_>) -> Topology {
    let mut lacking = Vec::new();
    let nodes = nodes::nodes(reading);
    if nodes.is_empty() {
        lacking.push("CPUs and NUMA nodes were not read; `numactl -H` or `lscpu` tells them".to_owned());
    } else {
        if nodes.iter().all(|node| node.memory.is_none()) {
            lacking.push("the memory of the nodes was not read; `numactl -H` tells it".to_owned());
        }
        if nodes.iter().all(|node| node.pools.is_empty()) {
            let tells = "`grep -r . /sys/devices/system/node/node*/hugepages`";
            lacking.push(format!("huge pages of the nodes were not read; {tells} tells them"));
        }
    }
    let functions = functions::functions(reading);
    if functions.is_empty() {
        lacking.push("PCI devices were not read; `lspci -nnvv` tells them".to_owned());
    } else if functions.iter().all(|function| function.group.is_none()) {
        // The probe asks each function for its group.
        let asked = !reading.all::<PciDevices>().is_empty();
        let tells = "`find /sys/kernel/iommu_groups -type l`";
        lacking.push(match asked {
            true => "IOMMU groups: this host has none, because no IOMMU is in use".to_owned(),
            false => {
                format!("IOMMU groups were not read; {tells} tells them, and prints nothing without an IOMMU")
            }
        });
    }
    let placements = placements::placements(reading);
    if placements.is_empty() && !(nodes.is_empty() && functions.is_empty()) {
        lacking.push(
            "no VM was read that has devices of the host or is bound to its CPUs or nodes; `virsh dumpxml VM` would tell"
                .to_owned(),
        );
    }
    Topology { nodes, functions, placements, lacking }
}

#[cfg(test)]
mod tests;
