//! # A vulnerability scanner's verdict is wrong inside a VM
//!
//! ## What it is
//! Scanners and the kernel judge from what the CPU shows. A VM sees a virtual CPU: microcode revisions are made up,
//! siblings and SMT are hidden or invented, flags are filtered. "Disable SMT", "update microcode" or "unknown" in a
//! guest may be about something that the hypervisor has settled already and that the guest can neither see nor do.
//!
//! Heard as: the scanner's or checker's report says that our guests are vulnerable although the provider or host
//! is patched.
//!
//! Known by: spectre-meltdown-checker red inside the guest though host is patched; SMT vulnerable, host state unknown;
//! vulnerabilities: Unknown, no microcode in VM.
//!
//! ## Why it happens
//! The tool runs in the guest and takes it for a machine; the hypervisor (Xen, a cloud) has SMT off or schedules
//! whole cores; the guest's kernel can only say "SMT Host state unknown" or "hypervisor mitigation required".
//!
//! ## Confirm
//! `grep -c hypervisor /proc/cpuinfo` in the guest is not 0; on the host `cat /sys/devices/system/cpu/smt/control`
//! and `vulnerabilities/*` show the flaw mitigated.
//!
//! ## Refute
//! The host itself reports the flaw as vulnerable, or the tool ran on the host.
//!
//! ## Fix
//! Judge the host on the host; in the guest only look for flags that its CPU model withholds
//! (`mitigation/not-exposed-to-guest`). Tell the scanner that it is a VM, or accept the finding.
//!
//! ## References
//! Linux `arch/x86/kernel/cpu/bugs.c` (`mds_show_state`, `cpu_show_meltdown`),
//! `Documentation/admin-guide/hw-vuln/mds.rst`; spectre-meltdown-checker's own FAQ; Xen "Speculative
//! vulnerabilities".

use super::host_vulnerable::{flaws, is_vm};
use crate::prelude::*;

pub const RULE: Rule = Rule {
    level: Level::Note,
    rank: Rank::Specific,
    tags: &["security", "guest"],
    needs: &[Need::Glob("/sys/devices/system/cpu/vulnerabilities/*"), Need::File("/proc/cpuinfo")],
    signs: &[
        Sign::strong("must disable SMT (Hyper-Threading) for a complete mitigation").and(&["Xen"]),
        Sign::strong("must disable SMT (Hyper-Threading) for a complete mitigation").and(&["guest"]),
        Sign::strong("must disable SMT (Hyper-Threading) for a complete mitigation").and(&["hypervisor"]),
        Sign::support("must disable SMT (Hyper-Threading) for a complete mitigation")
            .and(&["virtual machine"]),
        Sign::support("must disable SMT (Hyper-Threading) for a complete mitigation").and(&["template"]),
        Sign::strong("Unknown (XEN PV detected, hypervisor mitigation required)"),
        Sign::support("spectre-meltdown-checker").and(&["hypervisor"]),
        Sign::support("spectre-meltdown-checker").and(&["in the VM"]),
        Sign::support("spectre-meltdown-checker").and(&["inside a VM"]),
        Sign::support("spectre-meltdown-checker").and(&["virtual machine"]),
        Sign::hint("spectre-meltdown-checker"),
        Sign::hint("Spectre and Meltdown mitigation detection tool"),
        Sign::hint("This system is a host running a hypervisor"),
        Sign::hint("SMT Host state unknown"),
        Sign::support("false positive").and(&["vulnerab"]),
        Sign::support("false alarm").and(&["vulnerab"]),
        Sign::strong("an up-to-date CPU microcode is needed to mitigate").and(&["in the VM"]),
        Sign::strong("an up-to-date CPU microcode is needed to mitigate").and(&["inside a VM"]),
        Sign::strong("an up-to-date CPU microcode is needed to mitigate").and(&["instance"]),
        Sign::strong("an up-to-date CPU microcode is needed to mitigate").and(&["virtual machine"]),
        // spectre-meltdown-checker's look at the microcode: a VM's revision is what its hypervisor says it is.
        Sign::strong("CPU microcode is the latest known available version: ").said(VM),
        Sign::strong("your microcode version is unknown").said(VM),
        Sign::strong("your microcode version is unknown").and(&["hypervisor"]),
        Sign::support("STATUS: VULNERABLE").said(&["scanner", "checker", "report"]).or_near(),
    ],
    words: &["checker", "scanner", "scan", "false positive", "nessus", "audit", "wants me to", "complains"],
    explains: &["mitigation/smt-exposed", "healthy/no-fault"],
    tells: "/sys/devices/system/cpu/vulnerabilities/* of the host",
    remedy: "judge the flaw on the host; in the guest look only for flags that its CPU model withholds",
    check,
    ..Rule::NEW
};

/// How people call what the scanner ran in.
const VM: &[&str] = &["vm", "virtual machine", "guest", "instance", "vps"];

/// Words by which one sees that a scanner spoke.
const SCANNER: [&str; 3] = [
    "spectre-meltdown-checker",
    "Spectre and Meltdown mitigation detection tool",
    "This system is a host running a hypervisor",
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let flaws = flaws(cx);
    if !flaws.is_empty() {
        draft = draft.looked();
    }
    let scanned = SCANNER.iter().any(|word| cx.stands(word))
        || cx.stands("must disable SMT (Hyper-Threading) for a complete mitigation");
    if scanned {
        draft = draft.because(
            Strength::Support,
            is_vm(cx),
            "the machine is a VM, which the scanner cannot judge",
        );
    }
    // The kernel's own list names something that the guest could be given: that is no false alarm.
    let real = flaws.iter().find(|flaw| flaw.open() && !flaw.state.contains("SMT"));
    draft = draft.despite(
        Strength::Support,
        real.and_then(|flaw| flaw.quote.clone()),
        "the kernel itself lists a flaw as open",
    );
    vec![draft.verdict()]
}
