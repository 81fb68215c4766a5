//! What a name tells of the versions that have it: CPU models, machine types, and what QEMU removed.

use super::meaning;
use crate::changes::{Removal, libvirt_changes, removal_in, removals};
use crate::cpu_models::{cpu_model, gone, introduced};
use crate::machine_types;
use vmwright_model::Meaning;

/// Of a name alone, as `vmwright explain` is given it.
pub(super) fn of_name(text: &str) -> Vec<Meaning> {
    let mut found: Vec<Meaning> = of_model(text).into_iter().chain(of_machine(text)).collect();
    let named = |one: &&Removal| {
        one.name == text || one.name.starts_with('-') && text.len() > 2 && one.name[1..] == *text
    };
    found.extend(removals().iter().filter(named).map(of_removal));
    if let Some(rest) = text.strip_prefix("libvirt").filter(|rest| rest.is_empty() || rest.starts_with(' ')) {
        let asked = rest.trim();
        let wanted = libvirt_changes().iter().filter(|one| asked.is_empty() || dotted(one.version) == asked);
        found.extend(wanted.map(|one| {
            let of = "change of libvirt";
            let means = format!("{} and later {}", dotted(one.version), one.what);
            meaning(of, "", one.name, &means, &["libvirt/version-mismatch"], "libvirt NEWS.rst")
        }));
    }
    found
}

/// Of a message of QEMU.
pub(super) fn of_message(text: &str) -> Option<Meaning> {
    let model = || {
        let (_, rest) = text.split_once("nable to find CPU model '")?;
        of_model(rest.split('\'').next()?)
    };
    removal_in(text).map(of_removal).or_else(model)
}

fn dotted([major, minor]: [u32; 2]) -> String {
    format!("{major}.{minor}")
}

fn of_removal(one: &Removal) -> Meaning {
    let of = format!("{} that QEMU had", if one.kind == "block" { "block driver" } else { one.kind });
    let rules = ["machine/device-model-unsupported", "libvirt/version-mismatch"];
    meaning(&of, "", one.name, &one.says(), &rules, "QEMU docs/about/removed-features.rst")
}

fn of_model(name: &str) -> Option<Meaning> {
    let means = match (introduced(name), gone(name)) {
        (Some(since), None) => format!("in QEMU {} and later", dotted(since)),
        (Some(since), Some(until)) => {
            format!("in QEMU {} up to, but not in, {}", dotted(since), dotted(until))
        }
        (None, Some(until)) => format!("up to, but not in, QEMU {}", dotted(until)),
        (None, None) if cpu_model(name).is_some() => "in QEMU 4.2 and later, if not before".to_owned(),
        (None, None) => return None,
    };
    let source = "libvirt tests/qemucapabilitiesdata";
    Some(meaning("CPU model of QEMU", "", name, &means, &["cpu/model-unknown"], source))
}

/// Of a versioned machine type of upstream's.
fn of_machine(name: &str) -> Option<Meaning> {
    let (since, removed) = (machine_types::introduced(name)?, machine_types::removed(name)?);
    let (since, removed) = (dotted(since), dotted(removed));
    let means = format!("came with QEMU {since}; {removed} has it no longer, unless a distribution keeps it");
    let rules = ["machine/type-unsupported", "migration/machine-mismatch"];
    Some(meaning("machine type of QEMU", "", name, &means, &rules, "QEMU include/hw/boards.h"))
}
