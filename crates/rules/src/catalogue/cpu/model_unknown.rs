//! # The CPU model name is not known to this QEMU or libvirt
//!
//! ## What it is
//! The VM asks for a CPU model by a name that this version does not have.
//!
//! Heard as: the CPU model is not known to this QEMU or libvirt; after a downgrade or on an older distribution.
//!
//! Known by: unable to find CPU definition; unknown CPU model; the new CPU generation's name with an old QEMU; domain
//! capabilities does not list it; typing error in -cpu.
//!
//! ## Why it happens
//! A typing error; a model of a newer QEMU or libvirt; a versioned model (`EPYC-v4`) that came later; `host` or a
//! KVM-only model under TCG; a model of another architecture.
//!
//! ## Confirm
//! `qemu-system-x86_64 -cpu help` lists the models; for libvirt `virsh -r cpu-models x86_64` and
//! `virsh -r domcapabilities`.
//!
//! ## Refute
//! The name stands in that list.
//!
//! ## Fix
//! Name a model of the list. `host` passes the host's CPU (KVM only), `max` gives all that the accelerator has;
//! a named model keeps live migration to other hosts possible.
//!
//! ## References
//! QEMU `docs/system/qemu-cpu-models.rst`; `hw/core/cpu-common.c`, `parse_cpu_option()`; libvirt
//! `src/cpu/cpu_x86.c`, `x86ModelFromCPU()`.

use crate::catalogue::vmm::known_bug::programs::{Program, version_of};
use crate::prelude::*;
use vmwright_formats::cpu_models::{gone, introduced, names};
use vmwright_formats::{DomainXml, MachineSpecView, nearest};
use vmwright_model::machine::Accelerator;

pub const RULE: Rule = Rule {
    tags: &["cpu", "boot"],
    needs: &[Need::Probe(Probe::Machine), Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::proof("unable to find CPU model '{model}'"),
        Sign::proof("Unable to find CPU definition: {model}"),
        Sign::proof("Unknown CPU model {model}"),
        Sign::proof("CPU model '{model}' not supported by hypervisor"),
        Sign::strong("CPU model {model} not supported by hypervisor"),
        Sign::strong("Cannot find CPU model with name"),
        Sign::strong("CPU model '{model}' requires KVM"),
        Sign::strong("CPU models are not supported in this"),
        Sign::strong("CPU model {model} not found"),
        Sign::strong("cannot translate CPU model"),
        Sign::strong("Cannot find suitable CPU model for given data"),
        Sign::strong("unknown host CPU model"),
        Sign::proof("Unable to find x86 CPU definition"),
        Sign::strong("qemu*: Invalid CPU type: "),
        Sign::support("The valid types are: "),
        Sign::support("The valid models are: "),
        Sign::strong("Custom cputype '{name}' not found"),
        Sign::strong("Built-in cputype '{name}' is not defined"),
        Sign::strong("Invalid CPU type, expected cpu type"),
        Sign::strong("cannot find CPU map for"),
        Sign::strong("Ancestor model {m} not found for CPU model"),
        Sign::strong("CPU vendor {v} not found"),
        Sign::strong("no CPU model specified"),
        Sign::strong("Configured CPU model:").and(&["is not"]),
        Sign::strong("Invalid CPU model"),
        Sign::strong("Configured CPU model {m} is not compatible"),
        Sign::strong("Requested CPU model {m} is not supported"),
    ],
    words: &["cpu model", "model name"],
    // What a model brings is not compared where nobody knows the model.
    explains: &["cpu/feature-not-supported"],
    tells: "qemu-system-x86_64 -cpu help",
    remedy: "name a CPU model that this version knows",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let draft = cx.draft();
    let model = RULE.signs.iter().find_map(|sign| cx.hits(sign.text).first()?.get("model"));
    let Some(model) = model.map(|model| model.trim_matches(['\'', '"', '.', ','])) else {
        return vec![of_complaint(cx, draft).verdict()];
    };
    let draft = versioned(cx, draft, model);
    let Some(spec) = cx.one::<MachineSpecView>() else { return vec![draft.verdict()] };
    let Some(machine) = spec.spec.as_ref() else { return vec![draft.verdict()] };
    if machine.cpu.model != model {
        return cx.quiet();
    }
    let to = if machine.accelerator == Accelerator::Kvm { "\"host\"" } else { "\"max\"" };
    let line = spec.line_of("cpu.model");
    vec![
        draft
            .because(Strength::Strong, line.and_then(|line| spec.quote(line)), "the VM asks for it")
            .action(Action::EditSpec {
                path: spec.text.source.to_owned(),
                key: "cpu.model".to_owned(),
                from: Some(format!("\"{model}\"")),
                to: Some(to.to_owned()),
            })
            .verdict(),
    ]
}

/// A model that the complaint names, where a domain asks for it.
fn of_complaint<'d>(cx: &Context<'_>, draft: Draft<'d>) -> Draft<'d> {
    if !draft.any() {
        return draft;
    }
    for xml in cx.all::<DomainXml>() {
        let mut asked = xml.domains.iter().filter_map(|domain| domain.cpu.as_ref()?.model.as_ref());
        if let Some(model) = asked.find(|model| cx.complaint().contains(&model.value)) {
            let draft = draft.because(Strength::Strong, xml.quote(model.line), "the VM asks for it");
            return versioned(cx, draft, &model.value);
        }
    }
    draft
}

/// Names the versions that have the model, where that is known, and how the one here compares.
fn versioned<'d>(cx: &Context<'_>, draft: Draft<'d>, model: &str) -> Draft<'d> {
    let here = version_of(cx, Program::Qemu);
    let dotted = |[major, minor]: [u32; 2]| format!("{major}.{minor}");
    let title = match (introduced(model), gone(model), &here) {
        (Some(since), _, Some((version, quote))) if !version.at_least(&since) => {
            let shows = format!("older than QEMU {}, which brought the model", dotted(since));
            let title = format!("`{model}` is in QEMU {} and later; this is {}", dotted(since), version.text);
            return draft.because(Strength::Support, quote.clone(), &shows).title(title);
        }
        (_, Some(until), Some((version, quote))) if version.at_least(&until) => {
            let shows = format!("QEMU {} and later does not have the model any more", dotted(until));
            let title = format!("QEMU {} took `{model}` away; this is {}", dotted(until), version.text);
            return draft.because(Strength::Support, quote.clone(), &shows).title(title);
        }
        (Some(since), ..) => {
            format!("the CPU model `{model}` is not known here; QEMU has it since {}", dotted(since))
        }
        (_, Some(until), _) => {
            format!("the CPU model `{model}` is not known here; QEMU has it no more since {}", dotted(until))
        }
        (None, None, _) => {
            let known: Vec<&str> = names().collect();
            match nearest(model, &known).filter(|near| *near != model) {
                Some(near) => {
                    format!("the CPU model `{model}` is not known here; there is one named `{near}`")
                }
                None => format!("the CPU model `{model}` is not known here"),
            }
        }
    };
    draft.title(title)
}
