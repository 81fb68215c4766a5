//! # The host's kernel says that it is vulnerable to a CPU flaw
//!
//! ## What it is
//! The kernel lists each CPU flaw that it knows and what it does about it. "Vulnerable" means that on this host a
//! guest (or any program) may read memory of others through that flaw: other guests, the VMM, the host.
//!
//! Heard as: the host's own kernel says Vulnerable.
//!
//! Known by: /sys/devices/system/cpu/vulnerabilities says Vulnerable; no microcode; Clear CPU buffers attempted; audit
//! of host; retbleed, mds, l1tf, mmio_stale_data, srso.
//!
//! ## Why it happens
//! Microcode that the mitigation needs is missing (an old BIOS, no microcode package), the kernel was told not to
//! mitigate, it was built without the mitigation, or there is none for this CPU.
//!
//! ## Confirm
//! `grep . /sys/devices/system/cpu/vulnerabilities/*`: a line begins with "Vulnerable"; `grep microcode
//! /proc/cpuinfo`; `dmesg | grep -i -e microcode -e vulnerable`.
//!
//! ## Refute
//! All lines say "Not affected" or "Mitigation: ...". On a VM that serves as host "no microcode" and "SMT Host state
//! unknown" speak of what its own hypervisor shows it (`mitigation/not-exposed-to-guest`).
//!
//! ## Fix
//! Install the CPU vendor's microcode (package or firmware update) and a current kernel; take `mitigations=off` and
//! its kin off the command line. Reboot, then read the list again.
//!
//! ## References
//! Linux `Documentation/admin-guide/hw-vuln/index.rst`, `arch/x86/kernel/cpu/bugs.c` (`cpu_show_common`),
//! `Documentation/ABI/testing/sysfs-devices-system-cpu`.

#[path = "state/flaws.rs"]
mod state;

use crate::prelude::*;
pub(crate) use state::{detected, flaws, is_vm};

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["security", "cpu"],
    needs: &[
        Need::Glob("/sys/devices/system/cpu/vulnerabilities/*"),
        Need::File("/proc/cpuinfo"),
        Need::Command(&["lscpu"]),
    ],
    signs: &[
        Sign::support("Spectre V2 : Vulnerable"),
        Sign::support("System may be vulnerable to spectre v2"),
        Sign::support("Spectre V2 : Kernel not compiled with retpoline; no mitigation available"),
        Sign::support("IBPB-extending microcode not applied!"),
        Sign::strong("leaves CPU vulnerable to RETBleed attacks, data leaks possible"),
        Sign::support("Spectre v2 BHB attacks"),
        Sign::support("MDS: Vulnerable"),
        Sign::support("TAA: Vulnerable"),
        Sign::support("MMIO Stale Data: Vulnerable"),
        Sign::support("Register File Data Sampling: Vulnerable"),
        Sign::support("SRBDS: Vulnerable"),
        Sign::support("GDS: Vulnerable"),
        Sign::support("L1TF CPU bug present and virtualization mitigation disabled, data leak possible"),
        Sign::support("L1TF mitigation not effective"),
        Sign::support("> STATUS:  VULNERABLE"),
        Sign::support("running with outdated microcode"),
        Sign::support("SMT Host state unknown").against(),
        Sign::strong("WARNING: kernel not compiled with CPU_SRSO"),
        Sign::strong("WARNING: kernel not compiled with CPU_UNRET_ENTRY"),
        Sign::strong("Kernel not compiled with retpoline; no mitigation available"),
        Sign::strong("Kernel not compiled for PAE. No mitigation for L1TF"),
        Sign::strong("WARNING: ITS mitigation depends on retpoline and rethunk support"),
    ],
    words: &["spectre", "meltdown", "vulnerable", "vulnerability", "cve-", "microcode", "mitigation"],
    explains: &["mitigation/smt-exposed"],
    tells: "/sys/devices/system/cpu/vulnerabilities/*",
    remedy: "install current microcode and kernel, and leave the mitigations on",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::HostReboot,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let flaws = flaws(cx);
    if !flaws.is_empty() {
        draft = draft.looked();
    }
    let vm = is_vm(cx);
    let open: Vec<_> = flaws.iter().filter(|flaw| flaw.open()).collect();
    let names: Vec<&str> = open.iter().map(|flaw| flaw.name.as_str()).collect();
    // On the running host itself it is the kernel's own word of now; in pasted files it may be anybody's.
    let strength = if cx.snapshot().live { Strength::Strong } else { Strength::Support };
    for flaw in open.iter().take(2) {
        draft = draft.because(strength, flaw.quote.clone(), "the kernel calls itself vulnerable");
    }
    if !names.is_empty() {
        draft = draft.title(format!("the kernel says that it is vulnerable: {}", names.join(", ")));
    }
    draft =
        draft.despite(Strength::Strong, vm, "the machine is a VM: what it sees is what its hypervisor shows");
    vec![draft.verdict()]
}
