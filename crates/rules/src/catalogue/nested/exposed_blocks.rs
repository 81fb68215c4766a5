//! # Nested virtualization exposed to a guest stops something else
//!
//! ## What it is
//! A guest that sees vmx or svm may run VMs of its own, and their state is part of its own. What cannot carry that state
//! refuses: live migration, save and snapshot, CPU hotplug, memory hotplug, depending on VMM and version.
//!
//! Heard as: saving, migration or hotplug does not work for a VM in which Docker Desktop, WSL or Hyper-V runs or
//! that has vmx or cpu host.
//!
//! Known by: live migration or snapshot blocked by nested VMX; host-passthrough with vmx slows Windows, VBS, core
//! isolation, WSL2 or Hyper-V in the guest; save not possible; slow Windows with memory integrity or credential guard;
//! Hyper-V inside; remove vmx flag; guest with nested in use cannot be saved, suspended or moved.
//!
//! ## Why it happens
//! `host-passthrough` passes the flag on by default; QEMU before 4.1 and kernels before 4.20 have no interface for nested
//! state; VMware and Hyper-V refuse hotplug, save or migration for such VMs; VMX capability MSRs differ between hosts.
//!
//! ## Confirm
//! `virsh -r dumpxml VM`: CPU mode and the features vmx, svm; in the guest `lscpu`; the refusal names "nested".
//!
//! ## Refute
//! The guest has neither flag, or the same refusal appears with the flag taken away.
//!
//! ## Fix
//! Take the flag away (`<feature policy='disable' name='vmx'/>`) where the guest needs no VMs, or bring both hosts to
//! QEMU 4.1 or later, Linux 4.20 or later and the same CPU generation.
//!
//! ## References
//! Linux `Documentation/virt/kvm/api.rst`, KVM_GET_NESTED_STATE; `running-nested-guests.rst` (live migration); QEMU
//! `target/i386/kvm/kvm.c`, `nested_virt_mig_blocker` ("does not support live migration yet").

use crate::prelude::*;
use vmwright_formats::DomainXml;

pub const RULE: Rule = Rule {
    tags: &["nested", "migration"],
    rank: Rank::Specific,
    signs: &[
        Sign::proof("Nested VMX virtualization does not support live migration"),
        Sign::proof("Nested SVM virtualization does not support live migration"),
        Sign::strong("nested virtualization does not support"),
        Sign::strong("nested virtualization is enabled*migrat"),
        Sign::strong("migrat*nested virtualization is enabled"),
        Sign::strong("because nested virtualization is enabled"),
        Sign::strong("with nested virtualization enabled"),
        Sign::strong("while nested virtualization"),
        Sign::strong("not supported*nested hardware-assisted virtualization"),
        Sign::strong("hot plug*hardware-assisted virtualization"),
        Sign::strong("Failed to set nested state"),
        Sign::strong("Failed to get nested state"),
        Sign::support("kvm_put_nested_state"),
        Sign::support("kvm_get_nested_state"),
        Sign::support("error while loading state*nested_state"),
        // The VMX capability MSRs, 0x480 to 0x493, of another host.
        Sign::support("failed to set MSR 0x48"),
        Sign::support("failed to set MSR 0x49"),
        Sign::support("Missing field from shadow_read_only_field"),
        Sign::support("KVM: accessing unsupported EVMCS field"),
    ],
    words: &["nested", "live migration", "hotplug", "snapshot"],
    explains: &["migration/non-migratable-device", "snapshot/blocked-by-device", "msr/set-failed"],
    tells: "virsh -r dumpxml VM",
    remedy: "take vmx or svm out of the VM's CPU, or bring VMM, kernel and CPUs of both hosts to the same level",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if !draft.any() {
        return vec![draft.verdict()];
    }
    for xml in cx.all::<DomainXml>() {
        let cpus = xml.domains.iter().filter_map(|domain| domain.cpu.as_ref());
        for cpu in cpus {
            let named = ["vmx", "svm"].iter().find_map(|name| cpu.feature(name));
            let given = named.is_some_and(|feature| feature.policy == "require" || feature.policy == "force");
            let hidden =
                named.is_some_and(|feature| feature.policy == "disable" || feature.policy == "forbid");
            let through = cpu.mode.as_ref().filter(|mode| mode.value == "host-passthrough" && !hidden);
            let line =
                named.filter(|_| given).map(|feature| feature.name.line).or(through.map(|mode| mode.line));
            draft =
                draft.because(Strength::Support, line.and_then(|line| xml.quote(line)), "the guest can nest");
            let line = named.filter(|_| hidden).map(|feature| feature.name.line);
            draft = draft.despite(
                Strength::Strong,
                line.and_then(|line| xml.quote(line)),
                "the guest cannot nest",
            );
        }
    }
    vec![draft.verdict()]
}
