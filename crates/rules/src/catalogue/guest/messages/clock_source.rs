//! The messages of the rule beside: the guest's clock source or timer setting is wrong or unstable.

use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    Sign::strong("Marking clocksource 'tsc' as unstable because the skew is too large"),
    Sign::strong("clocksource watchdog").and(&["unstable"]),
    Sign::strong("tsc: Marking TSC unstable due to clocksource watchdog"),
    Sign::support("Marking TSC unstable due to"),
    Sign::strong("Clocksource tsc unstable"),
    Sign::strong("clocksource: Long readout interval"),
    Sign::strong("clocksource: timekeeping watchdog"),
    Sign::strong("read-back delay of"),
    Sign::strong("TSC found unstable after boot, most likely due to broken BIOS"),
    Sign::support("sched_clock: Marking unstable"),
    Sign::support("Switched to clocksource acpi_pm"),
    Sign::support("Switched to clocksource hpet"),
    Sign::support("Switched to clocksource jiffies"),
    Sign::support("Switched to clocksource refined-jiffies"),
    Sign::strong("8254 timer not connected to IO-APIC"),
    Sign::strong("IO-APIC + timer doesn't work"),
    Sign::strong("Losing some ticks"),
    Sign::strong("Your time source seems to be instable"),
    Sign::strong("TSC calibration failed").kinds(&["guest_kernel_log", "guest_console"]),
    Sign::support("Unable to calibrate against PIT"),
    Sign::support("no-kvmclock"),
    Sign::support("clock*drift"),
    // Where nobody speaks of time it is a setting like others: with it a host keeps its TSC.
    Sign::support("tsc=reliable").said(&["clock", "time", "drift"]),
    Sign::support("clock is off by"),
    Sign::support("time drift"),
    Sign::support("CLOCK_WATCHDOG_TIMEOUT"),
    Sign::hint("System clock wrong by"),
    Sign::hint("Can't synchronise: no selectable sources"),
    // What a complaint makes of a configuration.
    Sign::support("name=*hpet*present=")
        .unless(&["stimer"])
        .said(&["load", "idle", "clock", "loses", "drift", "minutes"])
        .or_near(),
    Sign::support("kvmclock*present=*no").said(&["times", "clock", "time "]).or_near(),
    Sign::support("current_clocksource")
        .said(&["clock", "drift", "slow", "gettimeofday", "latency"])
        .or_near(),
    Sign::strong("Can't disable in-kernel PIT reinjection"),
    Sign::strong("TSC scaling is not supported"),
    Sign::strong("is outside tolerance range").and(&["TSC"]),
    Sign::strong("Requested TSC frequency"),
    Sign::strong("cannot set time: qemu doesn't support rtc-reset-reinjection"),
    Sign::support("SMP vm created on host with unstable TSC"),
    Sign::strong("user requested TSC rate below hardware speed"),
    Sign::strong("Invalid TSC scaling ratio - virtual-tsc-khz"),
    Sign::support("rcu: INFO: rcu_sched detected stalls on CPUs"),
    Sign::support("rcu: INFO: rcu_preempt detected stalls on CPUs"),
    Sign::support("INFO: rcu_sched self-detected stall on CPU"),
    Sign::support("certificate is not yet valid").said(&["clock", "time", "date"]),
];
