//! # Halt polling is set wrongly for the workload
//!
//! ## What it is
//! When a vCPU goes idle, KVM polls for up to `halt_poll_ns` before it lets the CPU sleep, so that the next wake-up
//! costs microseconds less. Polling shows as host CPU use of an idle guest, takes time and turbo from the sibling
//! thread, and helps only where wake-ups come often.
//!
//! Heard as: an idle guest burns host CPU or wakes slowly; halt_poll_ns.
//!
//! Known by: halt_poll_ns; host CPU high with idle guests; kvm halt-polling burns cycles; wake-up latency of vCPU;
//! guest haltpoll; power use.
//!
//! ## Why it happens
//! The default (200 us on x86) is too much for hosts full of idle guests or with overcommitted CPUs, and 0 too little
//! for latency-bound guests that sleep and wake all the time; somebody raised it far beyond what helps.
//!
//! ## Confirm
//! `cat /sys/module/kvm/parameters/halt_poll_ns`; `kvm_stat -1 -f halt`: `halt_poll_fail_ns` beside
//! `halt_poll_success_ns`; the guest is idle while its vCPU threads use 20% of a CPU or more.
//!
//! ## Refute
//! `halt_attempted_poll` does not move, or the guest itself is busy (timers, USB tablet, a polling driver).
//!
//! ## Fix
//! Lower `halt_poll_ns` (50000, or 0 for idle-heavy hosts), raise it for latency-bound ones, per VM since Linux 5.10
//! with KVM_CAP_HALT_POLL; in Linux guests `cpuidle_haltpoll` polls inside the guest instead.
//!
//! ## References
//! Linux `Documentation/virt/kvm/halt-polling.rst`, `virt/kvm/kvm_main.c` (`kvm_vcpu_halt`),
//! `Documentation/virt/guest-halt-polling.rst`.

use crate::catalogue::memory::hugepages_not_reserved::settings::setting;
use crate::prelude::*;

/// Five times the x86 default (`KVM_HALT_POLL_NS_DEFAULT`, 200000 ns): longer than any wake-up is worth.
const TOO_LONG: u64 = 1_000_000;

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["performance", "kvm"],
    needs: &[Need::File("/sys/module/kvm/parameters/halt_poll_ns")],
    signs: &[
        Sign::support("halt_poll_fail_ns"),
        Sign::support("halt_attempted_poll"),
        Sign::hint("halt_poll_success_ns"),
        Sign::support("kvm_vcpu_check_block"),
        Sign::support("kvm_vcpu_halt"),
        Sign::hint("kvm_vcpu_block"),
        Sign::support("halt polling"),
        Sign::hint("cpuidle_haltpoll"),
        // What a complaint makes of a configuration.
        Sign::support("halt_poll_ns").said(&["cpu", "idle", "latency", "busy", "power", "slow"]).or_near(),
    ],
    words: &["idle", "host cpu", "halt_poll", "wake-up"],
    tells: "/sys/module/kvm/parameters/halt_poll_ns",
    remedy: "set kvm.halt_poll_ns to what the workload needs: low for idle guests, higher for latency",
    applicability: Applicability::Safe,
    escalation: Some(Agent::PerformanceEngineer),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if let Some(found) = setting(cx, "/sys/module/kvm/parameters/halt_poll_ns", "halt_poll_ns")
        && let Some(value) = found.value.split_whitespace().next().and_then(|word| word.parse::<u64>().ok())
    {
        draft = draft.looked();
        if value >= TOO_LONG {
            draft = draft
                .because(
                    Strength::Strong,
                    found.quote,
                    "vCPUs poll for a millisecond or more before they sleep",
                )
                .title(format!("halt_poll_ns is {value}"));
        } else if value > 0 && ["host cpu", "halt_poll"].iter().any(|word| cx.said(word)) && cx.said("idle") {
            let why = "idle vCPUs poll for this long before they sleep";
            draft = draft.because(Strength::Support, found.quote, why);
        } else if value == 0 && cx.said("wake-up") {
            draft = draft.because(
                Strength::Support,
                found.quote,
                "halt polling is off, so each wake-up costs more",
            );
        } else if value == 0 {
            draft = draft.because(Strength::Hint, found.quote, "halt polling is off");
        }
    }
    vec![draft.verdict()]
}
