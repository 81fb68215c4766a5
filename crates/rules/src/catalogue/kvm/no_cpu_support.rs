//! # This CPU offers no hardware virtualization
//!
//! ## What it is
//! `/proc/cpuinfo` has neither `vmx` (Intel) nor `svm` (AMD), and no software KVM stands in for them: KVM refuses to
//! load and only emulation (TCG) is left.
//!
//! Heard as: an old or small CPU has no vmx or svm flag.
//!
//! Known by: no vmx or svm in cpuinfo; your CPU does not support KVM extensions; old Atom or Celeron; cloud instance
//! without nested; Raspberry Pi with 32 bit; lscpu shows no Virtualization line; grep -c for flags counts 0; virtual
//! private server without acceleration; low-end processor; embedded board.
//!
//! ## Why it happens
//! A CPU of a line that never had it; far more often the host is itself a VM or cloud instance whose provider does not
//! pass the flag on (then `nested/not-exposed` is the better name), or the firmware hides it.
//!
//! ## Confirm
//! `grep -c -w -e vmx -e svm /proc/cpuinfo` prints 0; `lscpu` has no line "Virtualization"; the kernel log says "no
//! hardware support" or "VMX not supported by CPU".
//!
//! ## Refute
//! A count above 0, or `/dev/kvm` opens and runs a page of code (as software KVM does without either flag).
//!
//! ## Fix
//! Run VMs under TCG here, or use a host, or an instance type, with VT-x or SVM.
//!
//! ## References
//! Linux `arch/x86/kvm/x86.c` ("no hardware support for '%s'"); `arch/x86/kvm/svm/svm.c`; libvirt
//! `tools/virt-host-validate-qemu.c` ("HW virtualization CPU features not found"); `kvm-ok(1)`.

use super::device_missing::{offer_tcg, wants_tcg};
use crate::prelude::*;
use vmwright_formats::{CpuInfo, KvmProbe, LsCpu};

