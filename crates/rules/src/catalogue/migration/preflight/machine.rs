//! Whether the target can build the VM's machine: its type, its QEMU, its firmware.

use super::pair::{each, programs, untold};
use crate::prelude::*;
use vmwright_formats::QemuOffers;
use vmwright_formats::machine_types::{introduced, removed};

pub(crate) fn judge(cx: &Context<'_>, target: &Reading<'_>) -> Vec<Verdict> {
    let offers = target.all::<QemuOffers>();
    let qemu = programs(target).qemu;
    each(cx, |guest, mut draft| {
        let (name, domain) = (guest.name(), guest.domain());
        for path in [&domain.devices.emulator, &domain.os.loader].into_iter().flatten() {
            if matches!(target.file(&path.value), Found::Absent) {
                draft = draft
                    .because(
                        Strength::Proof,
                        guest.quote(path.line),
                        "the target was asked and has no such file",
                    )
                    .title(format!("the target has no {}, which {name} needs", path.value));
            }
        }
        let Some(machine) = &domain.os.machine else { return draft.verdict() };
        let quote = guest.quote(machine.line);
        let says: Vec<(&Seen<'_, QemuOffers>, bool)> =
            offers.iter().filter_map(|offers| Some((offers, offers.has_machine(&machine.value)?))).collect();
        let newest = qemu.as_ref().zip(introduced(&machine.value));
        if says.iter().any(|(_, has)| *has) {
            if introduced(&machine.value).is_none() && ["pc", "q35", "virt"].contains(&&*machine.value) {
                draft = draft
                    .level(Level::Warn)
                    .because(Strength::Strong, quote, "an alias: each QEMU takes its newest type for it")
                    .title(format!(
                        "{name} names no version of its machine type, so that the target can build another"
                    ));
            }
        } else if let Some((offers, _)) = says.first() {
            let first = offers.machines.first().and_then(|first| offers.quote(first.line));
            draft = draft
                .because(Strength::Proof, first, "the target's list, which lacks it")
                .because(Strength::Support, quote, "the VM's machine type")
                .title(format!("the target does not offer {name}'s machine type {}", machine.value));
        } else if let Some(((version, told), since)) = newest {
            let gone = removed(&machine.value).filter(|gone| version.at_least(gone));
            if !version.at_least(&since) || gone.is_some() {
                let why = match gone {
                    Some(_) => "the target's QEMU no longer has types of this age",
                    None => "the target's QEMU is older than the machine type",
                };
                draft = draft
                    .because(
                        if gone.is_some() { Strength::Strong } else { Strength::Proof },
                        told.clone(),
                        why,
                    )
                    .because(Strength::Support, quote, "the VM's machine type")
                    .title(format!(
                        "the target's QEMU {} does not have {name}'s machine type {}",
                        version.text, machine.value
                    ));
            }
        } else if !draft.any() {
            return untold("the target's machine types are not known", "qemu-system-x86_64 -machine help");
        }
        draft.verdict()
    })
}
