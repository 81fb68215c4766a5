//! # The iTLB multihit mitigation costs start time or speed
//!
//! ## What it is
//! On Intel CPUs with the iTLB multihit flaw KVM maps guest memory without execute permission in huge pages and
//! splits a huge page when the guest runs code in it. Each VM has a worker, `kvm-nx-lpage-recovery`, that puts
//! split pages together again. Starting that worker moves it into the VMM's cgroups, which takes a global lock: a
//! start takes tens of milliseconds more, and many starts at once wait for each other.
//!
//! Heard as: start is slow or there are spikes from huge page splitting, kvm-nx-lpage-recovery.
//!
//! Known by: kvm-nx-lpage-recovery thread; nx_huge_pages; VM creation takes long after update; itlb_multihit; periodic
//! latency every minute; pages split.
//!
//! ## Why it happens
//! `nx_huge_pages` is `auto`, and the CPU is affected. Hosts that start many short VMs (Firecracker, Kata) feel the
//! start; hosts with large guests feel the split pages and the worker's bursts once a minute.
//!
//! ## Confirm
//! `cat /sys/module/kvm/parameters/nx_huge_pages` says Y; `cat /sys/devices/system/cpu/vulnerabilities/
//! itlb_multihit` says "KVM: Mitigation: Split huge pages"; `top -H` shows `kvm-nx-lpage-re`.
//!
//! ## Refute
//! `nx_huge_pages` is N or never, or the CPU is not affected: no worker, nothing split.
//!
//! ## Fix
//! Mount cgroup v2 with `favordynmods` (or boot with it as default), which takes the lock out of the way; set
//! `nx_huge_pages_recovery_ratio=0` to stop the worker. `nx_huge_pages=never` only with trusted guests.
//!
//! ## References
//! Linux `Documentation/admin-guide/hw-vuln/multihit.rst`, `arch/x86/kvm/mmu/mmu.c`
//! (`kvm_nx_huge_page_recovery_worker`), `virt/kvm/kvm_main.c` (`kvm_vm_create_worker_thread`); Firecracker
//! `docs/prod-host-setup.md`, `docs/snapshotting`.

use crate::catalogue::memory::hugepages_not_reserved::settings::{busy, setting};
use crate::prelude::*;

pub const RULE: Rule = Rule {
    level: Level::Warn,
    rank: Rank::Specific,
    tags: &["performance", "kvm"],
    needs: &[
        Need::File("/sys/module/kvm/parameters/nx_huge_pages"),
        Need::File("/sys/devices/system/cpu/vulnerabilities/itlb_multihit"),
    ],
    signs: &[
        Sign::hint("kvm-nx-lpage-re"),
        Sign::hint(CREATED),
        Sign::strong("kvm_vm_create_worker_thread"),
        Sign::strong("kvm_nx_huge_page_recovery_worker"),
        Sign::strong("kvm_nx_lpage_recovery_worker"),
        Sign::strong("kvm_recover_nx_huge_pages"),
        Sign::strong("kvm_recover_nx_lpages"),
        Sign::support("cgroup_attach_task_all"),
        Sign::support("favordynmods"),
        Sign::hint("nx_huge_pages=auto"),
        Sign::hint("KVM: Mitigation: Split huge pages"),
        Sign::strong("KVM: Vulnerable").against(),
        // What a complaint makes of a configuration.
        Sign::support("nx_huge_pages").said(&["slow", "start", "jitter", "latency", "spike"]).or_near(),
    ],
    words: &["boot time", "start time", "starts slowly", "nx_huge_pages", "multihit", "startup", "latency"],
    tells: "/sys/module/kvm/parameters/nx_huge_pages",
    remedy: "mount cgroup v2 with favordynmods, or stop the recovery worker (nx_huge_pages_recovery_ratio=0)",
    applicability: Applicability::NeedsApproval,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

/// strace with `-T`. The call takes some 0.3 ms; with the worker it waits for an RCU grace period.
const CREATED: &str = "KVM_CREATE_VM, 0)*= *<{seconds}>";
const LONG: f64 = 0.005;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    draft = draft.because(Strength::Strong, busy(cx, "kvm-nx-lpage-re", 10.0), "the recovery worker is busy");
    let slow = cx.hits(CREATED).iter().find(|hit| {
        hit.get("seconds").and_then(|text| text.parse::<f64>().ok()).is_some_and(|seconds| seconds >= LONG)
    });
    draft = draft.because(
        Strength::Strong,
        slow.and_then(|hit| cx.evidence(hit)),
        "creating a VM waits for its worker thread to be moved between cgroups",
    );
    // Somebody asks about start times: then the default is worth a look.
    let asked = ["boot time", "start time", "starts slowly", "startup", "nx_huge_pages"]
        .iter()
        .any(|word| cx.said(word));
    let strength = if asked { Strength::Support } else { Strength::Hint };
    if let Some(state) = setting(cx, "/sys/module/kvm/parameters/nx_huge_pages", "nx_huge_pages") {
        draft = draft.looked();
        draft = match state.value.as_str() {
            // The default of an affected host: alone no fault.
            "Y" | "1" | "auto" | "force" => draft.because(strength, state.quote, "huge pages are split"),
            "N" | "0" | "never" | "off" => {
                draft.despite(Strength::Strong, state.quote, "huge pages are not split")
            }
            _ => draft,
        };
    }
    vec![draft.verdict()]
}
