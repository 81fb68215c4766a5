//! NUMA nodes with their CPUs, memory and huge pages.

use crate::Reading;
use crate::catalogue::memory::hugepages_not_reserved::pools::pools;
use crate::catalogue::numa::cpuset_invalid;
use vmwright_formats::{CpuInfo, MemInfo};
use vmwright_model::topology::{CpuSet, HostNode, HugePool};

/// More nodes than any machine has; a text with more is no host.
const NODES: usize = 256;

/// The nodes by number. A host of which only its CPUs are known has one.
pub(super) fn nodes(reading: &Reading<'_>) -> Vec<HostNode> {
    let told = cpuset_invalid::nodes(reading);
    let mut nodes: Vec<HostNode> = told
        .iter()
        .take(NODES)
        .map(|node| HostNode {
            id: node.id,
            cpus: sorted(node.cpus.clone()),
            memory: node.size,
            free: node.free.as_ref().map(|(free, _)| *free),
            pools: Vec::new(),
        })
        .collect();
    if nodes.is_empty() {
        nodes.extend(whole(reading));
    }
    let single = nodes.len() == 1;
    for pool in pools(reading) {
        let Some((total, _)) = pool.total else { continue };
        let node = match pool.node {
            Some(id) => nodes.iter_mut().find(|node| node.id == id),
            None if single => nodes.first_mut(),
            None => None,
        };
        let Some(node) = node else { continue };
        if !node.pools.iter().any(|known| known.page == pool.page) {
            node.pools.push(HugePool { page: pool.page, total, free: pool.free.map(|(free, _)| free) });
        }
    }
    for node in &mut nodes {
        node.pools.sort_by_key(|pool| pool.page);
    }
    if let ([node], Some(info)) = (&mut *nodes, reading.one::<MemInfo>()) {
        let bytes = |key: &str| info.bytes(key).map(|found| found.value);
        node.memory = node.memory.or_else(|| bytes("MemTotal"));
        node.free = node.free.or_else(|| bytes("MemFree"));
    }
    nodes
}

/// The host as one node.
fn whole(reading: &Reading<'_>) -> Option<HostNode> {
    let counted = || {
        let count =
            u32::try_from(reading.one::<CpuInfo>()?.count).ok().filter(|count| (1..=8192).contains(count))?;
        Some((0..count).collect::<Vec<u32>>())
    };
    let cpus = cpuset_invalid::online(reading).map(|(cpus, _)| cpus).or_else(counted)?;
    Some(HostNode { cpus: sorted(cpus), ..HostNode::default() })
}

fn sorted(mut cpus: Vec<u32>) -> CpuSet {
    cpus.sort_unstable();
    cpus.into_iter().collect()
}
