//! # Nested virtualization is wanted, but the hypervisor below does not give it
//!
//! ## What it is
//! This host is itself a VM, and the hypervisor that runs it (L0) does not pass vmx or svm on. KVM cannot load here, and
//! VMs of this host can only be emulated.
//! Heard as: inside a VM, a cloud instance or a runner KVM is not available; vmx or svm missing in the guest.
//!
//! Known by: no vmx or svm flag in the guest; nested=0, kvm_intel nested N; ESXi, Proxmox, minikube or Android emulator
//! in a VM; cloud VM without nested virtualization; kvm-ok fails inside; virtualization inside a VM; L1, L2;
//! VirtualBox, VMware, Hyper-V ExposeVirtualizationExtensions, cloud metal; container or kind node lacks acceleration
//! since its host is a VM; enable nested.
//!
//! ## Why it happens
//! L0's module has `nested=0`; the VM's CPU model hides the flag (kvm64, a named model without `+vmx`); the cloud's
//! instance type does not offer it; "virtualize Intel VT-x/EPT" is off in VMware; Hyper-V needs
//! ExposeVirtualizationExtensions; CI runners and small cloud VMs rarely have it.
//!
//! ## Confirm
//! In this host: `lscpu` shows "Hypervisor vendor" and no "Virtualization"; `systemd-detect-virt` names the product. On
//! L0: `cat /sys/module/kvm_intel/parameters/nested` (or kvm_amd) prints N or 0, or the VM's XML lacks the feature.
//!
//! ## Refute
//! `systemd-detect-virt` prints none: this is a physical host, see `kvm/disabled-in-firmware`.
//!
//! ## Fix
//! On L0 set `options kvm_intel nested=1`, give this VM `host-passthrough` or the feature vmx or svm, and stop and start
//! it. Without access to L0: another instance type, or TCG.
//!
//! ## References
//! Linux `Documentation/virt/kvm/x86/running-nested-guests.rst`; libvirt formatdomain, CPU modes; cloud providers'
//! pages on nested virtualization; libvirt `src/conf/capabilities.c` ("could not find capabilities for").

use crate::catalogue::kvm::device_missing::wants_tcg;
use crate::catalogue::kvm::no_cpu_support::{counted_none, lacks_extension};
use crate::catalogue::memory::hugepages_not_reserved::settings::switched_off;
use crate::prelude::*;
use state::{hypervisor, refused, switched_on};
use vmwright_formats::{CpuInfo, KvmProbe};

#[path = "messages/not_exposed.rs"]
mod messages;
#[path = "state/not_exposed.rs"]
mod state;

pub const RULE: Rule = Rule {
    tags: &["kvm", "nested"],
    rank: Rank::Specific,
    needs: &[
        Need::Probe(Probe::Kvm),
        Need::File("/proc/cpuinfo"),
        Need::File("/sys/module/kvm_intel/parameters/nested"),
        Need::File("/sys/module/kvm_amd/parameters/nested"),
        Need::Glob("/etc/modprobe.d/*.conf"),
        Need::Probe(Probe::Vmms),
    ],
    signs: messages::SIGNS,
    words: &[
        "nested",
        "inside a vm",
        "cloud instance",
        "droplet",
        "virtual machine on",
        "runner",
        "virtualbox vm",
        "vmware vm",
        "gce",
        "ec2",
        "on openstack",
        "vps",
    ],
    explains: &["kvm/no-cpu-support", "kvm/device-missing", "kvm/silent-tcg", "kvm/disabled-in-firmware"],
    tells: "lscpu",
    remedy: "switch nesting on at the hypervisor below and give this VM the vmx or svm feature; else run under TCG",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// The switch.
const FILE: &str = "parameters/nested";

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    if wants_tcg(cx) {
        return cx.not_applicable("the VM does not use KVM");
    }
    let mut draft = cx.draft();
    let told = draft.any() || cx.asked(RULE.words);
    let probe = cx.one::<KvmProbe>();
    let usable = probe.as_ref().and_then(|probe| probe.get("open")).is_some_and(|open| open.value == "ok");
    let mut off = false;
    for (text, number) in switched_off(cx, FILE) {
        // Off is a problem only where nesting is wanted; whoever typed the command wants it.
        let named = text.source.ends_with(FILE);
        let strength = if named && !told { Strength::Hint } else { Strength::Strong };
        draft = draft.because(strength, text.quote(number), "this KVM does not nest");
        off = true;
        if named {
            draft = draft.actions(switched_on(cx, text.source));
        }
    }
    if usable && !off {
        return cx.quiet();
    }
    // A hypervisor below that gives it has nothing to be switched on.
    let given = cx.one::<CpuInfo>().filter(|cpu| {
        cx.snapshot().live && !off && ["vmx", "svm"].iter().any(|flag| cpu.has_flag(flag) == Some(true))
    });
    if let Some(flags) = given.as_ref().and_then(|cpu| cpu.quote(cpu.flags.as_ref()?.line)) {
        draft = draft.despite(Strength::Strong, Some(flags), "this host's processors have vmx or svm");
    }
    match lacks_extension(cx) {
        // One line is one piece: that KVM is wanted here makes it tell more.
        Some((true, flags)) if told || refused(cx) => {
            draft =
                draft.because(Strength::Strong, Some(flags), "KVM is wanted in this VM without vmx and svm");
        }
        Some((true, flags)) => {
            draft = draft.because(Strength::Support, Some(flags), "this host is a VM without vmx and svm");
        }
        Some((false, flags)) => draft = draft.despite(Strength::Strong, Some(flags), "this host is no VM"),
        None if refused(cx) && hypervisor(cx).is_some() => {
            draft = draft.because(
                Strength::Strong,
                hypervisor(cx),
                "this host is a VM, and has no extension for KVM",
            );
        }
        None if told => {
            let none = counted_none(cx);
            let below = hypervisor(cx).filter(|_| none.is_some());
            draft = draft.because(Strength::Support, below, "this host is a VM").because(
                Strength::Hint,
                none,
                "no processor has vmx or svm",
            );
        }
        None => {}
    }
    vec![draft.verdict()]
}
