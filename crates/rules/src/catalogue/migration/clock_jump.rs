//! # The guest's clock jumps after migration or restore
//!
//! ## What it is
//! The guest's notion of time comes from kvmclock or the TSC, and its state moves with the VM. After the move
//! the clock stands still, leaps forward by hours or days, or runs back; guests then hang in timers, log soft
//! lockups, or their cluster software fences them.
//!
//! Heard as: after a migration, resume or restore of a snapshot the guest's time is wrong, jumps or the guest
//! hangs for minutes; certificates not yet valid.
//!
//! Known by: time wrong behind resume; soft lockup messages after migration; TSC frequency differs between hosts; clock
//! in the future; hwclock after restore; timestamps jump; monotonic time, NTP step, leases expire, databases complain;
//! watchdog fires on resume; guest hours behind after suspend of the host; rcu stalls on arrival.
//!
//! ## Why it happens
//! kvmclock was saved from a stale master clock (QEMU before 2.3 with a kernel of that time), the hosts' own
//! clocks differ, the guest was paused for long and time goes on from where it stopped, TSC frequencies of the
//! hosts differ and cannot be scaled, the guest trusted a TSC that is not reliable across hosts
//! (`tsc_reliable`, invtsc).
//!
//! ## Confirm
//! In the guest `cat /sys/devices/system/clocksource/clocksource0/current_clocksource`, `chronyc tracking` and
//! `dmesg | grep -i clocksource` around the move; on both hosts `timedatectl` and `dmesg | grep -i tsc`.
//!
//! ## Refute
//! The clock was wrong before the migration too, or drifts slowly: that is guest/clock-source.
//!
//! ## Fix
//! Keep the hosts on one time (chrony), run a current QEMU and kernel, and step the guest after a move: `virsh
//! domtime --sync NAME` with the agent, `makestep` in chrony. Do not tell guests that the TSC is reliable if
//! they migrate between unlike hosts.
//!
//! ## References
//! QEMU `hw/i386/kvm/clock.c`; Linux `Documentation/virt/kvm/x86/timekeeping.rst`, `arch/x86/kvm/x86.c` (master
//! clock); libvirt `virsh(1)` domtime, `formatdomain.html` "Time keeping".

#[path = "preflight/clock.rs"]
mod preflight;

use crate::prelude::*;

/// How people say that a guest was stopped and goes on.
const STOPPED: &[&str] = &["resum", "restor", "snapshot", "checkpoint", "migrat", "suspend"];

pub const RULE: Rule = Rule {
    tags: &["migration", "time"],
    rank: Rank::Specific,
    needs: &[Need::File("/sys/devices/system/clocksource/clocksource0/current_clocksource")],
    signs: &[
        Sign::strong("TSC frequency mismatch between VM").and(&["clock"]),
        Sign::strong("Forward time jump detected").and(&["migrat"]),
        Sign::strong("Backward time jump detected").and(&["migrat"]),
        Sign::strong("time jump detected").and(&["migrat"]),
        Sign::strong("time jump detected").and(&["resume"]),
        Sign::strong("System clock wrong by").and(&["migrat"]),
        Sign::strong("System clock was stepped by").and(&["migrat"]),
        Sign::strong("time reset +").and(&["migrat"]),
        Sign::strong("time reset -").and(&["migrat"]),
        Sign::strong("Time has been changed").and(&["migrat"]),
        Sign::strong("Clock change detected").and(&["migrat"]),
        Sign::strong("clock jump"),
        Sign::strong("clock jumps"),
        Sign::strong("clock jumped"),
        Sign::strong("time jump").and(&["migrat"]),
        Sign::strong("jumped forward").and(&["migrat"]),
        Sign::strong("jumped back").and(&["migrat"]),
        Sign::strong("clock stopped").and(&["migrat"]),
        Sign::strong("clock drift").and(&["migrat"]),
        Sign::support("kvmclock").and(&["migrat"]),
        Sign::strong("KVM_SET_CLOCK failed"),
        Sign::strong("KVM_GET_CLOCK failed"),
        Sign::strong("tsc_reliable").and(&["migrat"]),
        Sign::support("Marking clocksource 'tsc' as unstable").and(&["migrat"]),
        Sign::support("clocksource: timekeeping watchdog").and(&["migrat"]),
        Sign::support("Marking TSC unstable").and(&["migrat"]),
        Sign::support("BUG: soft lockup - CPU#").and(&["migrat"]),
        Sign::support("self-detected stall on CPU").and(&["migrat"]),
        Sign::strong("clock*drift").and(&["migrat"]),
        Sign::strong("tsc=reliable").said(&["clock", "time jump"]),
        Sign::support("clock*wrong").and(&["migrat"]),
        Sign::support("clock*ahead").and(&["migrat"]),
        Sign::support("clock*behind").and(&["migrat"]),
        Sign::support("clock*jump").and(&["migrat"]),
        Sign::support("clock*backward").and(&["migrat"]),
        Sign::support("clock*stuck").and(&["migrat"]),
        Sign::support("hrtimer: interrupt took").and(&["migrat"]),
        // Linux, clocksource_watchdog(): the guest did not run between two readings.
        Sign::strong("Long readout interval, skipping watchdog check").said(STOPPED),
        Sign::strong("Long readout interval, skipping watchdog check").said(&[" move"]),
        Sign::support("since boot backward"),
        Sign::support("tsc mode").and(&["migrat"]),
        // A guest that is resumed from a snapshot has missed the time between.
        Sign::strong("System clock wrong by").and(&["snapshot"]),
        Sign::strong("System clock was stepped by").and(&["snapshot"]),
        Sign::strong("Time has been changed").and(&["snapshot"]),
        Sign::strong("time jump detected").and(&["snapshot"]),
        Sign::strong("time reset +").and(&["snapshot"]),
        Sign::support("clock*behind").and(&["snapshot"]),
        Sign::support("clock*wrong").and(&["snapshot"]),
        Sign::support("soft lockup - CPU#").and(&["snapshot/load"]),
        Sign::support("hctosys: unable to read the hardware clock").and(&["snapshot"]),
        Sign::support("Bad icount read"),
        // A clock that goes on from where the guest was stopped finds what was signed since then too new.
        Sign::strong("certificate is not yet valid").said(STOPPED),
        Sign::strong("certificate has expired or is not yet valid: current time * is before").said(STOPPED),
        Sign::strong("certificate is not valid yet").said(STOPPED),
        Sign::support("is not valid yet (invalid for another").said(STOPPED),
    ],
    words: &[
        "clock",
        "after migrat",
        "time jump",
        "date",
        "wrong time",
        "kvmclock",
        "tsc",
        "hang",
        "snapshot",
    ],
    explains: &["guest/clock-source"],
    tells: "chronyc tracking and dmesg in the guest around the migration",
    remedy: "keep the hosts on one time, run a current QEMU and kernel, and step the guest's clock after the move (virsh domtime --sync)",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::None,
    preflight: Some(preflight::judge),
    ..Rule::NEW
};
