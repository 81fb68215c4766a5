//! # The host has not enough memory for its VMs
//!
//! ## What it is
//! The VMs (guest memory, and some hundred MiB of the VMM for each) ask for more than the host has. Either a new
//! VM cannot map its memory, or later, when guests touch what they were promised, the OOM killer ends the largest
//! process, which on a hypervisor host is a VM.
//!
//! Heard as: a VM is simply off, disappears at night or when others start; the host ran out of memory.
//!
//! Known by: cannot set up guest memory: Cannot allocate memory; Out of memory: Killed process qemu-system; not enough
//! RAM; overcommit; VMs die at night; start fails with errno 12; host ran out, kernel chose the VM; swap full; sum of
//! guests larger than RAM; start says not enough; vanished without shutdown message.
//!
//! ## Why it happens
//! Guest memory is promised and not reserved, so the sum of all guests may exceed the host. No swap, a host
//! service that grows, caches in tmpfs, huge pages set aside, or `vm.overcommit_memory=2` make it come earlier.
//!
//! ## Confirm
//! `dmesg | grep -i -e 'out of memory' -e oom-kill` names the VMM with CONSTRAINT_NONE; `free -m`; the memory of
//! all VMs together (`virsh dommemstat`, `ps -o rss,comm`).
//!
//! ## Refute
//! The line says CONSTRAINT_MEMCG (`memory/cgroup-oom`) or CONSTRAINT_MEMORY_POLICY or CONSTRAINT_CPUSET
//! (`numa/node-memory-exhausted`); or `free` shows plenty while ENOMEM comes: a limit, not a shortage.
//!
//! ## Fix
//! Fewer or smaller VMs, more memory, swap; reserve with huge pages or `prealloc` so that starting fails and not
//! the running VM; lower `oom_score_adj` of the VMs that matter.
//!
//! ## References
//! Linux `mm/oom_kill.c` (`dump_oom_summary`, `__oom_kill_process`), `mm/util.c` (`__vm_enough_memory`),
//! `Documentation/mm/overcommit-accounting.rst`; QEMU `system/physmem.c` (`ram_block_add`).

use super::hugepages_not_reserved::guests::{every_guest, guests};
use crate::prelude::*;
use vmwright_formats::free::Row;
use vmwright_formats::{Free, MemInfo};

#[path = "messages/host_oom.rs"]
mod messages;

/// Killed for a limit or a node, not for the host as a whole.
const NARROWER: &[&str] =
    &["CONSTRAINT_MEMCG", "CONSTRAINT_MEMORY_POLICY", "CONSTRAINT_CPUSET", "Memory cgroup out of memory"];

pub const RULE: Rule = Rule {
    rank: Rank::General,
    tags: &["memory"],
    needs: &[Need::Command(&["dmesg"]), Need::File("/proc/meminfo"), Need::Probe(Probe::Vmms)],
    signs: messages::SIGNS,
    words: &["out of memory", "oom", "killed", "not enough memory", "cannot allocate memory", "disappears"],
    tells: "dmesg",
    remedy: "give the host less to hold: fewer or smaller VMs, more memory or swap",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SystemsArchitect),
    check,
    ..Rule::NEW
};

/// The share of memory, of swap too, below which the killer is near: one fiftieth.
const SCARCE: f64 = 50.0;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // An old line in a running host's log tells of a process that is long gone: only a VM's end is news there.
    if cx.snapshot().live && !draft.has(Strength::Strong) && !RULE.words.iter().any(|word| cx.said(word)) {
        draft = cx.blank();
    }
    let said = draft.any();
    for seen in cx.all::<Free>() {
        draft = draft.looked();
        let spare = seen.swap.map_or(0.0, |swap| swap.free);
        let short = |memory: &Row| {
            memory.available.is_some_and(|left| left < memory.total / SCARCE && spare < memory.total / SCARCE)
        };
        let line = seen.memory.filter(short).and_then(|memory| seen.quote(memory.line));
        draft = draft.because(Strength::Support, line, "hardly any memory is left");
    }
    let Some(info) = cx.one::<MemInfo>() else { return vec![draft.verdict()] };
    let Some(total) = info.bytes("MemTotal") else { return vec![draft.verdict()] };
    let swap = info.bytes("SwapTotal").map_or(0, |swap| swap.value);
    let guests = guests(cx);
    draft = draft.looked();
    if let Some(guest) =
        guests.iter().find(|one| one.memory.is_some_and(|memory| memory > total.value.saturating_add(swap)))
    {
        draft = draft
            .because(Strength::Support, info.quote(total.line), "the host has less memory, swap counted")
            .because(Strength::Hint, guest.quote.clone(), "than this VM is to have")
            .title("one VM is to have more memory than the host");
    } else {
        let every = every_guest(cx);
        let running = every.iter().filter(|one| one.running).filter_map(|one| one.memory);
        let sum = running.fold(0_u64, u64::saturating_add);
        if sum > total.value.saturating_add(swap) {
            draft = draft
                .because(Strength::Support, info.quote(total.line), "the running VMs together may take more")
                .title(format!(
                    "the running VMs may take {} MiB, the host has {}",
                    sum >> 20,
                    total.value >> 20
                ));
        }
    }
    // What is left when the killer is near: 1% of memory, and no swap.
    let free = info.bytes("SwapFree").map_or(0, |swap| swap.value);
    if let Some(left) =
        info.bytes("MemAvailable").filter(|left| left.value < total.value / 100 && free < total.value / 100)
    {
        draft = draft.because(Strength::Support, info.quote(left.line), "hardly any memory is left");
    }
    if !said {
        draft = draft.level(Level::Warn);
    }
    vec![draft.verdict()]
}
