//! # The guest dirties memory faster than it is sent
//!
//! ## What it is
//! Pre-copy sends memory in rounds and sends again what the guest wrote meanwhile. If the guest writes more per
//! second than the link carries, the rest never gets small enough to stop for, and the migration runs until it
//! is cancelled or times out.
//! Heard as: the migration of a busy VM never ends, hangs at some percent or times out.
//!
//! Known by: dirty rate higher than bandwidth; migration runs forever at 99 %; auto-converge, postcopy, downtime limit;
//! memory remaining does not shrink; never finishes; timeout; busy database guest; job progresses then restarts;
//! expected downtime large; throttle; bandwidth cap too low; times out by policy; remaining keeps growing.
//!
//! ## Why it happens
//! A busy database, JVM or build in a large guest; a slow or shared link, TLS or a tunnel on one CPU; a
//! bandwidth limit; one stream only; a downtime limit too small for the dirty rate.
//!
//! ## Confirm
//! `virsh domjobinfo NAME` several times: "Iteration" counts up, "Memory remaining" swings and does not shrink,
//! "Dirty rate" times the page size is near "Memory bandwidth". In the monitor `info migrate`: "dirty sync
//! count".
//!
//! ## Refute
//! One iteration that is still under way with "Memory remaining" shrinking: it is only long. No bytes move at
//! all: a network problem.
//!
//! ## Fix
//! Where QEMU's own limit holds it (`max-bandwidth`, 128 MiB in a second where nobody said another), raise that: it counts
//! at once (`migrate-set-parameters`, `virsh migrate-setspeed`). Allow auto-convergence (`--auto-converge`) or post-copy
//! (`--postcopy`, then `virsh migrate-postcopy`), more streams (`--parallel`), a longer downtime (`virsh migrate-setmaxdowntime`), a faster link without tunnel; or
//! migrate at a quiet time.
//!
//! ## References
//! QEMU `migration/ram.c` (mig_throttle_guest_down), `docs/devel/migration/main.rst`,
//! `docs/devel/migration/postcopy.rst`; libvirt `docs/kbase/live_full_disk_backup.rst` and `virsh(1)` migrate;
//! KubeVirt `MigrationConfiguration` (completionTimeoutPerGiB, progressTimeout).

#[path = "preflight/rate.rs"]
mod preflight;

use crate::prelude::*;
use vmwright_formats::qmp_answer::{QmpAnswer, QmpMigration, vm_of};

#[path = "state/limit.rs"]
mod limit;
#[path = "messages/not_converging.rs"]
mod messages;

/// What people say of a migration without an end.
const ENDLESS: &[&str] =
    &["never finish", "never complete", "not complete", "not finish", "never ends", "stuck at"];

pub const RULE: Rule = Rule {
    tags: &["migration", "performance"],
    needs: &[Need::Probe(Probe::Qmp)],
    signs: messages::SIGNS,
    words: &[
        "migrat",
        "never finish",
        "never complete",
        "stuck at",
        "converge",
        "takes forever",
        "dirty",
        "hours",
        "99%",
    ],
    tells: "virsh domjobinfo NAME",
    remedy: "allow auto-converge or post-copy, more bandwidth or parallel streams, or migrate at a quiet time",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestPause,
    check,
    preflight: Some(preflight::judge),
    ..Rule::NEW
};

/// Rounds after which pre-copy is not getting nearer: a guest that converges takes a handful.
const MANY_ROUNDS: u64 = 15;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // `virsh domjobinfo`, `info migrate` of the monitor, and the answer to `query-migrate`.
    let keys = ["Iteration:", "dirty sync count:", "\"dirty-sync-count\":"];
    let all = cx.all::<QmpAnswer>();
    for text in cx.texts_with(keys) {
        // Rounds of a migration that gets nearer by now, or is over.
        if all
            .iter()
            .any(|seen| seen.text.source == text.source && seen.migration.as_ref().is_some_and(is_well))
        {
            continue;
        }
        for (number, line) in text.lines_with(keys) {
            let Some(rest) =
                keys.iter().find_map(|key| line.split_once(key)).map(|(_, rest)| rest.trim_start())
            else {
                continue;
            };
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if digits.parse().is_ok_and(|rounds: u64| rounds >= MANY_ROUNDS) {
                draft = draft
                    .because(Strength::Strong, text.quote(number), "many rounds, and still not done")
                    .title(format!(
                        "memory was sent over {digits} times in part, and the migration is not done"
                    ));
                break;
            }
        }
    }
    for seen in &all {
        let Some(migration) = &seen.migration else { continue };
        draft = draft.looked();
        let Some((dirtied, carried)) = migration.rates().filter(|_| is_active(migration)) else { continue };
        let rate = migration.dirty_pages_rate.as_ref().and_then(|rate| seen.quote(rate.line));
        let link = migration.mbps.as_ref().and_then(|mbps| seen.quote(mbps.line));
        if gets_nearer(dirtied, carried) {
            draft = draft.despite(Strength::Strong, link, "more is carried than the guest dirties");
            continue;
        }
        draft = draft
            .because(Strength::Strong, rate, "pages that the guest dirties in a second")
            .because(Strength::Support, link, "megabits that are carried in a second")
            .title(format!(
                "the guest dirties {} MiB a second, and {} MiB a second are sent",
                dirtied >> 20,
                carried >> 20
            ));
        if let Some(vm) = vm_of(seen.text.source) {
            draft = draft.about(Subject::new(SubjectKind::Vm, vm));
            draft = limit::raised(cx, draft, (vm, migration), (dirtied, carried), &all);
        }
    }
    for text in cx.texts_with(" VM-state") {
        // Proxmox: "migration active, transferred 70.2 GiB of 16.0 GiB VM-state".
        let sent = text.lines_with(" VM-state").filter_map(|(number, line)| {
            let (sent, rest) = line.split_once("transferred ")?.1.split_once(" of ")?;
            let (whole, _) = rest.split_once(" VM-state")?;
            Some((number, gib(sent)?, gib(whole)?))
        });
        if let Some((number, ..)) = sent.filter(|(_, sent, whole)| *sent > 3.0 * whole).last() {
            let quote = text.quote(number);
            draft =
                draft.because(Strength::Strong, quote, "more than three times the guest's memory was sent");
        }
    }
    vec![draft.verdict()]
}

fn is_active(migration: &QmpMigration) -> bool {
    migration.status.as_ref().is_some_and(|status| status.value == "active")
}

/// Whether a migration needs nothing: it has ended, or the rest shrinks.
fn is_well(migration: &QmpMigration) -> bool {
    let ended = ["completed", "failed", "cancelled"];
    migration.status.as_ref().is_some_and(|status| ended.contains(&status.value.as_str()))
        || is_active(migration)
            && migration.rates().is_some_and(|(dirtied, carried)| gets_nearer(dirtied, carried))
}

/// Whether the rest shrinks by more than a tenth with each round: a guest that writes the same pages again and again dirties
/// what is carried and no more, and the rest stays as it is.
fn gets_nearer(dirtied: u64, carried: u64) -> bool {
    dirtied / 9 < carried / 10
}

/// A size in GiB from "70.2 GiB" or "900.1 MiB".
fn gib(text: &str) -> Option<f64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let factor = match unit {
        "KiB" => 1.0 / 1_048_576.0,
        "MiB" => 1.0 / 1024.0,
        "GiB" => 1.0,
        "TiB" => 1024.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}
