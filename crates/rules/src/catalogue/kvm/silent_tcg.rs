//! # The VM runs under TCG though KVM was wanted or is there
//!
//! ## What it is
//! QEMU translates every instruction (TCG), 10 to 50 times slower than KVM, and nobody asked for that: the domain is of
//! type `qemu`, the command line names no accelerator, or a list of accelerators fell through to `tcg`.
//!
//! Heard as: the VM takes ten minutes to boot, is glacially slow and keeps a core busy; no acceleration.
//!
//! Known by: accel=tcg, type='qemu'; extremely slow guest; KVM not used, fallback to software emulation; boot takes
//! many minutes; host CPU 100 % by qemu; virt-manager says virt type QEMU TCG; accelerator fell back without saying;
//! guest ten times slower than expected; info kvm says disabled; CPU model in guest QEMU Virtual CPU or TCG CPU.
//!
//! ## Why it happens
//! QEMU's built-in default is TCG; virt-install and Vagrant choose `qemu` where they find no usable /dev/kvm, with one
//! warning; a template was written on a machine without KVM; KubeVirt has `useEmulation` on; `accel=kvm:tcg` hides the
//! failure of the first.
//!
//! ## Confirm
//! `virsh -r dumpxml VM` begins with `<domain type='qemu'`; the QEMU process has neither `-accel kvm` nor `-enable-kvm`;
//! inside, `lscpu` names "QEMU TCG CPU" or hypervisor "TCG"; the monitor's `info kvm` says "kvm support: disabled".
//!
//! ## Refute
//! The guest's kernel says "Hypervisor detected: KVM".
//!
//! ## Fix
//! Use `<domain type='kvm'>` or `-accel kvm`, with CPU model `host` or one of the host's, after /dev/kvm works. An
//! emulator for another architecture can use TCG only.
//!
//! ## References
//! QEMU `system/vl.c`, `configure_accelerators()` ("falling back to"); libvirt formatdomain, element `domain`;
//! virt-install `virtinst/guest.py` ("KVM acceleration not available"); KubeVirt user guide, software emulation.

use crate::prelude::*;
use vmwright_formats::{CpuInfo, DomainXml, KvmProbe, LsCpu, LsMod, QemuArgs, QemuLog, QemuOffers};

#[path = "messages/silent_tcg.rs"]
mod messages;

/// What people say of a guest without KVM.
const SLOW: &[&str] = &["slow", "glacial", "takes ages", "half an hour", "crawl"];

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["kvm", "performance"],
    needs: &[Need::Probe(Probe::Kvm)],
    signs: messages::SIGNS,
    words: &[
        " slow",
        "slowly",
        "emulated",
        "software emulation",
        "takes minutes",
        "high cpu",
        "half an hour",
        "ages to boot",
    ],
    tells: "virsh -r dumpxml VM",
    remedy: "set the domain's type to kvm (or -accel kvm) once /dev/kvm can be used",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let (host, slow) = (host_has_kvm(cx), cx.asked(RULE.words));
    let usual = if host.is_some() || slow { Strength::Strong } else { Strength::Support };
    for xml in cx.all::<DomainXml>() {
        for domain in &xml.domains {
            let foreign =
                domain.os.arch.as_ref().is_some_and(|arch| !["x86_64", "i686"].contains(&&*arch.value));
            let Some(kind) = domain.domain_type.as_ref().filter(|_| !foreign) else { continue };
            if kind.value == "qemu" {
                draft = draft.because(usual, xml.quote(kind.line), "the domain's type is emulation");
            }
            // `virsh capabilities` lists `<domain type='kvm'/>` as something that could be had.
            if kind.value == "kvm" && (domain.name.is_some() || domain.memory.is_some()) {
                draft = draft.despite(Strength::Strong, xml.quote(kind.line), "the domain uses KVM");
            }
        }
    }
    let asked = |args: &QemuArgs| -> Option<(u32, bool)> {
        let command = args.commands.iter().find(|command| command.program.is_some())?;
        let program =
            command.program.as_ref().filter(|program| program.value.ends_with("qemu-system-x86_64"))?;
        let names = args.accelerators();
        // An explicit `tcg` alone is a choice and not silent.
        let silent = names.is_empty() || names.len() > 1 && names.iter().any(|name| name.value == "tcg");
        (silent && command.options.len() > 2).then_some((program.line, names.is_empty()))
    };
    let tcg = if host.is_some() || slow { Strength::Strong } else { Strength::Hint };
    let shows = "the command names no accelerator, so it is TCG";
    for seen in cx.all::<QemuArgs>() {
        if let Some((line, none)) = asked(&seen) {
            draft = draft.because(if none { tcg } else { Strength::Hint }, seen.quote(line), shows);
        }
    }
    for log in cx.all::<QemuLog>() {
        if let Some((line, true)) = log.last().and_then(|run| asked(&run.args)) {
            draft = draft.because(tcg, log.quote(line), shows);
        }
    }
    if draft.any() {
        draft = draft.because(Strength::Hint, host, "this host has KVM");
    }
    // An emulator's offer is neither a VM's configuration nor a message, and says nothing against this host.
    vec![if cx.one::<QemuOffers>().is_some() { draft.looked() } else { draft }.verdict()]
}

/// What shows that KVM could be used on this host.
fn host_has_kvm(cx: &Context<'_>) -> Option<Evidence> {
    if let Some(probe) = cx.one::<KvmProbe>() {
        let open = probe.get("open").filter(|open| open.value == "ok")?;
        return probe.quote(open.line);
    }
    if let Some(modules) = cx.one::<LsMod>() {
        let vendor = modules.get("kvm_intel").or_else(|| modules.get("kvm_amd"));
        return vendor.and_then(|module| modules.quote(module.line));
    }
    if let Some(cpu) = cx.one::<CpuInfo>() {
        let has = cpu.has_flag("vmx") == Some(true) || cpu.has_flag("svm") == Some(true);
        return cpu.flags.as_ref().filter(|_| has).and_then(|flags| cpu.quote(flags.line));
    }
    let cpu = cx.one::<LsCpu>()?;
    let line = cpu.virtualization()?.line;
    cpu.quote(line)
}
