//! # A pinning or cpuset names CPUs or nodes that it cannot have
//!
//! ## What it is
//! A VM is pinned to CPUs or bound to memory nodes that do not exist, are offline, or lie outside the cgroup that
//! the VM is put in; or a cgroup above it has an empty cpuset, so that nothing can run in it at all. The kernel
//! answers EINVAL, ERANGE, EACCES or, for an empty cpuset, ENOSPC.
//!
//! Heard as: a VM with a pinning does not start on a machine with fewer processors or an empty cpuset.
//!
//! Known by: invalid cpuset, cpu out of range; unable to set NUMA affinity; nodeset not available; offline CPU; write
//! to cpuset.mems failed; no such node.
//!
//! ## Why it happens
//! The definition was copied from a larger host; SMT was switched off; CPUs are numbered otherwise after a firmware
//! update; `machine.slice` was made without cpuset.cpus (cgroup v1 does not inherit it); Kubernetes' CPU manager or
//! a container hands over fewer CPUs than the configuration names.
//!
//! ## Confirm
//! `cat /sys/devices/system/cpu/online`, `lscpu -e`, `cat /sys/fs/cgroup/machine.slice/cpuset.cpus.effective` (v1:
//! `/sys/fs/cgroup/cpuset/machine.slice/cpuset.{cpus,mems}`), against `virsh dumpxml VM | grep -e cpuset -e
//! nodeset`.
//!
//! ## Refute
//! Every CPU and node that the definition names is online and in the cgroup's effective set.
//!
//! ## Fix
//! Name CPUs and nodes that exist, or fill the parent's cpuset.cpus and cpuset.mems. "No space left on device" on
//! a `tasks` file has nothing to do with disks.
//!
//! ## References
//! Linux `Documentation/admin-guide/cgroup-v1/cpusets.rst`, `kernel/cgroup/cpuset.c` (`cpuset_can_attach`);
//! libvirt `src/util/vircgroup.c`, `src/util/virnuma.c`, `src/util/virprocess.c`; moby `daemon/daemon_unix.go`.

#[path = "state/nodes.rs"]
mod state;

use crate::catalogue::memory::hugepages_not_reserved::settings::ids;
use crate::prelude::*;

#[path = "messages/cpuset_invalid.rs"]
mod messages;
pub(crate) use state::{BUDGET, nodes, online, sets};
use vmwright_formats::DomainXml;

pub const RULE: Rule = Rule {
    tags: &["numa", "cpu", "cgroup"],
    needs: &[
        Need::File("/sys/devices/system/cpu/online"),
        Need::Glob("/sys/devices/system/node/node*/cpulist"),
        Need::Command(&["lscpu"]),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
    ],
    signs: messages::SIGNS,
    words: &["cpuset", "no space left", "affinity", "pinning", "pinned", "numatune", "cgroup"],
    tells: "/sys/devices/system/cpu/online",
    remedy: "name CPUs and nodes that are online and in the cgroup, or fill the parent's cpuset",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Not a node that is missing, but the right to bind.
const EPERM: &str = "cannot bind memory to host NUMA nodes: Operation not permitted";

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let cpus = online(cx);
    let host = nodes(cx);
    if cpus.is_some() {
        draft = draft.looked();
    }
    let mut budget = BUDGET;
    for seen in cx.all::<DomainXml>() {
        for domain in &seen.domains {
            let tune = &domain.cputune;
            let pins = tune.vcpus.iter().chain(&tune.emulator).chain(&tune.iothreads);
            let whole = domain.vcpu.as_ref().and_then(|vcpu| vcpu.cpuset.as_ref());
            let named = pins.map(|pin| (pin.cpuset.as_str(), pin.line));
            let named = named.chain(whole.map(|cpuset| (cpuset.value.as_str(), cpuset.line)));
            for (wanted, line) in sets(named, &mut budget) {
                let Some((cpus, quote)) = &cpus else { continue };
                let missing = || wanted.iter().filter(|cpu| cpus.binary_search(cpu).is_err());
                // The affinity of a thread may name CPUs that are not there beside others; a cpuset may not.
                let strength =
                    if missing().count() == wanted.len() { Strength::Strong } else { Strength::Support };
                if let Some(cpu) = missing().next() {
                    draft = draft
                        .because(strength, seen.quote(line), "the CPU is pinned to")
                        .because(Strength::Support, quote.clone(), "and is not among these")
                        .title(format!("CPU {cpu}, to which the VM is pinned, is not there or not online"));
                    break;
                }
            }
            let nodeset = domain.numatune.as_ref().and_then(|tune| tune.nodeset.as_ref());
            let Some(nodeset) = nodeset.filter(|_| !host.is_empty()) else { continue };
            if let Some(node) = ids(&nodeset.value).iter().find(|id| host.iter().all(|node| node.id != **id))
            {
                draft = draft
                    .because(
                        Strength::Strong,
                        seen.quote(nodeset.line),
                        "memory is bound to a node that is not there",
                    )
                    .title(format!("the host has no NUMA node {node}, to which the VM's memory is bound"));
            }
        }
    }
    vec![draft.verdict()]
}
