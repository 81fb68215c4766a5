//! # Clusters are leaked: space is lost, data is intact
//!
//! ## What it is
//! A leaked cluster has a reference count but nothing refers to it. It takes space in the file and nothing else:
//! all data is there and writing is safe.
//!
//! Heard as: qemu-img check reports leaked clusters, and the VM works.
//!
//! Known by: leaked clusters were found on the image; this means waste of disk space, but no harm to data; qemu-img
//! check -r leaks; file larger than its content.
//!
//! ## Why it happens
//! QEMU was killed, or the host crashed, between counting a cluster and using it: the order is chosen so that
//! this can only leak. Images with lazy refcounts are repaired at the next opening. A snapshot or commit that was
//! broken off leaves many.
//!
//! ## Confirm
//! `qemu-img check <image>` with the VM off prints "N leaked clusters were found on the image. This means waste
//! of disk space, but no harm to data." and exits with 3.
//!
//! ## Refute
//! "errors were found" (exit 2): that is corruption. A check of a running VM's image reports leaks that are
//! none, since its metadata is still in QEMU's cache.
//!
//! ## Fix
//! `qemu-img check -r leaks <image>` with the VM off. It is harmless, and not urgent unless much space is lost.
//!
//! ## References
//! qemu-img(1), check (exit codes 0 to 3); QEMU `qemu-img.c`, `dump_human_image_check()`;
//! `docs/interop/qcow2.rst` (lazy refcounts); `block/qcow2-refcount.c`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["storage"],
    signs: &[
        Sign::proof("leaked clusters were found on the image").unless(ERRORS),
        Sign::strong("leaked clusters were found on the image"),
        Sign::strong("This means waste of disk space, but no harm to data"),
        Sign::strong("Leaked cluster {cluster} refcount={count} reference="),
        // What a repair prints in place of "Leaked": counted, and used by nothing.
        Sign::strong("Repairing cluster {cluster} refcount={count} reference=0"),
        Sign::strong("The following inconsistencies were found and repaired").and(&["0 corruptions"]),
        Sign::support("Leaked cluster"),
        Sign::support("\"leaks\": ").unless(&["\"leaks\": 0"]),
        Sign::support("leaked clusters").unless(&["    0 leaked clusters"]),
        Sign::strong("further writes to the image may corrupt it").against(),
        Sign::strong("Some clusters may be leaked, run 'qemu-img check -r'"),
    ],
    words: &["leaked", "leak", "qemu-img check", "wasted space"],
    tells: "qemu-img check IMAGE",
    remedy: "run qemu-img check -r leaks on the image while the VM is off",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};

/// Then it is corruption, and the leaks are beside the point.
const ERRORS: &[&str] = &["further writes to the image may corrupt it", "Image is corrupt"];
