//! Which CPUs of the host a VM may have: of one node, whole cores where there are enough, and none that the host itself or
//! another VM needs.

use super::ground::Ground;
use std::collections::BTreeSet;
use vmwright_formats::machine_spec::parse_cpu_list;
use vmwright_model::topology::CpuSet;

/// Where a VM's threads go.
pub(super) struct Place {
    /// The node.
    pub(super) node: u32,
    /// The CPU of each virtual CPU.
    pub(super) vcpus: Vec<u32>,
    /// Whether no two of them are threads of one core.
    pub(super) whole_cores: bool,
    /// Every CPU of the node that the VM may have.
    pub(super) all: CpuSet,
    /// Where the VMM's other threads run.
    pub(super) rest: CpuSet,
}

/// The best node for so many virtual CPUs of `vm`; none where none has room.
pub(super) fn place(ground: &Ground<'_>, vm: &str, count: u32, apart: bool) -> Option<Place> {
    let taken: BTreeSet<u32> = ground
        .topology
        .placements
        .iter()
        .filter(|other| other.vm != vm)
        .flat_map(|other| other.pins.iter().flat_map(|(_, cpus)| cpus.numbers()))
        .collect();
    let count = usize::try_from(count).ok()?;
    // Of equal nodes the first; the one with more room is better.
    let mut best: Option<Place> = None;
    for node in &ground.topology.nodes {
        let cores = cores(ground, &node.cpus);
        // The first core of the host serves interrupts, and whatever cannot run elsewhere.
        let own = |core: &&Vec<u32>| !core.contains(&0) && !core.iter().any(|cpu| taken.contains(cpu));
        let free: Vec<&Vec<u32>> = cores.iter().filter(own).collect();
        let threads: Vec<u32> = free.iter().flat_map(|core| core.iter().copied()).collect();
        let whole_cores = apart && free.len() >= count;
        let vcpus: Vec<u32> = match whole_cores {
            true => free.iter().take(count).map(|core| core[0]).collect(),
            false => threads.iter().take(count).copied().collect(),
        };
        if vcpus.len() < count {
            continue;
        }
        let used: BTreeSet<u32> = match whole_cores {
            // The other thread of a core stays idle: it would take half of it.
            true => free.iter().take(count).flat_map(|core| core.iter().copied()).collect(),
            false => vcpus.iter().copied().collect(),
        };
        let rest: CpuSet = sorted(node.cpus.numbers().filter(|cpu| !used.contains(cpu)));
        let rest = if rest.0.is_empty() { node.cpus.clone() } else { rest };
        let place = Place { node: node.id, vcpus, whole_cores, all: sorted(threads.into_iter()), rest };
        if best.as_ref().is_none_or(|best| place.all.count() > best.all.count()) {
            best = Some(place);
        }
    }
    best
}

fn sorted(numbers: impl Iterator<Item = u32>) -> CpuSet {
    numbers.collect::<BTreeSet<u32>>().into_iter().collect()
}

/// A node's cores, each with its threads, in the order of their first CPU. Where the kernel did not tell, each CPU is one.
fn cores(ground: &Ground<'_>, cpus: &CpuSet) -> Vec<Vec<u32>> {
    let mut seen = BTreeSet::new();
    let mut cores = Vec::new();
    for cpu in cpus.numbers() {
        if seen.contains(&cpu) {
            continue;
        }
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let told = ground.value(&path).and_then(|text| parse_cpu_list(text).ok()).unwrap_or_default();
        let mut core: Vec<u32> =
            told.into_iter().flatten().filter(|thread| cpus.has(*thread) && !seen.contains(thread)).collect();
        if !core.contains(&cpu) {
            core.push(cpu);
        }
        core.sort_unstable();
        seen.extend(core.iter().copied());
        cores.push(core);
    }
    cores
}
