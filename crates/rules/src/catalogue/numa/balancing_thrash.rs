//! # Automatic NUMA balancing keeps unmapping guest pages
//!
//! ## What it is
//! NUMA balancing takes away page table entries of a process now and then to see from which node each page is
//! used. For a VM every such step invalidates the second-level page tables through an MMU notifier, with an
//! interrupt to all its vCPUs. Large VMs feel it as stalls, IPI storms and hot vCPU threads.
//!
//! Heard as: pinned or large guests have regular latency peaks; task_numa_work, page unmapping.
//!
//! Known by: numa_balancing=1; many NUMA hint faults, page migrations; pinned VM with jitter, EPT violations;
//! task_numa_work; latency spikes on two-socket host; large pinned guest on two sockets has spikes; perf shows
//! unmapping and change protection; sysctl kernel.numa_balancing; TLB shootdown.
//!
//! ## Why it happens
//! `kernel.numa_balancing` is 1 by default on hosts with several nodes. The cost grows with guest memory and with
//! the number of vCPUs; memory that many nodes use, shared memory (virtio-fs, vhost-user) and pages pinned for a
//! device cannot settle, so the scan never ends.
//!
//! ## Confirm
//! `sysctl kernel.numa_balancing`; `grep numa_ /proc/vmstat` twice: `numa_pte_updates` and `numa_hint_faults` race;
//! `perf top` or `kvm_stat` show `change_prot_numa`, `kvm_unmap_hva_range`, `smp_call_function_many_cond`.
//!
//! ## Refute
//! The setting is 0, the host has one node, or the counters stand still while the guest stalls.
//!
//! ## Fix
//! `kernel.numa_balancing=0` on hosts whose VMs are pinned or bound; else give large VMs guest nodes.
//!
//! ## References
//! Linux `Documentation/admin-guide/sysctl/kernel.rst` (numa_balancing), `kernel/sched/fair.c` (`task_numa_work`),
//! `mm/mprotect.c` (`change_prot_numa`), `virt/kvm/kvm_main.c`.

use crate::catalogue::memory::hugepages_not_reserved::settings::setting;
use crate::prelude::*;
use vmwright_formats::Sysctl;

/// What balancing looks like in kvm_stat, perf and traces.
const TRACES: &[&str] = &[
    "kvm_unmap_hva_range",
    "change_prot_numa",
    "task_numa_work",
    "numa_pte_updates",
    "do_numa_page",
    "kvm_mmu_notifier_invalidate_range_start",
    "smp_call_function_many_cond",
    "smp_call_function_single",
    "migrate_misplaced_page",
];

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["numa", "performance"],
    needs: &[Need::File("/proc/sys/kernel/numa_balancing")],
    signs: &[
        Sign::strong("change_prot_numa"),
        Sign::strong("task_numa_work"),
        Sign::support("do_numa_page"),
        Sign::support("migrate_misplaced_page"),
        Sign::hint("kvm_unmap_hva_range"),
        Sign::hint("kvm_mmu_notifier_invalidate_range_start"),
        Sign::hint("numa_pte_updates"),
        Sign::hint("numa_hint_faults"),
        Sign::hint("smp_call_function_many_cond"),
        Sign::hint("smp_call_function_single"),
        Sign::support("automatic NUMA balancing"),
        Sign::support("numa_balancing = 1").said(&["latency", "peak", "laggy", "stall", "jitter"]).or_near(),
        Sign::support("numa_balancing: 1").said(&["latency", "peak", "laggy", "stall", "jitter"]).or_near(),
    ],
    words: &["numa", "stall", "laggy", "latency", "large vm"],
    tells: "/proc/sys/kernel/numa_balancing",
    remedy: "switch automatic NUMA balancing off (kernel.numa_balancing=0) where VMs are pinned or very large",
    applicability: Applicability::Safe,
    escalation: Some(Agent::PerformanceEngineer),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let listed = cx.all::<Sysctl>().into_iter().find_map(|one| {
        let found = one.get("kernel.numa_balancing")?;
        Some((found.value == "1", one.quote(found.line)))
    });
    let state = listed.or_else(|| {
        let found = setting(cx, "/proc/sys/kernel/numa_balancing", "numa_balancing")?;
        Some((found.value == "1", found.quote))
    });
    if let Some((on, quote)) = state {
        draft = draft.looked();
        let traced = TRACES.iter().any(|trace| cx.stands(trace));
        draft = match (on, traced) {
            // The default of every host with several nodes: it says nothing alone.
            (true, false) => draft.because(Strength::Hint, quote, "automatic balancing is on"),
            (true, true) => {
                draft.because(Strength::Strong, quote, "automatic balancing is on, and pages are unmapped")
            }
            (false, _) => draft.despite(Strength::Strong, quote, "automatic balancing is off"),
        };
    }
    vec![draft.verdict()]
}
