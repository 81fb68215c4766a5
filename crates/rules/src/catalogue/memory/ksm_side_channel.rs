//! # KSM merges memory of guests that do not trust each other
//!
//! ## What it is
//! Kernel samepage merging gives equal pages of different VMs one frame, copied on write. How long a write takes
//! tells a guest whether another holds the same page: it can find out versions, keys and address layouts of its
//! neighbours, and merged frames have been the lever of Rowhammer attacks.
//!
//! Heard as: a security review complains of memory deduplication, KSM, between customers.
//!
//! Known by: ksmd merging between tenants; deduplication leaks; ksm run 1; page sharing as security risk; disable KSM
//! or mem-merge=off.
//!
//! ## Why it happens
//! ksmtuned or a tuned profile starts KSM when memory runs short, or somebody switched it on to fit more VMs.
//! QEMU marks all guest memory as mergeable unless it is told `mem-merge=off`.
//!
//! ## Confirm
//! `cat /sys/kernel/mm/ksm/run /sys/kernel/mm/ksm/pages_sharing`: 1, and more than 0.
//!
//! ## Refute
//! `run` is 0 or 2, `pages_sharing` is 0, every guest has `<nosharepages/>`, or all guests have one owner.
//!
//! ## Fix
//! `echo 2 > /sys/kernel/mm/ksm/run` (stops and unmerges; needs the memory), disable ksm.service and ksmtuned; or
//! `<nosharepages/>` for the VMs that must not share.
//!
//! ## References
//! Linux `Documentation/admin-guide/mm/ksm.rst`; QEMU `-machine mem-merge=`; libvirt formatdomain, "Memory
//! Backing"; Firecracker `docs/prod-host-setup.md`; Suzaki et al., "Memory Deduplication as a Threat", EuroSec 2011.

use super::hugepages_not_reserved::guests::every_guest;
use super::hugepages_not_reserved::settings::{line_with, setting};
use crate::prelude::*;

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["memory", "security"],
    needs: &[
        Need::File("/sys/kernel/mm/ksm/run"),
        Need::File("/sys/kernel/mm/ksm/pages_sharing"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
        Need::Probe(Probe::Vmms),
    ],
    signs: &[
        Sign::support("KSM is enabled"),
        Sign::hint("ksmtuned").and(&["KSM enabled"]),
        Sign::support("Kernel Samepage Merging").and(&["side channel"]),
        Sign::support("Kernel Samepage Merging").and(&["side-channel"]),
        Sign::support("Kernel Samepage Merging").and(&["tenant"]),
        Sign::hint("Kernel Samepage Merging"),
    ],
    words: &[
        "samepage",
        "page sharing",
        "side channel",
        "side-channel",
        "deduplication",
        "tenants",
        "multi-tenant",
    ],
    tells: "/sys/kernel/mm/ksm/run",
    remedy: "stop KSM and unmerge, or give the VMs <nosharepages/>",
    applicability: Applicability::NeedsApproval,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let Some(run) = setting(cx, "/sys/kernel/mm/ksm/run", "ksm/run") else { return vec![draft.verdict()] };
    draft = draft.looked();
    let sharing = setting(cx, "/sys/kernel/mm/ksm/pages_sharing", "pages_sharing");
    let shares = sharing.as_ref().and_then(|one| one.number());
    let kept_apart = line_with(cx, "mem-merge=off").or_else(|| line_with(cx, "<nosharepages"));
    // A host without guests merges nobody's memory; and one owner's guests are for that owner to judge.
    let several = !cx.snapshot().live || every_guest(cx).iter().filter(|one| one.running).count() > 1;
    if run.number() == Some(1) && several && kept_apart.is_none() {
        draft = match shares {
            Some(0) => draft.because(Strength::Hint, run.quote, "KSM runs"),
            Some(_) => draft.because(Strength::Support, run.quote, "KSM runs").because(
                Strength::Strong,
                sharing.and_then(|one| one.quote),
                "and pages are shared",
            ),
            None => draft.because(Strength::Support, run.quote, "KSM runs"),
        };
    }
    vec![draft.verdict()]
}
