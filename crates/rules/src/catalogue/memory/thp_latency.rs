//! # Transparent huge pages or compaction stall the guest
//!
//! ## What it is
//! To give a process a huge page the kernel may have to move other pages together (compaction), and khugepaged
//! collapses pages in the background. Where the faulting thread itself has to wait for that, a vCPU stands still
//! for milliseconds; on a fragmented host compaction takes whole CPUs.
//!
//! Heard as: a latency-critical guest stalls for tens of milliseconds; compaction, khugepaged.
//!
//! Known by: khugepaged, compaction; periodic stalls; transparent_hugepage always or madvise; kcompactd CPU; memory
//! fragmentation; defrag; pauses each few seconds; direct compaction stalls; never instead of always; page faults slow;
//! khugepaged scan.
//!
//! ## Why it happens
//! `defrag` is `always`: every fault of a huge page compacts directly. Or memory is fragmented and nearly full,
//! guests with assigned devices make unmovable islands of pinned pages, or khugepaged scans too eagerly.
//!
//! ## Confirm
//! `grep . /sys/kernel/mm/transparent_hugepage/{enabled,defrag}`; `grep -e compact_stall -e thp_fault_fallback
//! /proc/vmstat` twice: the counters rise while the guest stalls; `perf top` shows `isolate_freepages_block`.
//!
//! ## Refute
//! `compact_stall` stands still while the guest stalls, or guest memory is on explicit huge pages.
//!
//! ## Fix
//! `defrag` to `defer+madvise` or `madvise`; leave `enabled` at `madvise`, for QEMU asks by itself; for guests
//! that must not stall reserve explicit huge pages.
//!
//! ## References
//! Linux `Documentation/admin-guide/mm/transhuge.rst`, `mm/compaction.c`, `mm/khugepaged.c`; QEMU
//! `util/oslib-posix.c` (`qemu_madvise`).

use super::hugepages_not_reserved::guests::every_guest;
use super::hugepages_not_reserved::settings::{busy, setting};
use crate::prelude::*;

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["memory", "performance"],
    needs: &[
        Need::File("/sys/kernel/mm/transparent_hugepage/enabled"),
        Need::File("/sys/kernel/mm/transparent_hugepage/defrag"),
        Need::Probe(Probe::Vmms),
    ],
    signs: &[
        Sign::support("isolate_freepages_block"),
        Sign::support("isolate_migratepages_block"),
        Sign::support("compaction_alloc"),
        Sign::support("__alloc_pages_direct_compact"),
        Sign::support("try_to_compact_pages"),
        Sign::hint("compact_zone"),
        Sign::support("collapse_huge_page"),
        Sign::support("khugepaged").and(&["blocked for more than"]),
        Sign::support("do_huge_pmd_anonymous_page"),
        Sign::hint("page allocation stalls for {n}ms"),
        Sign::support("Transparent Huge Pages").and(&["latency"]),
        // What a complaint makes of a configuration.
        Sign::support("transparent_hugepage")
            .said(&["latency", "stall", "jitter", "freeze", "compaction", "spike"])
            .or_near(),
    ],
    words: &["huge page", "khugepaged", "compaction", "stall", "latency", "freezes", "hiccup", "transparent"],
    tells: "/sys/kernel/mm/transparent_hugepage/defrag",
    remedy: "set transparent_hugepage/defrag to defer+madvise, or back the guest with explicit huge pages",
    applicability: Applicability::NeedsApproval,
    escalation: Some(Agent::PerformanceEngineer),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let at_work = busy(cx, "khugepaged", 20.0).or_else(|| busy(cx, "kcompactd", 20.0));
    draft = draft.because(Strength::Strong, at_work, "the kernel is busy making huge pages");
    let folder = "/sys/kernel/mm/transparent_hugepage";
    let defrag = setting(cx, &format!("{folder}/defrag"), "transparent_hugepage/defrag");
    let enabled = setting(cx, &format!("{folder}/enabled"), "transparent_hugepage/enabled");
    let Some(defrag) = defrag else { return vec![draft.verdict()] };
    draft = draft.looked();
    let off = enabled.as_ref().is_some_and(|one| one.value.contains("[never]"));
    let concerned =
        !cx.snapshot().live || every_guest(cx).iter().any(|one| one.running && one.huge.is_none());
    if defrag.value.contains("[always]") && !off && concerned {
        let always = enabled.filter(|one| one.value.contains("[always]")).and_then(|one| one.quote);
        draft = draft
            .because(Strength::Support, defrag.quote, "each fault of a huge page waits for compaction")
            .because(Strength::Hint, always, "and every process may have huge pages");
    }
    vec![draft.verdict()]
}
