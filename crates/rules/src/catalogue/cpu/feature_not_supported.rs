//! # The CPU model or feature asked for is not offered by this host and accelerator
//!
//! ## What it is
//! The VM asks for a CPU with a feature that the host's CPU, its kernel, or TCG does not give, and the VMM refuses to
//! start instead of leaving it out.
//! Heard as: the VM with this CPU model is refused on our host; model chosen from a list.
//!
//! Known by: guest CPU doesn't match specification: missing features; the CPU is incompatible with host CPU; enforce,
//! check; x86-64-v3, avx512, pcid or invtsc not available here; requires a feature.
//!
//! ## Why it happens
//! A named model of a newer generation or of the other vendor; microcode that took TSX away; nested hosts that pass only
//! part of the CPU on; `enforce` or `check='full'`; host-passthrough without KVM; a Hyper-V enlightenment that this kernel
//! lacks.
//!
//! ## Confirm
//! The message names the feature. `grep -o -w avx512f /proc/cpuinfo`; `virsh -r domcapabilities` marks models with
//! `usable='no'`; `qemu-system-x86_64 -cpu help`.
//!
//! ## Refute
//! The lines are warnings ("doesn't support requested feature", singular) and the VM starts: see
//! `cpu/feature-enforce-warning`.
//!
//! ## Fix
//! Take `host-model` or a model that the host has, or disable the named features. For a cluster take the model all hosts
//! share (`virsh cpu-baseline`).
//!
//! ## References
//! QEMU `target/i386/cpu.c`, `x86_cpu_realizefn()`; `target/i386/kvm/kvm.c`, `hv_cpuid_check_and_set()`; libvirt
//! `src/cpu/cpu.c` ("Host CPU does not provide required features"), `src/qemu/qemu_process.c`; libvirt formatdomain, CPU.

#[path = "state/models.rs"]
mod state;

use crate::prelude::*;
use state::{MODELS, PLAIN};
use vmwright_formats::{CpuInfo, DomainXml, MachineSpecView};
use vmwright_model::machine::Accelerator;

#[path = "messages/feature_not_supported.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["cpu", "boot"],
    needs: &[Need::File("/proc/cpuinfo"), Need::Probe(Probe::Machine)],
    signs: messages::SIGNS,
    words: &["cpu model", "host-passthrough", "cpu feature", "avx512", "incompatible cpu", "enforce"],
    tells: "virsh -r domcapabilities",
    remedy: "choose a CPU model that this host offers, or disable the features that it lacks",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let cpu = cx.one::<CpuInfo>();
    let lacks = |flag: &str| {
        let flag = flag.replace(['-', '.'], "_");
        cpu.as_ref().filter(|cpu| cpu.has_flag(&flag) == Some(false) && cpu.vendor.is_some())
    };
    let flags_line = |lacking: &Seen<'_, CpuInfo>| lacking.flags.as_ref().map_or(0, |flags| flags.line);
    for xml in cx.all::<DomainXml>() {
        for domain in &xml.domains {
            let Some(guest) = &domain.cpu else { continue };
            let kind = domain.domain_type.as_ref();
            let mode = guest
                .mode
                .as_ref()
                .filter(|mode| mode.value == "host-passthrough" || mode.value == "host-model");
            if kind.is_some_and(|kind| kind.value == "qemu")
                && mode.is_some_and(|mode| mode.value == "host-passthrough")
            {
                let line = mode.map_or(0, |mode| mode.line);
                draft = draft.because(
                    Strength::Strong,
                    xml.quote(line),
                    "the host's CPU cannot be passed without KVM",
                );
            }
            let required = guest.features.iter().filter(|one| one.policy == "require").map(|one| &one.name);
            for name in required.chain(guest.model.as_ref().filter(|_| mode.is_none())) {
                let of_model =
                    MODELS.iter().find(|known| name.value.starts_with(known.0)).map(|known| known.1);
                let (flag, known) = (of_model.unwrap_or(&name.value), of_model.is_some());
                let Some(lacking) = lacks(flag).filter(|_| known || PLAIN.contains(&flag)) else { continue };
                draft = draft.because(Strength::Strong, xml.quote(name.line), "the VM asks for it").because(
                    Strength::Hint,
                    lacking.quote(flags_line(lacking)),
                    &format!("the host lacks {flag}"),
                );
                break;
            }
        }
    }
    let Some(spec) = cx.one::<MachineSpecView>() else { return vec![draft.verdict()] };
    let Some(machine) = spec.spec.as_ref() else { return vec![draft.verdict()] };
    let edit = |key: String, from: String, to: Option<String>| Action::EditSpec {
        path: spec.text.source.to_owned(),
        key,
        from: Some(from),
        to,
    };
    let line = |key: &str| spec.line_of(key).and_then(|line| spec.quote(line));
    if machine.accelerator == Accelerator::Tcg && machine.cpu.model == "host" {
        draft = draft
            .because(Strength::Strong, line("cpu.model"), "the host's CPU can be passed only with KVM")
            .action(edit("cpu.model".to_owned(), "\"host\"".to_owned(), Some("\"max\"".to_owned())));
    }
    for (at, feature) in machine.cpu.features.iter().enumerate() {
        let Some(name) = feature.strip_prefix('+').filter(|name| PLAIN.contains(name)) else { continue };
        if machine.accelerator != Accelerator::Kvm {
            continue;
        }
        if let Some(lacking) = lacks(name) {
            let key = format!("cpu.features.{at}");
            draft = draft
                .because(Strength::Strong, line(&key), "the VM asks for it")
                .because(Strength::Hint, lacking.quote(flags_line(lacking)), "the host does not have it")
                .action(edit(key, format!("\"{feature}\""), None));
            break;
        }
    }
    vec![if cpu.is_some() { draft.looked() } else { draft }.verdict()]
}
