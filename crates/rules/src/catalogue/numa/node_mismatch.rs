//! # vCPUs, memory or devices of one VM lie on different NUMA nodes
//!
//! ## What it is
//! Memory of another node is slower by half and more, and a device's DMA and interrupts cross the same link. A VM
//! whose vCPUs are pinned to one node, while its memory or its device is on another, pays for each access.
//!
//! Heard as: memory bandwidth or latency in the VM is worse than on the host; processors on one socket, memory or
//! card on the other.
//!
//! Known by: GPU or NIC on other socket than VM; cross-node traffic; numastat other_node; memory remote; half the
//! bandwidth; qemu emulator threads elsewhere; memory on one socket, CPUs on another; NIC remote; QPI or UPI; lstopo;
//! strict placement; bandwidth low.
//!
//! ## Why it happens
//! vCPUs were pinned and memory was not bound (it goes where QEMU's threads ran when it was first touched), or the
//! other way round; the device sits in a slot of the other socket; CPU numbers were taken for nodes; the firmware
//! splits a socket into several nodes (NPS4, sub-NUMA clustering, L3 as NUMA).
//!
//! ## Confirm
//! `lscpu | grep NUMA`, `virsh vcpupin VM`, `virsh numatune VM`, `cat /sys/bus/pci/devices/<address>/numa_node`,
//! `numastat -p <pid>`.
//!
//! ## Refute
//! All nodes are the same, `numa_node` is -1 (the firmware does not tell), or the host has one node.
//!
//! ## Fix
//! Pin vCPUs to the node of the device, bind memory there with `<numatune>`, or give a large VM one guest node for
//! each host node with `<memnode>`.
//!
//! ## References
//! libvirt formatdomain, "NUMA Node Tuning"; Linux `Documentation/admin-guide/mm/numa_memory_policy.rst`; DPDK
//! `examples/skeleton`; Open vSwitch `lib/dpif-netdev.c`.

#[path = "state/residence.rs"]
mod residence;

