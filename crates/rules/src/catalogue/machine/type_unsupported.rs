//! # The machine type is unknown to this QEMU, or was removed from it
//!
//! ## What it is
//! The VM names a versioned machine type (`pc-q35-9.2`, `pc-i440fx-2.11`, `pc-q35-rhel9.4.0`) that this emulator does not
//! have, so it cannot give the guest the hardware it was installed on.
//!
//! Heard as: a VM moved from another distribution or an old one does not start: machine type is not supported.
//!
//! Known by: unsupported machine type; use -machine help; pc-q35-x or rhel name not supported by this emulator;
//! imported from another distribution; deprecated machine removed after QEMU upgrade.
//!
//! ## Why it happens
//! The VM was made by a newer QEMU and moved to an older one; QEMU removed types older than about six years (2.3 and older
//! in 9.1, and more with each release); a distribution's own type (rhel, ubuntu's release names) is asked of another's QEMU.
//!
//! ## Confirm
//! `qemu-system-x86_64 -machine help` lists the types; `virsh -r capabilities`; `virsh -r dumpxml VM | grep machine=`.
//!
//! ## Refute
//! The type stands in the list of the emulator that the VM names.
//!
//! ## Fix
//! Use the nearest older type of the same family, or the alias `q35` or `pc`; Windows may want reactivation and static
//! device names may change. Or install the QEMU that has the type.
//!
//! ## References
//! QEMU `system/vl.c`, `select_machine()` ("unsupported machine type"), `docs/about/deprecated.rst`,
//! `docs/about/removed-features.rst`; libvirt `qemu_validate.c` ("does not support machine type").

use crate::prelude::*;
use vmwright_formats::{DomainXml, MachineSpecView, QemuArgs};
use vmwright_model::plan::DomainEdit;

#[path = "messages/type_unsupported.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["machine", "boot"],
    needs: &[Need::Probe(Probe::Machine), Need::Command(&["qemu-system-x86_64", "-machine", "help"])],
    signs: messages::SIGNS,
    words: &["machine type", "pc-q35", "pc-i440fx", "older qemu", "newer qemu"],
    tells: "qemu-system-x86_64 -machine help",
    remedy: "give the VM a machine type that this QEMU lists, or install the QEMU that has it",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let known = listed(cx);
    let unknown = |name: &str| !known.is_empty() && !known.contains(&name);
    for xml in cx.all::<DomainXml>() {
        for domain in &xml.domains {
            let Some(machine) = domain.os.machine.as_ref().filter(|machine| unknown(&machine.value)) else {
                continue;
            };
            draft = draft.because(Strength::Strong, xml.quote(machine.line), "this QEMU does not list it");
            let (family, name) = (family(&machine.value), domain.name.as_ref());
            // The definition that libvirt keeps, once: it is read from its file and from the daemon.
            let kept = xml.text.source.starts_with("/etc/libvirt/qemu/") && machine.value.starts_with("pc");
            if let Some(name) = name.filter(|_| kept) {
                draft = draft
                    .title(format!(
                        "this QEMU has no machine type `{}`, which {} has",
                        machine.value, name.value
                    ))
                    .remedy(format!("give {} the newest `{family}` that this QEMU has", name.value))
                    .action(Action::EditDomain {
                        connection: "qemu:///system".to_owned(),
                        domain: name.value.clone(),
                        edits: vec![DomainEdit::Attribute {
                            path: "os[1]/type[1]".to_owned(),
                            name: "machine".to_owned(),
                            from: Some(machine.value.clone()),
                            to: Some(newest(cx, family)),
                        }],
                    });
            }
        }
    }
    for args in cx.all::<QemuArgs>() {
        for name in ["machine", "M"] {
            if let Some(kind) = args.property(name, "type").filter(|kind| unknown(&kind.value)) {
                draft = draft.because(Strength::Strong, args.quote(kind.line), "this QEMU does not list it");
            }
        }
    }
    for (name, quote) in manifests(cx).into_iter().filter(|(name, _)| unknown(name)) {
        draft = draft
            .because(Strength::Strong, quote, "this QEMU does not list it")
            .title(format!("this QEMU has no machine type `{name}`"));
    }
    let spec = cx.one::<MachineSpecView>();
    let Some((spec, machine)) = spec.as_ref().and_then(|spec| Some((spec, spec.spec.as_ref()?))) else {
        return vec![draft.verdict()];
    };
    if unknown(&machine.machine) {
        let line = spec.line_of("machine").and_then(|line| spec.quote(line));
        let family = family(&machine.machine);
        draft = draft
            .because(Strength::Proof, line, "this QEMU does not list it")
            .title(format!("this QEMU has no machine type `{}`", machine.machine))
            .action(Action::EditSpec {
                path: spec.text.source.to_owned(),
                key: "machine".to_owned(),
                from: Some(format!("\"{}\"", machine.machine)),
                to: Some(format!("\"{family}\"")),
            });
    }
    vec![if known.is_empty() { draft } else { draft.looked() }.verdict()]
}

/// The name under which QEMU has its newest machine type of the same chipset.
fn family(machine: &str) -> &'static str {
    if machine.contains("i440fx") || machine == "pc" { "pc" } else { "q35" }
}

/// The type that a family's name stands for: libvirt puts that in its place, and what a plan changes is looked at again.
fn newest(cx: &Context<'_>, family: &str) -> String {
    let mut lines =
        cx.lines_with("(alias of ").filter(|(_, _, line)| line.split_whitespace().next() == Some(family));
    let of = lines.find_map(|(_, _, line)| line.split_once("(alias of ")?.1.split_once(')'));
    of.map_or(family, |(name, _)| name).to_owned()
}

/// The machine types of QEMU's own help, 1024 at most; empty where no text has it.
fn listed<'r>(cx: &'r Context<'_>) -> Vec<&'r str> {
    let is_help = |line: &str| {
        line == "Supported machines are:"
            || line.contains("(alias of pc-")
            || line.contains("(alias of virt-")
    };
    let mut named = cx.texts_named(|source| source.contains("machine"));
    let text = named.find(|text| text.lines().take(256).any(|(_, line)| is_help(line)));
    let names =
        text.into_iter().flat_map(|text| text.lines()).filter(|(_, line)| !line.starts_with(['#', '$', ' ']));
    names.filter_map(|(_, line)| line.split_whitespace().next()).take(1024).collect()
}

/// Machine types that KubeVirt's manifests ask for: `machine: {type: NAME}`, in one line or two.
fn manifests(cx: &Context<'_>) -> Vec<(String, Option<Evidence>)> {
    let mut found = Vec::new();
    for text in cx.texts_named(|source| source.ends_with(".yaml") || source.ends_with(".yml")) {
        let mut inside = false;
        for (number, line) in text.lines() {
            inside |= line.trim_start().trim_start_matches("- ").starts_with("machine:");
            let Some((_, name)) = line.split_once("type:").filter(|_| inside) else { continue };
            let name: String = name.trim().trim_matches(['"', '\'', '}', ' ']).to_owned();
            found.push((name, text.quote(number)));
            inside = false;
        }
    }
    found
}