pub const RULE: Rule = Rule {
    tags: &["kvm"],
    needs: &[Need::Probe(Probe::Kvm), Need::Probe(Probe::Machine), Need::File("/proc/cpuinfo")],
    signs: &[
        Sign::strong("kvm: no hardware support"),
        Sign::strong("VMX not supported by CPU"),
        Sign::strong("SVM not supported by CPU"),
        Sign::strong("has_svm: not amd"),
        Sign::strong("has_svm: svm not available"),
        Sign::strong("Your CPU does not support KVM extensions"),
        Sign::strong("HW virtualization CPU features not found"),
        Sign::support("Only emulated CPUs are available"),
        Sign::strong("VERR_VMX_NO_VMX"),
        Sign::strong("VERR_SVM_NO_SVM"),
        Sign::support("VT-x is not available"),
        Sign::support("CPU doesn't support hardware virtualization"),
        Sign::support("does not support hardware virtualization"),
        Sign::support("have VT-X/AMD-v enabled"),
        Sign::support("Intel VT-x or AMD-V is not"),
        Sign::hint("could not find capabilities for*domaintype=kvm"),
        Sign::hint("KVM acceleration can NOT be used"),
        Sign::hint("could not insert 'kvm_intel': Operation not supported"),
        Sign::hint("could not insert 'kvm_amd': Operation not supported"),
        Sign::strong("HOST_VTX_UNAVAILABLE"),
        Sign::strong("Intel VT-x support is required"),
        Sign::strong("AMD SVM support is required"),
        Sign::strong("CPU does not support KVM extensions"),
        Sign::strong("KVM is unsupported when running as an SEV guest"),
        // Arm, arch/arm64/kvm/arm.c and its 32-bit sibling: the CPUs were not started in hypervisor mode.
        Sign::strong("HYP mode not available"),
        Sign::strong("kvm [{task}]: Error, CPU {cpu} not supported"),
        Sign::strong("kvm [{task}]: KVM is not supported by this hardware"),
    ],
    words: &[
        "no vmx",
        "no svm",
        "old cpu",
        "vt-x",
        "cpu does not support",
        "no kvm",
        "without kvm",
        "use kvm",
        "run kvm",
        "run vms",
        "start vms",
        "nested",
        "virtual machines",
    ],
    explains: &["kvm/device-missing", "kvm/silent-tcg"],
    tells: "/proc/cpuinfo",
    remedy: "run the VM under TCG here, or on a host with VT-x or SVM",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    if wants_tcg(cx) {
        return cx.not_applicable("the VM does not use KVM");
    }
    let mut draft = cx.draft();
    let told = draft.any();
    let probe = cx.one::<KvmProbe>();
    let open = probe.as_ref().and_then(|probe| probe.get("open"));
    // Where the node exists, a KVM of some kind stands behind it, were it one in software.
    if open.as_ref().is_some_and(|open| matches!(open.value, "ok" | "denied")) {
        return cx.quiet();
    }
    if let Some((virtual_host, flags)) = lacks_extension(cx) {
        let wanted = told || probe.is_some() || cx.asked(RULE.words);
        let (strength, shows) = match virtual_host {
            // Nobody asked for KVM in it: it may be somebody's guest and no more.
            true if !wanted => (Strength::Hint, "this VM has neither vmx nor svm"),
            true => (Strength::Strong, "the VM that this host is has neither vmx nor svm"),
            // A physical CPU without the flag may have it hidden by its firmware.
            false => (Strength::Support, "neither vmx nor svm is there"),
        };
        draft = draft.because(strength, Some(flags), shows);
    }
    draft = draft.because(Strength::Support, counted_none(cx), "no processor has vmx or svm");
    if let Some(cpu) = cx.one::<CpuInfo>() {
        let has = cpu.has_flag("vmx") == Some(true) || cpu.has_flag("svm") == Some(true);
        let line = cpu.flags.as_ref().filter(|_| has).map_or(0, |flags| flags.line);
        draft = draft.despite(Strength::Strong, cpu.quote(line), "the CPU has the extension");
    }
    let absent = open.filter(|open| open.value == "absent").map(|open| open.line);
    let Some((probe, line)) = probe.as_ref().zip(absent).filter(|_| draft.any()) else {
        return vec![draft.verdict()];
    };
    let draft = draft.because(Strength::Support, probe.quote(line), "there is no /dev/kvm");
    vec![offer_tcg(cx, draft, told).verdict()]
}

/// The line of CPU flags without vmx and svm, and whether the CPU is a hypervisor's; `None` where the flags were not
/// read or have one of the two.
pub(crate) fn lacks_extension(cx: &Context<'_>) -> Option<(bool, Evidence)> {
    if let Some(cpu) = cx.one::<CpuInfo>() {
        let flags = cpu.flags.as_ref()?;
        let lacks = cpu.has_flag("vmx") == Some(false) && cpu.has_flag("svm") == Some(false);
        let complete = flags.value.len() > 20;
        let quote = cpu.quote(flags.line).filter(|_| lacks && complete)?;
        return Some((cpu.has_flag("hypervisor") == Some(true), quote));
    }
    let cpu = cx.one::<LsCpu>()?;
    let vendor = cpu.pairs.get("Hypervisor vendor");
    let lacks = cpu.virtualization().is_none()
        && cpu.has_flag("vmx") != Some(true)
        && cpu.has_flag("svm") != Some(true);
    let line = vendor?.line;
    cpu.quote(line).filter(|_| lacks).map(|quote| (true, quote))
}

/// A line `0` below a command that counts vmx and svm in /proc/cpuinfo.
pub(crate) fn counted_none(cx: &Context<'_>) -> Option<Evidence> {
    cx.texts_with("vmx").find_map(|text| {
        let counts = |line: &str| line.contains("grep") && line.contains("svm");
        let at = text.lines_with("vmx").find(|(_, line)| counts(line))?.0;
        (text.line(at + 1)?.trim() == "0").then(|| text.quote(at + 1))?
    })
}
