//! # KVM works only for paravirtual guests here; an unmodified kernel dies with an emulation failure
//!
//! ## What it is
//! `/dev/kvm` opens and guests of simple instructions run, but the host has no VT-x or SVM: KVM is the software
//! kind (PVM), which runs kernels made for it directly and everything else in KVM's instruction emulator. A stock
//! kernel meets an instruction that the emulator lacks and stops with an internal error.
//!
//! Heard as: a host whose KVM is PVM: ordinary kernels do not boot.
//!
//! Known by: kvm_pvm, PVM, nested in cloud sandbox; /dev/kvm exists yet ordinary kernel dies at boot; emulation failure
//! on shlx or mov cr; needs pvm guest kernel; shallow nesting; container cloud; dies as soon as kernel decompresses;
//! cannot boot stock distribution kernels; pagetable-based virtual machine.
//!
//! ## Why it happens
//! The host is itself a VM of a cloud that offers nested virtualization through PVM (`kvm_pvm`).
//!
//! ## Confirm
//! `grep -c -w -e vmx -e svm /proc/cpuinfo` prints 0 although `/dev/kvm` can be opened; `lsmod` or
//! `/sys/module/kvm_pvm` shows PVM; `vmwright analyze` runs a page of 64-bit code with a BMI2 instruction.
//!
//! ## Refute
//! The page with the BMI2 instruction runs: KVM executes guest code in hardware.
//!
//! ## Fix
//! Use TCG (`accel=tcg`, slower) for stock kernels, a guest kernel built for PVM, or a host with VT-x or SVM.
//!
//! ## References
//! Linux `Documentation/virt/kvm/api.rst` (KVM_EXIT_INTERNAL_ERROR, suberror 1); `arch/x86/kvm/emulate.c`; the
//! PVM patch series (Pagetable Virtual Machine) for KVM.

use crate::prelude::*;
use vmwright_formats::{KvmProbe, MachineSpecView};
use vmwright_model::machine::Accelerator;

pub const RULE: Rule = Rule {
    tags: &["kvm", "boot"],
    rank: Rank::Specific,
    needs: &[Need::Probe(Probe::Kvm), Need::Probe(Probe::Machine)],
    signs: &[
        // That the module is there says which KVM this is, and not what went wrong.
        Sign::support("kvm_pvm"),
        Sign::strong("KVM internal error. Suberror: 1").and(&["kvm_pvm"]),
        Sign::support("failed to set MSR 0x10a").and(&["kvm_pvm"]),
    ],
    words: &["emulation failure", "kvm internal error", "nested"],
    explains: &[
        "kvm/emulation-failure",
        "msr/set-failed",
        "kvm/device-permission",
        "kvm/no-cpu-support",
        "nested/not-exposed",
    ],
    tells: "vmwright analyze (on the host itself)",
    remedy: "run the VM under TCG here, or on a host with VT-x or SVM",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let draft = cx.draft();
    let Some(probe) = cx.one::<KvmProbe>() else { return vec![draft.verdict()] };
    let verdict = probe.verdict();
    if verdict.as_ref().map(|verdict| verdict.value) != Some("paravirtual-only") {
        return cx.quiet();
    }
    let line = verdict.map_or(0, |verdict| verdict.line);
    let bmi2 = probe.get("long-mode-bmi2").map_or(0, |answer| answer.line);
    let draft = draft.because(Strength::Proof, probe.quote(line), "stock kernels do not run").because(
        Strength::Strong,
        probe.quote(bmi2),
        "64-bit code is emulated, and not all of it can be",
    );
    let spec = cx.one::<MachineSpecView>();
    let Some(machine) = spec.as_ref().and_then(|spec| spec.spec.as_ref()) else {
        return vec![draft.about(Subject::host()).level(Level::Warn).verdict()];
    };
    if machine.accelerator != Accelerator::Kvm {
        return cx.not_applicable("the VM does not use KVM");
    }
    let Some(spec) = &spec else { return vec![draft.verdict()] };
    let line = spec.line_of("accelerator");
    let mut draft = draft
        .because(Strength::Hint, line.and_then(|line| spec.quote(line)), "the VM asks for KVM")
        .title(format!(
            "KVM on this host runs only paravirtual guests, but `{}` asks for KVM with a stock kernel",
            machine.name
        ))
        .remedy("run the VM under TCG on this host")
        .action(Action::EditSpec {
            path: spec.text.source.to_owned(),
            key: "accelerator".to_owned(),
            from: line.map(|_| "\"kvm\"".to_owned()),
            to: Some("\"tcg\"".to_owned()),
        });
    if machine.cpu.model == "host" {
        draft = draft.action(Action::EditSpec {
            path: spec.text.source.to_owned(),
            key: "cpu.model".to_owned(),
            from: Some("\"host\"".to_owned()),
            to: Some("\"max\"".to_owned()),
        });
    }
    vec![draft.verdict()]
}
