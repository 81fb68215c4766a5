//! # A bug of this VMM, tool or firmware version
//!
//! ## What it is
//! The configuration is right; the program itself is wrong in this version. Another version, or a workaround, cures it.
//! Failed assertions, segmentation faults and panics of a VMM are bugs by definition, whatever set them off.
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
//! Each entry below names its report; QEMU `docs/devel/` and change logs of the wiki; libvirt NEWS; Firecracker
//! CHANGELOG; Cloud Hypervisor release notes; `g_assert(3)`, `assert(3)`.

use super::known_vulnerable_version::{Program, in_range, version_of};
use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::General,
    tags: &["vmm", "bug"],
    needs: &[Need::Command(&["qemu-system-x86_64", "--version"])],
    signs: &SIGNS,
    words: &[
        "assertion",
        "regression",
        "after upgrade",
        "after update",
        "segfault",
        "downgrade",
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

/// A bug that is known.
struct Bug {
    program: Program,
    /// First version that has it, and the first that has it no more.
    from: &'static [u32],
    before: &'static [u32],
    /// Its message. Weighs what it weighs without a known version; with one of the range it is proof.
    sign: Sign,
    /// What it is, one line.
    what: &'static str,
}

const fn bug(
    program: Program,
    from: &'static [u32],
    before: &'static [u32],
    sign: Sign,
    what: &'static str,
) -> Bug {
    Bug { program, from, before, sign, what }
}

use Program::{Firecracker, Libvirt, Qemu};

/// Known bugs. References: launchpad 1846427; bugzilla.redhat.com 1914805, 2247754; gitlab qemu-project/qemu and
/// cockpit-project/cockpit-machines 1999; harvester 11358; firecracker 5958, 5969; QEMU commit afd9096eb188.
const BUGS: [Bug; 18] = [
    bug(Qemu, &[4, 1], &[4, 1, 1], Sign::hint("qcow2: Marking image as corrupt"), CORRUPT_4_1),
    bug(Qemu, &[4, 1], &[4, 1, 1], Sign::hint("Image is corrupt"), CORRUPT_4_1),
    bug(Qemu, &[4, 1], &[4, 1, 1], Sign::hint("errors were found on the image"), CORRUPT_4_1),
    // The same, where only the complaint names the version.
    bug(
        Qemu,
        &[4, 1],
        &[4, 1, 1],
        Sign::strong("errors were found on the image").and(&["qemu-img 4.1"]),
        CHECK_4_1,
    ),
    bug(Qemu, &[4, 1], &[4, 2], Sign::hint("refcount=1 reference=").and(&["compressed clusters"]), CHECK_4_1),
    bug(
        Qemu,
        &[4, 1],
        &[4, 1, 1],
        Sign::strong("qcow2: Marking image as corrupt").and(&["QEMU 4.1"]),
        CORRUPT_4_1,
    ),
    bug(
        Qemu,
        &[5, 2],
        &[6],
        Sign::strong("Assertion `flags & BH_DELETED' failed"),
        "QEMU 5.2 asserts when an event loop ends; 6.0 has the fix",
    ),
    bug(
        Qemu,
        &[9, 1],
        &[9, 2],
        Sign::strong("qobject_output_add_obj"),
        "QEMU 9.1 asserts when it answers a query without a name",
    ),
    bug(Qemu, &[10, 1], &[10, 2], Sign::hint("missing features: *pdcm"), CPU_10_1),
    bug(Qemu, &[10, 1], &[10, 2], Sign::hint("missing features: *arch-capabilities"), CPU_10_1),
    bug(
        Qemu,
        &[2, 5],
        &[2, 8],
        Sign::support("Virtqueue size exceeded"),
        "QEMU 2.6 miscounts requests in flight after a restore; 2.8 has the fix",
    ),
    bug(
        Libvirt,
        &[9, 9],
        &[9, 10],
        Sign::strong("qemuSaveImageDecompressionStart"),
        "libvirt 9.9 crashes when it reverts to a snapshot",
    ),
    bug(
        Libvirt,
        &[11, 1],
        &[11, 4],
        Sign::strong("qemuBlockThrottleFiltersDetach"),
        "libvirt crashes when a disk is attached",
    ),
    bug(
        Libvirt,
        &[1],
        &[11, 7],
        Sign::support("segfault at*libvirt_driver_qemu.so"),
        "this libvirt crashes; QEMU 10.1 and later need a newer one",
    ),
    bug(
        Firecracker,
        &[1, 16],
        &[1, 16, 1],
        Sign::hint("vsock").and(&["snapshot/load"]),
        "Firecracker 1.16.0 leaves vsock silent after a restore; 1.16.1 has the fix",
    ),
    bug(
        Libvirt,
        &[9],
        &[11, 10],
        Sign::hint("extra features: *ht"),
        "libvirt before 11.10 does not know that QEMU 10.1 shows ht",
    ),
    // The same, where only the complaint names the version.
    bug(Qemu, &[10, 1], &[10, 2], Sign::strong("missing features: *pdcm").and(&["QEMU 10.1"]), CPU_10_1),
    bug(
        Qemu,
        &[10, 1],
        &[10, 2],
        Sign::strong("missing features: *arch-capabilities").and(&["QEMU 10.1"]),
        CPU_10_1,
    ),
];

const CORRUPT_4_1: &str = "QEMU 4.1.0 corrupts qcow2 images; 4.1.1 has the fix";
const CPU_10_1: &str = "QEMU 10.1 changed CPU features (pdcm, arch-capabilities) of older machine types";
const CHECK_4_1: &str = "qemu-img 4.1 reports errors of compressed clusters that are none";

/// Messages by which any VMM says that it broke.
const CRASHES: [Sign; 23] = [
    Sign::support("qemu*Assertion `{condition}' failed").unless(NO_BUG),
    Sign::support("qemu*: Assertion `").unless(NO_BUG),
    Sign::support("ERROR:*assertion failed").unless(NO_BUG),
    Sign::support("qemu-system-{arch}[{pid}]: segfault at"),
    Sign::support("qemu-kvm[{pid}]: segfault at"),
    Sign::support("libvirtd[{pid}]: segfault at"),
    Sign::support("virtqemud[{pid}]: segfault at"),
    Sign::support("virtiofsd[{pid}]: segfault at"),
    Sign::support("double free or corruption"),
    Sign::support("free(): invalid pointer"),
    Sign::support("malloc(): corrupted"),
    Sign::support("corrupted size vs. prev_size"),
    Sign::support("stack smashing detected"),
    Sign::support("entered unreachable code"),
    Sign::support("attempt to subtract with overflow"),
    Sign::support("attempt to add with overflow"),
    Sign::support("index out of bounds: the len is"),
    Sign::support("BUG in qemuMonitor"),
    Sign::support("ASSERT_EFI_ERROR"),
    Sign::support("ASSERT [{module}]"),
    Sign::support("ASSERT *.c("),
    Sign::support("!!!! X64 Exception Type"),
    Sign::support("Synchronous Exception at 0x"),
];

/// Regressions as people report them; what stands only in the complaint weighs one strength less.
const REGRESSIONS: [Sign; 30] = [
    Sign::strong("upgraded from QEMU"),
    Sign::strong("upgrading QEMU"),
    Sign::strong("upgraded QEMU"),
    Sign::strong("updating QEMU"),
    Sign::strong("upgrading libvirt"),
    Sign::strong("upgraded libvirt"),
    Sign::strong("upgrading Firecracker"),
    Sign::strong("upgrading cloud-hypervisor"),
    Sign::strong("worked with QEMU"),
    Sign::strong("works with QEMU"),
    Sign::strong("since QEMU"),
    Sign::strong("previous QEMU"),
    Sign::strong("older QEMU"),
    Sign::strong("downgrading"),
    Sign::strong("git bisect"),
    Sign::strong("bisected"),
    Sign::strong("regression"),
    Sign::strong("works with version"),
    Sign::strong("worked with version"),
    Sign::strong("works in version"),
    Sign::strong("previous version work"),
    Sign::strong("older version work"),
    Sign::strong("with the previous version"),
    Sign::strong("with the older version"),
    Sign::strong("with an older version"),
    Sign::strong("after upgrading to"),
    Sign::strong("after updating to"),
    Sign::strong("after the upgrade to"),
    Sign::strong("after the update to"),
    Sign::strong("since the upgrade to"),
];

/// Assertions that other rules know the reason of.
const NO_BUG: &[&str] = &["kvm_buf_set_msrs", "kvm_put_msrs", "kvm_get_msrs", "error: failed to set MSR"];

const SIGNS: [Sign; 71] = {
    let mut signs = [Sign::hint(""); 71];
    let mut at = 0;
    while at < CRASHES.len() {
        signs[at] = CRASHES[at];
        at += 1;
    }
    while at < CRASHES.len() + REGRESSIONS.len() {
        signs[at] = REGRESSIONS[at - CRASHES.len()];
        at += 1;
    }
    while at < signs.len() {
        signs[at] = BUGS[at - CRASHES.len() - REGRESSIONS.len()].sign;
        at += 1;
    }
    signs
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.blank();
    // One of each kind is enough: more of the same add no certainty.
    for (signs, shows) in [(&CRASHES[..], "the program broke"), (&REGRESSIONS[..], "another version works")] {
        let hit = signs.iter().find_map(|sign| cx.evidence(cx.hits_of(sign).first()?));
        if hit.is_some() {
            draft = draft.because(Strength::Support, hit, shows);
        } else if signs.iter().any(|sign| cx.said(sign.text)) {
            let strength = if shows == "the program broke" { Strength::Hint } else { Strength::Support };
            draft.add(strength, false, None, "the complaint says so");
        }
    }
    for bug in &BUGS {
        let hits = cx.hits_of(&bug.sign);
        let Some(quote) = hits.first().and_then(|hit| cx.evidence(hit)) else { continue };
        match version_of(cx, bug.program) {
            Some((version, said)) if in_range(&version, bug.from, bug.before) => {
                return vec![
                    draft
                        .because(Strength::Proof, Some(quote), "the message of a known bug")
                        .because(Strength::Support, said, "this version has the bug")
                        .title(bug.what)
                        .verdict(),
                ];
            }
            Some(_) => {}
            None => draft = draft.because(bug.sign.strength, Some(quote), bug.what),
        }
    }
    vec![draft.verdict()]
}