use super::cpuset_invalid::{BUDGET, nodes, sets};
use crate::catalogue::memory::hugepages_not_reserved::settings::{ids, setting};
use crate::prelude::*;
use std::collections::BTreeMap;
use vmwright_formats::{DomainXml, Lspci};

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["numa", "performance"],
    needs: &[
        Need::Command(&["lscpu"]),
        Need::Command(&["lspci", "-nnvv"]),
        Need::Glob("/sys/bus/pci/devices/*/numa_node"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
    ],
    signs: &[
        Sign::strong("is on remote NUMA node to polling thread"),
        Sign::strong("no available (non-isolated) pmd thread on numa node {node}"),
        Sign::strong("There's no PMD thread pinned to numa node {node}"),
        Sign::support("different NUMA node"),
        Sign::support("different numa nodes"),
        Sign::support("cross-NUMA"),
        Sign::support("remote NUMA node"),
        Sign::support("numa_miss").and(&["numa_foreign"]),
        Sign::support("Requested instance NUMA topology cannot fit the given host NUMA topology"),
        Sign::support("Resources cannot be allocated with Topology locality"),
        Sign::strong("TopologyAffinityError"),
        Sign::hint("EAL: No NUMA memory on socket"),
        Sign::strong("At least one asymmetrical pair of distances is given"),
    ],
    words: &["numa", "other socket", "slow", "latency", "half the", "bandwidth", "node 1"],
    tells: "lscpu",
    remedy: "put vCPUs, memory and devices of the VM on one NUMA node, or give the guest the same nodes",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let host = nodes(cx);
    if host.is_empty() {
        return vec![draft.verdict()];
    }
    draft = draft.looked();
    let cpus = host.iter().flat_map(|node| node.cpus.iter().map(|cpu| (*cpu, node.id)));
    let of_cpu: BTreeMap<u32, u32> = cpus.collect();
    let lies = residence::memory(cx);
    if let (Some((node, quote)), Some((cpus, may))) = (&lies, residence::affinity(cx)) {
        let there = |cpu: &u32| of_cpu.get(cpu).is_none_or(|on| on == node);
        if !cpus.iter().any(there) {
            draft = draft
                .because(Strength::Strong, quote.clone(), "the memory lies on one node")
                .because(Strength::Support, may, "and the VM runs on others")
                .title(format!("the VM's memory lies on node {node}, and its threads run on others"));
        }
    }
    let lspci = cx.all::<Lspci>();
    let mut budget = BUDGET;
    for seen in cx.all::<DomainXml>() {
        for domain in &seen.domains {
            let mut vcpus: Vec<(u32, u32)> = Vec::new();
            let pins = domain.cputune.vcpus.iter().map(|pin| (pin.cpuset.as_str(), pin.line));
            for (set, line) in sets(pins, &mut budget) {
                vcpus.extend(set.iter().filter_map(|cpu| of_cpu.get(cpu)).map(|node| (*node, line)));
            }
            let mut on: Vec<u32> = vcpus.iter().map(|(node, _)| *node).collect();
            on.sort_unstable();
            on.dedup();
            let memory = domain.numatune.as_ref().and_then(|tune| tune.nodeset.as_ref());
            // Who pins no vCPU may have bound all of them, or the memory alone.
            if vcpus.is_empty() {
                let all = domain.vcpu.as_ref().and_then(|vcpu| vcpu.cpuset.as_ref());
                let all = all.map(|set| (set.value.as_str(), set.line));
                for (set, line) in sets(all.into_iter(), &mut budget) {
                    vcpus.extend(set.iter().filter_map(|cpu| of_cpu.get(cpu)).map(|node| (*node, line)));
                }
                let bound = memory.filter(|_| vcpus.is_empty());
                vcpus.extend(
                    bound
                        .into_iter()
                        .flat_map(|set| ids(&set.value).into_iter().map(|node| (node, set.line))),
                );
                on = vcpus.iter().map(|(node, _)| *node).collect();
                on.sort_unstable();
                on.dedup();
            }
            let Some((_, pinned)) = vcpus.first().filter(|_| host.len() > 1) else { continue };
            if let Some((node, quote)) = lies.as_ref().filter(|(node, _)| !on.contains(node)) {
                draft = draft
                    .because(Strength::Strong, quote.clone(), "the memory lies on one node")
                    .because(Strength::Support, seen.quote(*pinned), "and the vCPUs are pinned to others")
                    .title(format!("the VM's memory lies on node {node}, its vCPUs on {on:?}"));
            }
            if let Some(nodeset) =
                memory.filter(|nodeset| ids(&nodeset.value).iter().all(|node| !on.contains(node)))
            {
                draft = draft
                    .because(Strength::Strong, seen.quote(nodeset.line), "memory is bound to other nodes")
                    .because(Strength::Support, seen.quote(*pinned), "than the vCPUs are pinned to")
                    .title(format!("vCPUs are on node {on:?} and memory on {}", nodeset.value));
            }
            let cells = domain.cpu.as_ref().map_or(0, |cpu| cpu.cells.len());
            if on.len() > 1 && cells < 2 {
                let why = "vCPUs of one guest node are pinned to several host nodes";
                draft = draft.because(Strength::Support, seen.quote(*pinned), why);
            }
            for address in domain.devices.hostdevs.iter().take(16).filter_map(|one| one.address.as_ref()) {
                let listed = lspci.iter().find_map(|one| {
                    let node = one.get(address.value)?.numa_node.as_ref()?;
                    Some((u32::try_from(node.value).ok()?, one.quote(node.line)))
                });
                let path = format!("/sys/bus/pci/devices/{}/numa_node", address.value);
                let tail = format!("{}/numa_node", address.value);
                let node = listed.or_else(|| {
                    let file = setting(cx, &path, &tail)?;
                    Some((u32::try_from(file.number()?).ok()?, file.quote))
                });
                if let Some((node, quote)) = node.filter(|(node, _)| !on.contains(node)) {
                    draft = draft
                        .because(Strength::Strong, quote, "the device is on another node")
                        .because(Strength::Support, seen.quote(*pinned), "than the VM is bound to")
                        .title(format!("{} is on node {node}, the vCPUs on {on:?}", address.value));
                }
            }
        }
    }
    vec![draft.verdict()]
}
