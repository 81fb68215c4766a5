//! # A bug of this VMM, tool or firmware version
//!
//! ## What it is
//! The configuration is right; the program itself is wrong in this version. Another version, or a workaround, cures it.
//! Failed assertions, segmentation faults and panics of a VMM are bugs by definition, whatever set them off.
//!
//! Heard as: since an update of QEMU, libvirt or a tool this breaks; with the previous version the same
//! configuration works.
//!
//! Known by: regression since upgrading QEMU, libvirt, OVMF or firmware package; older version works; fixed upstream;
//! assertion failed; segfault in qemu; worked before update, bisected; release notes or bugzilla describe it; patched
//! version; workaround is another machine version or option; only since this release; double free, use after free;
//! hypervisor process dumps core; panicked at.
//!
//! ## Why it happens
//! A regression of one release; a distribution's backport without its follow-up; two programs of the stack that were
//! never tested together (a QEMU newer than libvirt knows).
//!
//! ## Confirm
//! Compare the version (`qemu-system-x86_64 --version`, `virsh -r version`, `firecracker --version`) with the one in
//! which the fault is fixed; look for the function or assertion in the project's tracker.
//!
//! ## Refute
//! The same fault under the version that has the fix, or the assertion's text names a resource that the host refused
//! (`msr/set-failed`, memory, a signal of the OOM killer).
//!
//! ## Fix
//! Take the version with the fix or the last good one. Keep core dump and log for the report.
//!
//! ## References
//! Each known bug names its report (`crates/rules/src/catalogue/vmm/state/bugs.rs`): trackers, libvirt NEWS, Firecracker
//! CHANGELOG, Cloud Hypervisor release notes. For crashes `assert(3)`, `g_assert(3)`, `abort(3)`; Linux
//! `arch/x86/mm/fault.c` (`show_signal_msg`), `arch/x86/kernel/traps.c`.

use crate::catalogue::healthy::no_fault::complaint::amiss;
use crate::prelude::*;
use bugs::{BUGS, Bug, Mark};
use programs::version_of;
use wordings::{ABOVE, ABSENT, CRASHES, DRIVERS, REGRESSIONS, SIGNS, STOPS, UPDATES};

#[path = "state/bugs.rs"]
mod bugs;
#[path = "state/compared.rs"]
mod compared;
#[path = "state/programs.rs"]
pub(crate) mod programs;
#[path = "state/wordings.rs"]
mod wordings;

pub const RULE: Rule = Rule {
    rank: Rank::General,
    tags: &["vmm", "bug"],
    needs: &[Need::Command(&["qemu-system-x86_64", "--version"])],
    signs: &SIGNS,
    words: &[
        "assertion",
        "regression",
        "after upgrad",
        "after updat",
        "segfault",
        "downgrad",
        "core dump",
        "crashes",
    ],
    tells: "qemu-system-x86_64 --version",
    remedy: "take the version with the fix, or the last good one, and keep log and core dump for the report",
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::DebugSpecialist),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.blank();
    // One of each kind is enough: more of the same add no certainty.
    let stops = STOPS.iter().any(|word| cx.said(word)) && !ABSENT.iter().any(|word| cx.said(word));
    let kinds = [
        (CRASHES, "the program broke", Strength::Support, true),
        // Windows names who stopped it.
        (DRIVERS, "a driver of virtio-win broke", Strength::Strong, stops),
        (REGRESSIONS, "another version works", Strength::Support, true),
        // An update after which all goes on is none.
        (UPDATES, "it was updated", Strength::Support, amiss(cx)),
        (ABOVE, "a known bug of what runs the VMs", Strength::Strong, false),
    ];
    for (signs, shows, most, alone) in kinds {
        let quoted = |sign: &&Sign| {
            cx.hits_of(sign).first().and_then(|hit| cx.evidence(hit)).map(|hit| (hit, sign.strength))
        };
        if let Some((quote, strength)) = signs.iter().find_map(|sign| quoted(&sign)) {
            draft = draft.because(strength.min(most), Some(quote), shows);
        } else if alone && signs.iter().any(|sign| cx.said(sign.text)) {
            let strength = if shows == "the program broke" { Strength::Hint } else { Strength::Support };
            draft.add(strength, false, None, "the complaint says so");
        }
    }
    if compared::told_apart(cx.complaint()) {
        let why = "the complaint tells a version that works from one that does not";
        draft.add(Strength::Strong, false, None, why);
    }
    for bug in BUGS {
        let signs = bug.signs.iter().filter_map(|sign| shown(cx, sign));
        let Some((sign, quote)) = signs.max_by_key(|(sign, quote)| (quote.is_some(), sign.strength)) else {
            continue;
        };
        match version_of(cx, bug.program) {
            Some((version, said)) if bug.range.holds(&version) => {
                return vec![known(draft, bug, &version.text, quote, said)];
            }
            None if bug.mark == Mark::Message => {
                draft = draft.because(sign.strength, quote, &format!("{} ({})", bug.what, bug.source));
            }
            _ => {}
        }
    }
    vec![draft.verdict()]
}

/// Where a sign stands: with a quote, or without one where it stands in the complaint.
fn shown(cx: &Context<'_>, sign: &'static Sign) -> Option<(&'static Sign, Option<Evidence>)> {
    if let Some(hit) = cx.hits_of(sign).first() {
        return Some((sign, cx.evidence(hit)));
    }
    let holds =
        sign.and.iter().all(|part| cx.stands(part)) && !sign.unless.iter().any(|part| cx.stands(part));
    (holds && cx.said(sign.text)).then_some((sign, None))
}

/// The verdict on a bug whose signs and version were both seen.
fn known(
    draft: Draft<'_>,
    bug: &Bug,
    version: &str,
    quote: Option<Evidence>,
    said: Option<Evidence>,
) -> Verdict {
    let strength = match (bug.mark, &quote) {
        (Mark::Message, Some(_)) => Strength::Proof,
        (Mark::Symptom, None) => Strength::Support,
        _ => Strength::Strong,
    };
    // A symptom that only the complaint names rests on the version's line.
    let (sign, version_weighs) = match quote {
        Some(quote) => (Some(quote), Strength::Support),
        None => (None, strength),
    };
    draft
        .because(strength, sign, "the signs of a known bug")
        .because(version_weighs, said, &format!("{} {version} has it ({})", bug.program.name(), bug.source))
        .title(bug.what)
        .verdict()
}
