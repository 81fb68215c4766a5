//! # Power management slows the VM
//!
//! ## What it is
//! A vCPU that halts lets the host's CPU sleep. Deep sleep states cost 100 us and more to leave, a low frequency makes
//! everything slower, and the governor sees short bursts of a vCPU as little load. Thermal throttling looks the same.
//!
//! Heard as: round trips or speed vary, a busy loop on the host makes it steady; governor, C-states, turbo.
//!
//! Known by: cpufreq governor powersave; C-states deep; frequency low; latency jitter; performance profile of tuned;
//! turbo off; idle states.
//!
//! ## Why it happens
//! The governor is `powersave` or `schedutil` on acpi-cpufreq, the firmware's profile saves power, C-states are
//! allowed for latency-bound guests, turbo is off, or the CPU is too hot.
//!
//! ## Confirm
//! `cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_{driver,governor}`, `cpupower frequency-info`, `turbostat`;
//! `dmesg | grep -i throttled`.
//!
//! ## Refute
//! `powersave` of intel_pstate and amd-pstate in active mode is a normal governor that does raise the frequency: look
//! at the real frequency under load. A VM that is the host has no cpufreq of its own.
//!
//! ## Fix
//! `cpupower frequency-set -g performance`, tuned's profile virtual-host, the firmware's performance profile; limit
//! C-states (`intel_idle.max_cstate=1`, `cpu_dma_latency`) only for latency-bound guests.
//!
//! ## References
//! Linux `Documentation/admin-guide/pm/{cpufreq,intel_pstate,cpuidle}.rst`, `arch/x86/kernel/cpu/mce/therm_throt.c`
//! (now `drivers/thermal/intel`).

use crate::catalogue::memory::hugepages_not_reserved::settings::setting;
use crate::prelude::*;

/// Drivers whose `powersave` raises the frequency with the load.
const OWN_MIND: [&str; 3] = ["intel_pstate", "amd-pstate-epp", "amd-pstate"];

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["performance", "host"],
    needs: &[
        Need::File("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        Need::File("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver"),
        Need::File("/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq"),
        Need::File("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"),
        Need::Command(&["dmesg"]),
    ],
    signs: &[
        Sign::strong("temperature above threshold, cpu clock throttled"),
        Sign::strong("temperature/speed normal").and(&["cpu clock throttled"]),
        Sign::support("Turbo disabled by BIOS or unavailable on processor"),
        Sign::support("The governor \"powersave\" may decide"),
        Sign::hint("The governor \"conservative\" may decide"),
        Sign::support("frequency is capped"),
        Sign::hint("intel_idle.max_cstate"),
        Sign::hint("x86_energy_perf_policy"),
        Sign::strong("BIOS limits CPU frequency"),
        Sign::support("bios_limit"),
        Sign::support("Active: power-saver"),
        Sign::hint("Current active profile: powersave"),
        Sign::support("Current active profile: laptop"),
        Sign::support("governor \"powersave\"")
            .said(&["slow", "latency", "vary", "varies", "performance", "speed"])
            .or_near(),
        Sign::support("scaling_governor")
            .said(&["slow", "latency", "vary", "varies", "performance", "speed"])
            .or_near(),
    ],
    words: &[
        "powersave",
        "governor",
        "frequency",
        "c-state",
        "throttl",
        "mhz",
        "ghz",
        "power saving",
        "latency",
    ],
    tells: "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
    remedy: "use the performance governor and firmware profile on the hypervisor host",
    applicability: Applicability::Safe,
    escalation: Some(Agent::PerformanceEngineer),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let read = |name: &str| setting(cx, &format!("/sys/devices/system/cpu/cpu0/cpufreq/{name}"), name);
    let driver = read("scaling_driver");
    if let Some(governor) = read("scaling_governor") {
        draft = draft.looked();
        let wise = driver.as_ref().is_some_and(|driver| OWN_MIND.contains(&driver.value.as_str()));
        let strength = if wise { Strength::Hint } else { Strength::Support };
        if matches!(governor.value.as_str(), "powersave" | "conservative") {
            draft = draft.because(strength, governor.quote, "the governor saves power");
        }
    }
    // What `sort | uniq -c` and the like make of all governors.
    let wise = OWN_MIND.iter().any(|driver| cx.texts_with(*driver).next().is_some());
    let told = wise || draft.any();
    let mut listings = cx.texts_with("scaling_governor").filter(|_| !told);
    let saves = |line: &str| line.split_whitespace().last() == Some("powersave");
    let quote = listings.find_map(|text| {
        let (number, _) = text.lines_with("powersave").find(|(_, line)| saves(line))?;
        text.quote(number)
    });
    draft = draft.because(Strength::Support, quote, "the governor saves power");
    if let (Some(now), Some(most)) = (read("scaling_max_freq"), read("cpuinfo_max_freq"))
        && let (Some(may), Some(can)) = (now.number(), most.number())
        && may < can / 10 * 9
    {
        draft = draft
            .because(Strength::Support, now.quote, "the frequency is limited")
            .because(Strength::Hint, most.quote, "below what the CPU can")
            .title(format!("the CPU may run at {} MHz and can at {}", may / 1000, can / 1000));
    }
    vec![draft.verdict()]
}
