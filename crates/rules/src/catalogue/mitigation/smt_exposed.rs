//! # SMT siblings are shared between guests of different trust
//!
//! ## What it is
//! Two threads of one core share its caches and buffers. On CPUs with L1TF, MDS, TAA, MMIO stale data and some later
//! flaws a guest on one thread can read what runs on the other: another guest, or the host.
//!
//! Heard as: VMs of different customers share the threads of a core.
//!
//! Known by: L1TF; MDS; SMT vulnerable; hyper-threading shared by tenants; core scheduling; nosmt; L1D flush.
//!
//! ## Why it happens
//! SMT is on, the CPU is affected, and nothing keeps vCPUs of different VMs off the same core. Flushing buffers on
//! entry to the guest does not help against a sibling that runs at the same time.
//!
//! ## Confirm
//! `cat /sys/devices/system/cpu/smt/active` says 1 and `grep -e "SMT vulnerable" /sys/devices/system/cpu/
//! vulnerabilities/*` finds lines; `dmesg | grep "SMT on"`.
//!
//! ## Refute
//! SMT is off (`SMT disabled`), the CPU is not affected, all guests have one owner, core scheduling is used for each
//! VM, or whole cores are given to a VM by pinning. "SMT Host state unknown" is the view of a VM and proves nothing.
//!
//! ## Fix
//! Switch SMT off (`nosmt`, `mitigations=auto,nosmt`, firmware), or use core scheduling (prctl PR_SCHED_CORE, libvirt
//! `sched_core` in qemu.conf), or give each VM whole cores.
//!
//! ## References
//! Linux `Documentation/admin-guide/hw-vuln/{l1tf,mds,core-scheduling,vmscape}.rst`, `arch/x86/kvm/vmx/vmx.c`
//! (`vmx_vm_init`), `arch/x86/kernel/cpu/bugs.c` (`cpu_bugs_smt_update`); Firecracker `docs/prod-host-setup.md`.

use super::host_vulnerable::{flaws, is_vm};
use crate::catalogue::memory::hugepages_not_reserved::guests::every_guest;
use crate::catalogue::memory::hugepages_not_reserved::settings::setting;
use crate::prelude::*;

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["security", "cpu"],
    needs: &[
        Need::Glob("/sys/devices/system/cpu/vulnerabilities/*"),
        Need::File("/sys/devices/system/cpu/smt/active"),
        Need::Command(&["dmesg"]),
        Need::Probe(Probe::Vmms),
    ],
    signs: &[
        Sign::strong("L1TF CPU bug present and SMT on, data leak possible"),
        Sign::strong("MDS CPU bug present and SMT on, data leak possible"),
        Sign::strong("TAA CPU bug present and SMT on, data leak possible"),
        Sign::strong("MMIO Stale Data CPU bug present and SMT on, data leak possible"),
        Sign::strong("VMSCAPE: SMT on, STIBP is required for full protection"),
        Sign::support("eIBRS+LFENCE mitigation and SMT, data leaks possible"),
        Sign::support("disable SMT (Hyper-Threading) for a complete mitigation"),
        Sign::support("Hyperthreading is enabled").and(&["vulnerab"]),
        Sign::support("SMT is enabled").and(&["multi-tenant"]),
        Sign::support("SMT disabled").against(),
        Sign::strong("SMT Host state unknown").against(),
    ],
    words: &[
        "smt",
        "hyper-threading",
        "hyperthreading",
        "siblings",
        "side channel",
        "multi-tenant",
        "tenants",
    ],
    tells: "/sys/devices/system/cpu/smt/active",
    remedy: "switch SMT off, use core scheduling, or give each VM whole cores",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let active = setting(cx, "/sys/devices/system/cpu/smt/active", "smt/active");
    if active.is_some() {
        draft = draft.looked();
    }
    let off = active.as_ref().is_some_and(|one| one.value == "0");
    // On a live host somebody must share the siblings: one VM does so with the host alone.
    let shared = !cx.snapshot().live || every_guest(cx).iter().any(|one| one.running);
    let flaws = flaws(cx);
    // What is open altogether is another rule's, and more urgent.
    let open = flaws.iter().any(|flaw| flaw.open());
    let strength = if open { Strength::Support } else { Strength::Strong };
    if let Some(flaw) = flaws.iter().find(|flaw| !flaw.open() && flaw.state.contains("SMT vulnerable")) {
        draft = draft.looked();
        if shared && !off && is_vm(cx).is_none() {
            draft = draft
                .because(strength, flaw.quote.clone(), "the flaw reaches across siblings")
                .because(Strength::Hint, active.and_then(|one| one.quote), "and SMT is on")
                .title(format!("SMT is on and the CPU leaks between siblings ({})", flaw.name));
        }
    }
    vec![draft.verdict()]
}
