//! # The VM's CPU model masks a feature that the hardware has and the guest's software needs
//!
//! ## What it is
//! The host's CPU could, but the VM was given a baseline model (kvm64, qemu64, an old generation), so programs or whole
//! distributions in the guest refuse to run.
//!
//! Heard as: a program in the guest ends with illegal instruction, or asks for AVX or x86-64-v2, though the host's CPU
//! has it.
//!
//! Known by: illegal instruction in the guest; glibc: CPU does not support x86-64-v2; AVX, AES or SSE4.2 not seen in VM
//! with kvm64 or qemu64; host-passthrough cures; program refuses to start in the VM; MongoDB.
//!
//! ## Why it happens
//! The default model of QEMU, Proxmox or a template is the least common one; software raised its level (x86-64-v2 for
//! EL9, AVX for MongoDB 5, SSE4.2 for databases); a feature was disabled to allow migration.
//!
//! ## Confirm
//! In the guest `lscpu` (read-only) names "QEMU Virtual CPU" or "Common KVM processor" and lacks the flag; on the host
//! `grep -o -w avx /proc/cpuinfo` has it; `virsh -r dumpxml VM` or `-cpu` shows the model.
//!
//! ## Refute
//! The host's own CPU lacks the flag: then `cpu/feature-not-supported` or newer hardware.
//!
//! ## Fix
//! Give the VM `host-passthrough` or `host-model`, or the newest named model all hosts of the cluster share
//! (`x86-64-v2-AES` and the like in Proxmox); stop and start it.
//!
//! ## References
//! QEMU `docs/system/cpu-models-x86.rst.inc` (ABI levels); glibc `sysdeps/x86/get-isa-level.h`,
//! `elf/dl-main` ("CPU does not support x86-64-v"); libvirt formatdomain, CPU modes.

use crate::prelude::*;
use vmwright_formats::{CpuInfo, DomainXml, QemuArgs};

#[path = "messages/model_hides_feature.rs"]
mod messages;

/// What people say of a guest whose processor can too little.
const POOR: &[&str] = &["slow", "sluggish", "illegal", "busy", "crash", "instruction"];

pub const RULE: Rule = Rule {
    tags: &["cpu", "guest"],
    signs: messages::SIGNS,
    words: &[
        "illegal instruction",
        "avx support",
        "x86-64-v2",
        "kvm64",
        "cpu type",
        "cpu flag",
        "illegal",
        "avx",
        "sse4",
        "numpy",
        "mongodb",
        "processor type",
    ],
    tells: "virsh -r dumpxml VM",
    remedy: "give the VM host-passthrough, host-model or a newer named CPU model, then stop and start it",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Models with next to no features beyond the first 64-bit CPUs.
const PLAIN: [&str; 9] =
    ["kvm64", "qemu64", "kvm32", "qemu32", "core2duo", "Conroe", "Penryn", "Opteron_G1", "Nehalem"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let strength = if draft.has(Strength::Support) { Strength::Support } else { Strength::Hint };
    for xml in cx.all::<DomainXml>() {
        for domain in &xml.domains {
            let cpu = domain.cpu.as_ref();
            let model = cpu.and_then(|cpu| cpu.model.as_ref()).filter(|model| PLAIN.contains(&&*model.value));
            draft = draft.because(
                strength,
                model.and_then(|model| xml.quote(model.line)),
                "the CPU model has few features",
            );
            let off = cpu.and_then(|cpu| {
                cpu.features.iter().find(|one| one.policy == "disable" || one.policy == "forbid")
            });
            let named = off.filter(|off| {
                off.name.value.len() > 2
                    && cx.texts_with(off.name.value.as_str()).any(|text| &*text.kind.0 != "domain_xml")
            });
            let line = named.and_then(|off| xml.quote(off.name.line));
            draft = draft.because(strength, line, "a feature that is spoken of is switched off");
        }
    }
    for args in cx.all::<QemuArgs>() {
        let cpu = args.options("cpu").find(|cpu| {
            let model = cpu.opts().parts.first().map(|part| part.0.clone()).unwrap_or_default();
            let value = cpu.value.as_deref().unwrap_or_default();
            PLAIN.iter().any(|plain| model == *plain || value.split(',').next() == Some(plain))
        });
        let commands =
            args.commands.iter().filter(|command| command.options.iter().all(|one| one.name != "cpu"));
        let bare =
            commands.filter_map(|command| command.program.as_ref()).find(|one| one.value.ends_with("x86_64"));
        if draft.has(Strength::Support) {
            let line = bare.and_then(|program| args.quote(program.line));
            draft = draft.because(Strength::Support, line, "without -cpu the model is qemu64");
        }
        draft = draft.because(
            strength,
            cpu.and_then(|cpu| args.quote(cpu.value_line)),
            "the CPU model has few features",
        );
    }
    if draft.has(Strength::Support)
        && let Some(cpu) = cx.one::<CpuInfo>()
        && let Some(name) = cpu.model_name.as_ref().filter(|name| {
            ["QEMU Virtual CPU", "Common KVM processor"].iter().any(|bare| name.value.contains(bare))
        })
    {
        draft = draft.because(
            Strength::Strong,
            cpu.quote(name.line),
            "the guest sees a CPU model with few features",
        );
    }
    vec![draft.verdict()]
}
