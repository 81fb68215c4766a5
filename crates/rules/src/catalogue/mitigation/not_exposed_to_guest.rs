//! # The guest's CPU model hides flags that its own mitigations need
//!
//! ## What it is
//! A guest kernel protects itself with instructions and registers that new microcode brings: IBRS and IBPB
//! (`spec-ctrl`, `ibpb`), SSBD (`ssbd`, `virt-ssbd`), VERW that clears buffers (`md-clear`), `arch-capabilities`,
//! `amd-stibp`. It uses them only where the virtual CPU shows the flag. A host that is safe can so have guests that
//! are not safe from themselves.
//!
//! Heard as: guests say that they are vulnerable, no microcode, while the host is fully patched; CPU model without
//! md-clear or ssbd.
//!
//! Known by: md-clear, ssbd, spec-ctrl, ibpb or arch-capabilities not in guest; guest reports vulnerable, no microcode;
//! CPU model without -IBRS or -noTSX; pcid off.
//!
//! ## Why it happens
//! A named CPU model from before 2018 (`Haswell`, `Skylake-Server`, `EPYC`, `kvm64`) has none of them; `-IBRS`,
//! `-IBPB` and `-v2` variants have some; the VM was not fully restarted after the microcode came; a live migration
//! baseline leaves them out; a provider does so for a nested host.
//!
//! ## Confirm
//! In the guest `grep . /sys/devices/system/cpu/vulnerabilities/*` says "no microcode" or "Vulnerable"; on the host
//! `virsh dumpxml VM` shows the model, and `grep -wo 'ssbd\|md_clear\|ibpb' /proc/cpuinfo` that the host has them.
//!
//! ## Refute
//! The host lacks the flags too (`mitigation/host-vulnerable`), or the model is host-passthrough or host-model and
//! the VM was power-cycled since.
//!
//! ## Fix
//! host-model or host-passthrough, a newer model version, or the flags one by one (`<feature policy='require'
//! name='md-clear'/>`), then a full stop and start of the VM: a reboot inside it is not enough.
//!
//! ## References
//! QEMU documentation, "QEMU / KVM CPU model configuration" (important CPU features); Linux
//! `Documentation/admin-guide/hw-vuln/mds.rst` (virtualization), `arch/x86/kernel/cpu/bugs.c`; libvirt
//! `src/cpu_map`.

use super::host_vulnerable::{flaws, is_vm};
use crate::catalogue::memory::hugepages_not_reserved::guests::commands;
use crate::prelude::*;
use vmwright_formats::{CpuInfo, DomainXml};

/// Models of QEMU and libvirt that carry none of the flags (target/i386/cpu.c; their `-IBRS` kin do).
const OLD: &str = "486 pentium pentium2 pentium3 Conroe Penryn Nehalem Westmere SandyBridge IvyBridge Haswell Haswell-noTSX Broadwell Broadwell-noTSX \
    Skylake-Client Skylake-Server Opteron_G3 Opteron_G4 Opteron_G5 EPYC qemu64 qemu32 kvm64 kvm32 core2duo coreduo";

/// Any of these shows that somebody thought of it; in libvirt's and in QEMU's spelling.
const FLAGS: [&str; 8] =
    ["spec-ctrl", "ssbd", "ibpb", "md-clear", "virt-ssbd", "amd-ssbd", "stibp", "arch-capabilities"];

