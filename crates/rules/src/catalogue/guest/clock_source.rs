//! # The guest's clock source or timer setting is wrong or unstable
//!
//! ## What it is
//! The guest keeps time by kvm-clock, Hyper-V's reference counter, the TSC, HPET or the ACPI timer. A bad
//! choice makes time drift, stand wrong by whole hours, or costs an exit to the host at each reading.
//! Heard as: the guest's clock loses or gains minutes; an idle Windows loads the host.
//!
//! Known by: time drifts, clock is slow or fast; tsc unstable, switched to hpet or acpi_pm; chrony cannot keep up;
//! Windows time off by hours, localtime against utc; kvm-clock missing; NTP never settles; dmesg clocksource watchdog;
//! date wrong after reboot; time runs too fast or too slow; rtc base; jitter in audio; skew.
//!
//! ## Why it happens
//! kvm-clock is switched off (`no-kvmclock`, `<timer name='kvmclock' present='no'/>`) or the CPU hides KVM; the
//! host's own TSC is unstable; `clocksource=` was copied into the command line; HPET is left on for Windows;
//! `<clock offset='utc'>` for a Windows guest, or localtime for Linux; the tick policy of the RTC lets ticks
//! get lost.
//!
//! ## Confirm
//! In the guest `cat /sys/devices/system/clocksource/clocksource0/{current,available}_clocksource`, `dmesg |
//! grep -iE 'clocksource|tsc'`; on the host the same, and `virsh dumpxml NAME | sed -n '/<clock/,/<.clock>/p'`.
//!
//! ## Refute
//! The clock is right until the VM is moved, paused or restored: that is migration/clock-jump.
//!
//! ## Fix
//! Linux guests: kvm-clock (or tsc with an invariant TSC), offset utc, NTP in the guest. Windows guests: offset
//! localtime, `<timer name='hypervclock' present='yes'/>`, HPET off, RTC tick policy catchup. Mend the host's
//! TSC first if its kernel calls it unstable.
//!
//! ## References
//! libvirt `formatdomain.html`, "Time keeping"; Linux `Documentation/virt/kvm/x86/timekeeping.rst`,
//! `kernel/time/clocksource.c`, `arch/x86/kernel/tsc.c`; QEMU `docs/system/i386/hyperv.rst`.

use crate::prelude::*;
use vmwright_formats::DomainXml;

#[path = "messages/clock_source.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["guest", "time"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: messages::SIGNS,
    words: &[
        "clock",
        "time",
        "drift",
        "clocksource",
        "tsc",
        "hours off",
        "hour",
        "hpet",
        "kvm-clock",
        "idle",
        "high load",
        "host load",
    ],
    tells: "current_clocksource in the guest; virsh dumpxml NAME | grep -A4 '<clock'",
    remedy: "use kvm-clock with offset utc for Linux, hypervclock with localtime and no HPET for Windows, and mend the host's TSC first",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let asked = cx.asked(&["clock", "drift", "tsc", "hpet"]);
    // An idle Windows that loads its host programs the RTC at 1 or 2 kHz: it has neither synthetic timers nor HPET.
    let idle = cx.said("windows") && cx.asked(&["idle", "high load", "host load"]);
    for seen in cx.all::<DomainXml>().into_iter().filter(|_| idle) {
        for domain in seen.domains.iter().filter(|domain| domain.feature("hyperv").is_some()) {
            draft = draft.looked();
            let rtc = domain.clock.timers.iter().find(|timer| timer.name.value == "rtc");
            if !seen.text.holds("<stimer") && rtc.is_some() {
                let quote = rtc.and_then(|timer| seen.quote(timer.name.line));
                let why = "Windows takes its ticks from the emulated RTC: there is no stimer";
                draft = draft.because(Strength::Support, quote, why);
            }
        }
    }
    if !asked && !draft.any() {
        return vec![draft.verdict()];
    }
    for seen in cx.all::<DomainXml>() {
        for domain in &seen.domains {
            let timer = |name: &str, state: &str| {
                let timers = domain.clock.timers.iter();
                let is = |text: &Option<Spanned<String>>| text.as_ref().is_some_and(|one| one.value == state);
                timers
                    .filter(|one| one.name.value == name)
                    .find(|one| is(&one.present))
                    .map(|one| one.name.line)
            };
            let windows = domain.feature("hyperv").is_some();
            let offset = domain.clock.offset.as_ref().filter(|offset| offset.value == "utc" && windows);
            draft = draft
                .because(
                    Strength::Support,
                    timer("kvmclock", "no").and_then(|at| seen.quote(at)),
                    "kvm-clock is off",
                )
                .because(Strength::Hint, timer("hpet", "yes").and_then(|at| seen.quote(at)), "HPET is on")
                .because(
                    // By whole hours: that is the zone, and no drift.
                    if cx.said("hour") { Strength::Strong } else { Strength::Hint },
                    offset.and_then(|at| seen.quote(at.line)),
                    "Windows reads the clock as local time",
                );
        }
    }
    for text in cx.texts_named(|source| source.contains("clocksource")) {
        let slow = |line: &str| ["acpi_pm", "hpet", "jiffies", "refined-jiffies"].contains(&line.trim());
        if let Some((number, _)) = text.lines().find(|(_, line)| slow(line)) {
            draft = draft.because(
                Strength::Strong,
                text.quote(number),
                "the guest reads time from a slow source",
            );
        }
    }
    vec![draft.verdict()]
}
