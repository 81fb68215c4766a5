//! # QEMU cannot set a model-specific register: KVM and the CPU model disagree
//!
//! ## What it is
//! At start, reset or after a migration the VMM writes the virtual CPU's MSRs in one go; KVM refuses one of them, and the
//! VMM ends, often with an assertion.
//!
//! Heard as: QEMU aborts at the start or after a migration: failed to set MSR.
//!
//! Known by: error: failed to set MSR 0x to 0x; kvm_buf_set_msrs assertion ret == cpu->kvm_msr_buf->nmsrs; QEMU aborts
//! at start; -cpu host on nested hypervisor; pmu, vmx features.
//!
//! ## Why it happens
//! The CPU model promises a feature that this host's KVM, microcode or outer hypervisor does not back: 0x10a is
//! IA32_ARCH_CAPABILITIES, 0x38d-0x38f the PMU, 0x480-0x493 VMX capabilities, 0x122 TSX control, 0xe1 UMWAIT. A state
//! that was saved under another kernel or CPU does not fit either.
//!
//! ## Confirm
//! The message names the register and value. `rdmsr` (reads only) on the host tells whether the CPU has it; compare the
//! CPU model of the VM with `virsh -r domcapabilities`.
//!
//! ## Refute
//! The register differs from run to run: memory or state is damaged instead.
//!
//! ## Fix
//! Take the feature out of the CPU model (`-cpu host,-arch-capabilities`, `pmu=off`, `-vmx`), or update the host kernel
//! (nested: that of the outer host), which knows the register.
//!
//! ## References
//! QEMU `target/i386/kvm/kvm.c`, `kvm_buf_set_msrs()`; Linux `arch/x86/kvm/x86.c`, `kvm_set_msr_common()`; Intel SDM
//! vol. 4; Firecracker `src/vmm/src/arch/x86_64/vcpu.rs`; Cloud Hypervisor `hypervisor/src/kvm/mod.rs`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["kvm", "msr", "cpu", "migration"],
    signs: &[
        Sign::proof("error: failed to set MSR {msr} to"),
        Sign::strong("failed to set MSR {msr}"),
        Sign::strong("error: failed to get MSR {msr}"),
        Sign::proof("kvm_buf_set_msrs: Assertion"),
        Sign::proof("kvm_put_msrs: Assertion"),
        Sign::strong("kvm_get_msrs: Assertion"),
        Sign::strong("Assertion `ret == cpu->kvm_msr_buf->nmsrs' failed"),
        Sign::strong("Failed to set MSRs:"),
        Sign::strong("Failed to set feature control MSR"),
        Sign::strong("Failed to set TSC deadline MSR"),
        Sign::support("Failed to set all MSRs"),
        Sign::support("Failed to set all KVM MSRs"),
        Sign::support("Failed to set KVM MSRs"),
        Sign::support("Error setting MSR"),
        Sign::support("Failed to set msrs"),
        Sign::hint("Failed to get MSRs:"),
        Sign::strong("KVM get MSR (index={msr}) feature failed"),
        Sign::strong("Fetch KVM feature MSR list failed"),
        Sign::strong("Could not enable user space MSRs"),
        Sign::strong("PR_KVM_MSR"),
        Sign::strong("Could not set MSR with register address="),
        Sign::strong("Some MSRs could not be set"),
        Sign::strong("Failed to restore required feature MSR"),
        Sign::strong("Unable to set feature MSR"),
        Sign::support("MSR {msr} was not found").and(&["CPU profile"]),
        Sign::strong("Detected faulty MSR {msr} while setting MSRs"),
    ],
    words: &["set msr", "assertion", "migration", "cpu host", "host-passthrough"],
    explains: &["vmm/known-bug"],
    tells: "/var/log/libvirt/qemu/VM.log",
    remedy: "take the feature of that register out of the VM's CPU, or update the host's kernel and microcode",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Registers that are met, by number as QEMU prints it, with what they belong to and what takes it away.
const KNOWN: [(&str, &str, &str); 8] = [
    ("0x10a", "IA32_ARCH_CAPABILITIES", "-arch-capabilities"),
    ("0x122", "IA32_TSX_CTRL", "-hle,-rtm"),
    ("0xe1", "IA32_UMWAIT_CONTROL", "-waitpkg"),
    ("0x38d", "IA32_FIXED_CTR_CTRL", "pmu=off"),
    ("0x38f", "IA32_PERF_GLOBAL_CTRL", "pmu=off"),
    ("0x48b", "IA32_VMX_PROCBASED_CTLS2", "-vmx"),
    ("0x48d", "IA32_VMX_TRUE_PINBASED_CTLS", "-vmx"),
    ("0xc0000104", "AMD TSC ratio", "-tsc-scale"),
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let draft = cx.draft();
    let msr = cx.hits("failed to set MSR {msr}").first().and_then(|hit| hit.get("msr"));
    let Some((number, name, off)) = msr.and_then(|msr| KNOWN.iter().find(|known| known.0 == msr)) else {
        return vec![draft.verdict()];
    };
    vec![
        draft
            .title(format!("KVM refuses to set MSR {number} ({name}) for this CPU model"))
            .remedy(format!("add `{off}` to the VM's CPU model, or update the host's kernel and microcode"))
            .verdict(),
    ]
}
