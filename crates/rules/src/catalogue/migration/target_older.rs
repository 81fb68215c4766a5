//! # The target runs an older QEMU, libvirt or kernel than the source
//!
//! ## What it is
//! A VM may move to the same or a newer QEMU. An older one can lack devices, properties and sections of the state
//! that the newer one sends, although it knows the machine type; an older libvirt refuses a definition with
//! elements that it does not know; an older kernel lacks what KVM gave the guest.
//!
//! Known by: from newer to older node; unknown machine type on target; downgraded; backwards migration; version not
//! supported by destination; vmstate unknown field; cluster half upgraded, moving back fails; newer-to-older not
//! possible; machine version newer than destination knows; reverse direction works.
//!
//! ## Why it happens
//! Hosts are upgraded one after the other, and a VM is moved back to one that was not yet; a new host was installed
//! from an older image; one cluster spans two releases of a distribution.
//!
//! ## Confirm
//! On both hosts `qemu-system-x86_64 --version`, `virsh version`, `uname -r`.
//!
//! ## Refute
//! The target's versions are the same or newer. Distributions move fixes back: one release of a distribution with
//! another build number is no older QEMU.
//!
//! ## Fix
//! Upgrade the target first, or move to a host that is upgraded. Where the way back must stay open, let VMs keep a
//! versioned machine type of the oldest host, and start them there.
//!
//! ## References
//! QEMU `docs/devel/migration/compatibility.rst`, `docs/about/deprecated.rst`; libvirt `docs/migration.rst`.

use super::machine_mismatch::pair::{Programs, Told, programs, untold};
use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["migration", "version"],
    needs: &[Need::File("/proc/version"), Need::Command(&["qemu-system-x86_64", "--version"])],
    words: &["older qemu", "downgrade", "newer to older", "back to the old"],
    explains: &["migration/state-section-mismatch"],
    tells: "qemu-system-x86_64 --version and virsh version on both hosts",
    remedy: "upgrade the target to the source's versions first, or choose a target that has them",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::None,
    escalation: Some(Agent::SystemsArchitect),
    preflight: Some(preflight),
    ..Rule::NEW
};

fn preflight(cx: &Context<'_>, target: &Reading<'_>) -> Vec<Verdict> {
    let Programs { qemu, libvirt, kernel } = programs(cx);
    let theirs = programs(target);
    if qemu.is_none() || theirs.qemu.is_none() {
        return vec![untold(
            "the version of QEMU is not known on both hosts",
            "qemu-system-x86_64 --version",
        )];
    }
    let mut draft = cx.blank().looked().about(Subject::host()).level(Level::Warn);
    // The gravest last, so that it gives the title.
    draft = older(draft, "kernel", &kernel, &theirs.kernel);
    draft = older(draft, "libvirt", &libvirt, &theirs.libvirt);
    if is_older(&qemu, &theirs.qemu) {
        draft = older(draft, "QEMU", &qemu, &theirs.qemu).level(Level::Error);
    }
    vec![draft.verdict()]
}

/// Whether the target has an older release. Third numbers are builds and fixes of one release.
fn is_older(ours: &Told, theirs: &Told) -> bool {
    let (Some((ours, _)), Some((theirs, _))) = (ours, theirs) else { return false };
    let release = &ours.numbers[..ours.numbers.len().min(2)];
    !theirs.at_least(release)
}

fn older<'d>(draft: Draft<'d>, program: &str, ours: &Told, theirs: &Told) -> Draft<'d> {
    let (Some((our, quote)), Some((their, told))) = (ours, theirs) else { return draft };
    if !is_older(ours, theirs) {
        return draft;
    }
    draft
        .because(Strength::Strong, told.clone(), "the target's version")
        .because(Strength::Support, quote.clone(), "the source's version")
        .title(format!("the target's {program} {} is older than the source's {}", their.text, our.text))
}
