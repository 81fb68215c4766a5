//! # A harmless warning about a CPU feature or register
//!
//! ## What it is
//! QEMU or the kernel remarks that a feature of the CPU model is not there and was left out, or that a guest touched a
//! register it may not. The VM runs on; the line is not why something else fails.
//!
//! Heard as: QEMU prints a warning about a feature at each start and all works; svm on Intel or vmx on AMD.
//!
//! Known by: TCG doesn't support requested feature; host doesn't support requested feature, printed for each vCPU,
//! guest runs nevertheless; noise in the log; svm or vmx bit warning.
//!
//! ## Why it happens
//! Named models list features that TCG, this CPU or this kernel lacks (vmx on AMD, svm under TCG, monitor); without
//! `enforce` QEMU drops them. Guests probe performance counters and power registers.
//!
//! ## Confirm
//! The line begins with "warning:" or is an `ignored` or `disabled perfctr` remark of the kernel, and the guest goes on
//! after it. Read on in the log for the real fault.
//!
//! ## Refute
//! QEMU ends with "Host doesn't support requested features" (plural): then `cpu/feature-not-supported`.
//!
//! ## Fix
//! Nothing has to be done. To quiet it, remove the feature from the model (`-cpu MODEL,-vmx`) or use a model of this host;
//! `kvm.report_ignored_msrs=0` quiets the kernel's remark.
//!
//! ## References
//! QEMU `target/i386/cpu.c`, `mark_unavailable_features()`; Linux `arch/x86/kvm/x86.c`, `kvm_msr_ignored_check()`;
//! `Documentation/admin-guide/kernel-parameters.txt`, kvm.report_ignored_msrs.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    level: Level::Note,
    tags: &["cpu", "log"],
    signs: &[
        Sign::strong("host doesn't support requested feature: ").unless(FATAL),
        Sign::strong("TCG doesn't support requested feature: ").unless(FATAL),
        Sign::support("This feature depends on other features that were not requested").unless(FATAL),
        Sign::strong("This feature is*not available").kinds(&["qemu_log"]),
        Sign::support("disabled perfctr wrmsr"),
        Sign::support("ignored rdmsr: "),
        Sign::support("ignored wrmsr: "),
        // Probed registers without which the guest goes on.
        Sign::support("unhandled rdmsr: ").unless(DEADLY),
        Sign::support("unhandled wrmsr: ").unless(DEADLY),
        Sign::support("vcpu{n}, guest rIP: * vmx_set_msr: BTF|LBR"),
        Sign::hint("kvm_set_msr_common: MSR_IA32_DEBUGCTLMSR"),
    ],
    words: &["warning", "harmless", "ignore", "what does this mean", "log is full", "safe to"],
    tells: "/var/log/libvirt/qemu/VM.log",
    remedy: "nothing has to be done; to quiet it, leave the feature out of the CPU model",
    ..Rule::NEW
};

/// With these the feature is why the VM does not start.
const FATAL: &[&str] = &["doesn't support requested features", "Host CPU does not provide required features"];

/// With these the register may be why the guest died.
const DEADLY: &[&str] = &[
    "EXCEPTION_NOT_HANDLED",
    "EXCEPTION NOT HANDLED",
    "blue screen",
    "Kernel panic",
    "general protection fault",
];
