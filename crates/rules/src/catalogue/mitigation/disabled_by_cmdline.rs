//! # Mitigations of CPU flaws are switched off on the kernel's command line
//!
//! ## What it is
//! `mitigations=off` and a dozen parameters for single flaws tell the kernel not to protect itself. On a hypervisor
//! host that also takes away what keeps guests apart: flushing the L1 cache and buffers on entry to a guest,
//! splitting executable huge pages, barriers between guests.
//!
//! Heard as: mitigations=off or its like was set for speed.
//!
//! Known by: mitigations=off, nopti, nospectre_v2, spectre_v2=off; shown as vulnerable after benchmarking; booted
//! without protection.
//!
//! ## Why it happens
//! Somebody wanted speed, a tuning guide or a template said so, or it was a test and stayed. On a host with trusted
//! guests only, it may be a decision.
//!
//! ## Confirm
//! `cat /proc/cmdline`, `grep -r . /etc/modprobe.d | grep -e nx_huge_pages -e vmentry_l1d_flush`, `grep Vulnerable
//! /sys/devices/system/cpu/vulnerabilities/*`.
//!
//! ## Refute
//! The parameter is not on the command line of the running kernel (an edited GRUB file is not the running kernel),
//! or the CPU is not affected.
//!
//! ## Fix
//! Take the parameter out of the boot loader's configuration and reboot; measure what it costs before deciding
//! otherwise.
//!
//! ## References
//! Linux `Documentation/admin-guide/kernel-parameters.txt` (mitigations=, spectre_v2=, mds=, l1tf=, retbleed=,
//! kvm.nx_huge_pages=, kvm-intel.vmentry_l1d_flush=).

use super::host_vulnerable::flaws;
use crate::prelude::*;
use vmwright_formats::kernel_log::{COMMAND_LINE, command_line};
use vmwright_formats::{KernelCmdline, KernelLog, ModprobeConf, View};

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["security", "cpu", "boot"],
    needs: &[Need::File("/proc/cmdline"), Need::Glob("/sys/devices/system/cpu/vulnerabilities/*")],
    signs: &[
        Sign::strong("mitigations=off").and(&["Vulnerable"]).unless(&["mitigations=off has no"]),
        Sign::support("Spectre V2 : mitigation: off"),
        Sign::strong("Mitigation: off by command line"),
        Sign::support("disabled on command line").and(&["Spectre"]),
        Sign::support("kernel was booted with*mitigations=off"),
        Sign::support("options kvm nx_huge_pages=never"),
        Sign::support("options kvm_intel vmentry_l1d_flush=never"),
        Sign::support("options kvm-intel vmentry_l1d_flush=never"),
        Sign::strong("WARNING: Spectre-v2 mitigation is off, disabling ITS"),
        Sign::support("Mitigation disabled at compile time, ignoring option"),
    ],
    words: &["mitigations=off", "mitigation", "spectre", "meltdown", "vulnerable", "audit", "nopti"],
    explains: &["mitigation/host-vulnerable", "mitigation/smt-exposed"],
    tells: "/proc/cmdline",
    remedy: "take the parameter off the kernel's command line and reboot",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::HostReboot,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

/// Parameters with the values that switch a mitigation off; no value means that the bare word does.
const OFF: [(&str, &[&str]); 26] = [
    ("mitigations", &["off"]),
    ("nospectre_v1", &[]),
    ("nospectre_v2", &[]),
    ("nospectre_bhb", &[]),
    ("spectre_v2", &["off"]),
    ("spectre_v2_user", &["off"]),
    ("spectre_bhi", &["off"]),
    ("spec_store_bypass_disable", &["off"]),
    ("nospec_store_bypass_disable", &[]),
    ("nopti", &[]),
    ("pti", &["off", "0"]),
    ("l1tf", &["off"]),
    ("mds", &["off"]),
    ("tsx_async_abort", &["off"]),
    ("mmio_stale_data", &["off"]),
    ("reg_file_data_sampling", &["off"]),
    ("retbleed", &["off"]),
    ("srbds", &["off"]),
    ("gather_data_sampling", &["off"]),
    ("spec_rstack_overflow", &["off"]),
    ("indirect_target_selection", &["off"]),
    ("tsa", &["off"]),
    ("vmscape", &["off"]),
    ("kvm_intel.vmentry_l1d_flush", &["never"]),
    ("kvm.nx_huge_pages", &["off", "never", "0", "N"]),
    ("noibrs", &[]),
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let mut lines = Vec::new();
    for seen in cx.all::<KernelCmdline>() {
        draft = draft.looked();
        let found = off(&seen).map(|(name, line)| (name, seen.quote(line)));
        lines.extend(found);
    }
    for (text, line, words) in cx.lines_of(&KernelLog::KIND, COMMAND_LINE) {
        let Some(words) = command_line(words) else { continue };
        lines.extend(off(&KernelCmdline::read(words).0).map(|(name, _)| (name, text.quote(line))));
    }
    if cx.one::<ModprobeConf>().is_some() {
        draft = draft.looked();
    }
    // A switched-off mitigation matters where the CPU is affected; without the list it may be.
    let flaws = flaws(cx);
    let open = flaws.iter().find(|flaw| flaw.open() || flaw.state.contains("VMX: vulnerable"));
    let asked = cx.entry.rule.words.iter().any(|word| cx.said(word));
    let strength = if open.is_some() || asked { Strength::Strong } else { Strength::Support };
    if let Some((name, quote)) = lines.into_iter().next() {
        draft = draft
            .because(strength, quote, "the kernel is told not to mitigate")
            .because(Strength::Support, open.and_then(|flaw| flaw.quote.clone()), "and is vulnerable")
            .title(format!("the kernel was booted with {name}"));
    }
    vec![draft.verdict()]
}

/// The first parameter that switches a mitigation off, with its line.
fn off(line: &KernelCmdline) -> Option<(String, u32)> {
    OFF.iter().find_map(|(name, values)| {
        let found = line.get(name)?;
        let hit = match found.value {
            Some(value) => values.iter().any(|off| value.split(',').any(|part| part == *off)),
            None => values.is_empty(),
        };
        let text = found.value.map_or_else(|| (*name).to_owned(), |value| format!("{name}={value}"));
        hit.then_some((text, found.line))
    })
}
