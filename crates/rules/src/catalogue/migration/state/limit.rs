//! Where it is QEMU's own limit that holds a guest's memory back, and not the link.

use crate::prelude::*;
use vmwright_formats::MachineSpecView;
use vmwright_formats::qmp_answer::{QmpAnswer, QmpMigration, vm_of};
use vmwright_model::plan::QmpValue;

/// Of the limit that a migration may send, what is sent at least where the limit and not the link holds it.
const FULL: (u64, u64) = (9, 10);

/// How much faster than it dirties a guest's memory has to go over, so that the rest halves with each round.
const FASTER: u64 = 2;

/// Of what is sent in the time that a guest may stand still, what the rest takes at most.
const SPARE: (u64, u64) = (4, 5);

/// The action that raises the limit. A machine of vmwright's alone: its monitor is vmwright's to use.
pub(super) fn raised<'r>(
    cx: &Context<'r>,
    draft: Draft<'r>,
    (vm, migration): (&str, &QmpMigration),
    (dirtied, carried): (u64, u64),
    all: &[Seen<'r, QmpAnswer>],
) -> Draft<'r> {
    let told = all.iter().filter(|seen| vm_of(seen.text.source) == Some(vm));
    let limit = told.filter_map(|seen| Some((seen, seen.migration_bandwidth.as_ref()?))).next();
    let Some((seen, limit)) =
        limit.filter(|(_, limit)| limit.value > 0 && carried / FULL.0 >= limit.value / FULL.1)
    else {
        return draft;
    };
    let why = "bytes that a migration may send in a second";
    let draft = draft.because(Strength::Strong, seen.quote(limit.line), why);
    let spec = cx.one::<MachineSpecView>();
    let own = spec.is_some_and(|view| view.spec.as_ref().is_some_and(|spec| spec.name == vm));
    if !own {
        return draft
            .remedy("raise the migration's limit (`migrate-set-parameters`, `virsh migrate-setspeed`)");
    }
    // A guest that writes the same pages again and again leaves the same rest after each round: that has to go over while it
    // stands still.
    let rest = migration.expected_downtime.map_or(0, |time| (carried / 1000).saturating_mul(time));
    let in_time =
        seen.migration_downtime.map_or(0, |most| (rest / most.max(1)).saturating_mul(1000) / SPARE.0);
    let in_time = in_time.saturating_mul(SPARE.1);
    // Whole mebibytes, for people.
    let to = dirtied.max(limit.value).saturating_mul(FASTER).max(in_time).div_ceil(1 << 20) << 20;
    draft.remedy(format!("let the migration send {} MiB in a second", to >> 20)).action(Action::Qmp {
        machine: vm.to_owned(),
        value: QmpValue::MigrationBandwidth,
        from: limit.value,
        to,
    })
}
