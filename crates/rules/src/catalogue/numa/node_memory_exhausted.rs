//! # A NUMA node is used up by VMs that are strictly bound to it
//!
//! ## What it is
//! With a strict policy (`mode='strict'`, mbind, or cpuset.mems) memory comes from the named nodes or not at all.
//! When such a node is full the kernel kills a process that is bound to it, though other nodes have plenty.
//!
//! Heard as: a VM is killed or not admitted though free shows much; its node is used up.
//!
//! Known by: memory strict on node 0; OOM while other node has gigabytes free; unable to allocate hugepages on that
//! node; numactl --membind; constraint memory policy.
//!
//! ## Why it happens
//! All VMs were bound to node 0; the node's share of the host is smaller than it seems (firmware that makes each L3
//! or quadrant a node); huge pages, the page cache and unbound VMs took the node before.
//!
//! ## Confirm
//! `dmesg | grep oom-kill` says CONSTRAINT_MEMORY_POLICY or CONSTRAINT_CPUSET with the node in `nodemask` or
//! `mems_allowed`; `numactl -H` shows that node empty and others not; `virsh numatune VM` says strict.
//!
//! ## Refute
//! CONSTRAINT_NONE and every node is nearly empty: the host is short (`memory/host-oom`).
//!
//! ## Fix
//! Spread the VMs over the nodes, use `mode='preferred'` or `restrictive`, bind large VMs to several nodes, or
//! choose fewer nodes in firmware (NPS1, L3 as NUMA off).
//!
//! ## References
//! Linux `mm/oom_kill.c` (`constrained_alloc`), `Documentation/admin-guide/mm/numa_memory_policy.rst`; libvirt
//! formatdomain, "NUMA Node Tuning"; Nova "CPU topologies".

use super::cpuset_invalid::nodes;
use crate::catalogue::memory::hugepages_not_reserved::guests::guests;
use crate::catalogue::memory::hugepages_not_reserved::settings::ids;
use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["numa", "memory"],
    needs: &[
        Need::Command(&["dmesg"]),
        Need::Glob("/sys/devices/system/node/node*/meminfo"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
        Need::Probe(Probe::Vmms),
    ],
    signs: &[
        Sign::proof("oom-kill:constraint=CONSTRAINT_MEMORY_POLICY*task=qemu"),
        Sign::proof("oom-kill:constraint=CONSTRAINT_MEMORY_POLICY*task=CPU "),
        Sign::strong("oom-kill:constraint=CONSTRAINT_MEMORY_POLICY"),
        Sign::strong("constraint=CONSTRAINT_CPUSET*task=qemu"),
        Sign::strong("constraint=CONSTRAINT_CPUSET*task=CPU "),
        Sign::support("oom-kill:constraint=CONSTRAINT_CPUSET"),
        Sign::strong("preallocating memory failed: *").and(&["policy=bind"]),
        Sign::support("unable to map backing store for guest RAM: *").and(&["policy=bind", "host-nodes="]),
        Sign::strong("Not enough free memory on node {node}"),
        Sign::strong("Insufficient free memory on NUMA node"),
        Sign::strong("Not enough available memory to schedule instance"),
        Sign::support("EAL: Not enough memory available on socket {node}"),
        Sign::support("CONSTRAINT_NONE").against(),
    ],
    words: &["numa", "node 0", "although", "available", "plenty", "out of memory", "strict"],
    explains: &["memory/host-oom", "memory/hugepages-not-reserved"],
    tells: "numactl -H",
    remedy: "spread the VMs over the nodes, or bind their memory less strictly",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::PerformanceEngineer),
    check,
    ..Rule::NEW
};

/// How a strict binding is written, by libvirt and on QEMU's command line.
const BOUND: [&str; 4] = ["mode='strict'", "mode=\"strict\"", "policy=bind", "\"policy\":\"bind\""];

/// What says that memory was asked for and not given.
const REFUSED: [&str; 2] = ["Cannot allocate memory", "Insufficient free host memory"];

/// Bytes below which a node has nothing for a VM: about what the kernel and its daemons keep.
const DRY: u64 = 1 << 30;

/// How many times that another node must have, for the host as a whole to have memory.
const MUCH_MORE: u64 = 8;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let said = draft.any();
    let host = nodes(cx);
    if host.iter().any(|node| node.free.is_some()) {
        draft = draft.looked();
    }
    for guest in guests(cx).iter().filter(|one| !one.running && one.huge.is_none()) {
        let (Some(bound), Some(wanted)) = (guest.strict.as_deref().map(ids), guest.memory) else { continue };
        let free = |inside: bool| -> Option<u64> {
            let some = host.iter().filter(|node| bound.contains(&node.id) == inside);
            some.map(|node| node.free.as_ref().map(|free| free.0))
                .try_fold(0_u64, |sum, free| sum.checked_add(free?))
        };
        let (Some(here), Some(there)) = (free(true), free(false)) else { continue };
        if here < wanted && there > here && bound.len() < host.len() {
            let full = host.iter().find(|node| bound.contains(&node.id)).and_then(|node| node.free.as_ref());
            let quote = full.and_then(|free| free.1.clone());
            draft = draft
                .because(Strength::Support, quote, "the node has less than the VM needs")
                .because(Strength::Hint, guest.quote.clone(), "and the VM is strictly bound to it")
                .title(format!(
                    "node {} has {} MiB free for a VM of {} MiB",
                    guest.strict.as_deref().unwrap_or_default(),
                    here >> 20,
                    wanted >> 20
                ));
            break;
        }
    }
    // A VM of unknown size that did not get the memory that it is bound to, while one node is dry and another is not.
    // A whole host's logs have such lines for many reasons.
    let refused = !cx.is_whole_host()
        && cx.texts_with(REFUSED).next().is_some()
        && cx.texts_with(["hugepages", "hugetlb"]).next().is_none();
    let free = host.iter().filter_map(|node| node.free.as_ref());
    if let (Some(least), Some(most)) = (free.clone().min_by_key(|one| one.0), free.max_by_key(|one| one.0))
        && refused
        && cx.texts_with(BOUND).next().is_some()
        && least.0 < DRY
        && most.0 / MUCH_MORE > DRY
    {
        draft = draft
            .because(Strength::Strong, least.1.clone(), "this node has next to nothing free")
            .because(Strength::Hint, most.1.clone(), "while another has")
            .title("a node is out of memory while another has plenty, and the VM is bound strictly");
    }
    if !said && !refused {
        draft = draft.level(Level::Warn);
    }
    vec![draft.verdict()]
}