/// What people call a machine that has its CPU from a model.
const GUEST: &[&str] = &["guest", "in a vm", "the vm", "virtual machine", "instance"];

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["security", "cpu"],
    needs: &[
        Need::Glob("/etc/libvirt/qemu/*.xml"),
        Need::File("/proc/cpuinfo"),
        Need::Glob("/sys/devices/system/cpu/vulnerabilities/*"),
        Need::Probe(Probe::Machine),
    ],
    signs: &[
        Sign::strong("Clear CPU buffers attempted, no microcode; SMT Host state unknown"),
        Sign::support("Clear CPU buffers attempted, no microcode").and(&["in the guest"]),
        Sign::support("Vulnerable: No microcode; SMT Host state unknown"),
        Sign::support("spec_store_bypass:Vulnerable").and(&["in the guest"]),
        Sign::support("Hardware support (CPU microcode) for mitigation techniques").and(&["virtual machine"]),
        Sign::support("Unknown: Dependent on hypervisor status"),
        // PowerShell's SpeculationControl, where Windows is the guest.
        Sign::strong("Hardware support for branch target injection mitigation is present: False").said(GUEST),
        Sign::strong("disabled by absence of hardware support: True").said(GUEST),
        Sign::support("md_clear").and(&["in the guest", "missing"]),
        Sign::support("md-clear").and(&["not exposed"]),
    ],
    words: &[
        "in the guest",
        "inside the vm",
        "spectre",
        "ssbd",
        "md_clear",
        "md-clear",
        "spec-ctrl",
        "cpu model",
    ],
    tells: "virsh dumpxml VM",
    remedy: "use host-model, or require the flags (spec-ctrl, ssbd, ibpb, md-clear), and power-cycle the VM",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let hidden = |state: &str| {
        state.contains("no microcode") || state.contains("No microcode") || state.starts_with("Vulnerable")
    };
    if let Some(vm) = is_vm(cx) {
        let all = flaws(cx);
        for flaw in all.iter().filter(|flaw| hidden(&flaw.state)).take(2) {
            draft =
                draft.because(Strength::Support, flaw.quote.clone(), "the guest's kernel lacks the means");
        }
        if draft.any() {
            draft = draft.because(Strength::Hint, Some(vm), "and this machine is a VM");
        }
        draft = draft.looked();
    }
    let host = cx.all::<CpuInfo>();
    let able = host.iter().find_map(|one| {
        let has =
            ["ibpb", "ssbd", "md_clear", "spec_ctrl"].iter().any(|flag| one.has_flag(flag) == Some(true));
        let flags = one.flags.as_ref().filter(|_| has && one.has_flag("hypervisor") == Some(false))?;
        one.quote(flags.line)
    });
    let old = |model: &str| OLD.split(' ').any(|one| one == model.strip_suffix("-v1").unwrap_or(model));
    let mut model = None;
    for seen in cx.all::<DomainXml>() {
        draft = draft.looked();
        for cpu in seen.domains.iter().filter_map(|domain| domain.cpu.as_ref()) {
            let custom = cpu.mode.as_ref().is_none_or(|mode| mode.value == "custom");
            let thought = FLAGS.iter().any(|flag| {
                cpu.feature(flag).is_some_and(|one| matches!(one.policy.as_str(), "require" | "force"))
            });
            if let Some(found) = cpu.model.as_ref().filter(|found| custom && !thought && old(&found.value)) {
                model = model.or(Some((found.value.clone(), seen.quote(found.line))));
            }
        }
    }
    for command in commands(cx) {
        draft = draft.looked();
        let Some(option) = command.args.first("cpu") else { continue };
        let value = option.value.as_deref().unwrap_or_default();
        let name = value.split(',').next().unwrap_or_default();
        if old(name) && !FLAGS.iter().any(|flag| value.replace('_', "-").contains(flag)) {
            model = model.or(Some((name.to_owned(), command.text.quote(option.value_line))));
        }
    }
    if let Some((name, quote)) = model {
        draft = match able {
            Some(able) => draft
                .because(Strength::Support, quote, "this model has no flags for mitigations")
                .because(Strength::Hint, Some(able), "and the host has them"),
            // Whether the host has them is not known, and the model was perhaps chosen for it.
            None => draft.because(Strength::Hint, quote, "this model has no flags for mitigations"),
        };
        draft = draft.title(format!("CPU model {name} hides the flags that the guest's mitigations need"));
    }
    vec![draft.verdict()]
}
