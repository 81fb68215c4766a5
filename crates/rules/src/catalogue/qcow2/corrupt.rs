//! # The image's metadata is corrupt
//!
//! ## What it is
//! The tables of a qcow2 image contradict each other: an entry points outside the file, into metadata, or at a
//! cluster that two guests' addresses share. QEMU notices when it meets such an entry, sets the corrupt bit in
//! the header, and refuses to write from then on.
//!
//! Heard as: qemu-img check reports errors; image marked corrupt; the guest gets I/O errors or does not boot after
//! a crash.
//!
//! Known by: qcow2: Marking image as corrupt; refcount errors in qemu-img check; overlaps with active L1 or L2 table;
//! Image is corrupt; cannot be opened read/write; Input/output error in guest.
//!
//! ## Why it happens
//! Two processes wrote the image at once (the same disk in two VMs, `qemu-img` on a running VM, locking off);
//! the host crashed with `cache=unsafe` or a lying write cache; the file was truncated by a copy or a full disk;
//! storage returned wrong data; seldom a bug of QEMU itself.
//!
//! ## Confirm
//! `qemu-img check <image>` with the VM off: "ERROR" lines and "N errors were found on the image";
//! `qemu-img info <image>`: "corrupt: true".
//!
//! ## Refute
//! "leaked clusters" alone are no corruption. A file system damaged *inside* the guest leaves `qemu-img check`
//! clean. Errors told by one version of qemu-img only may be that version's fault.
//!
//! ## Fix
//! Copy the image first. `qemu-img convert -O qcow2 <image> <new>` salvages what can be read; `qemu-img check -r
//! all` makes the tables consistent but may drop data. Then check the guest's file systems, restore from a
//! backup what is lost, and find what wrote twice.
//!
//! ## References
//! QEMU `block/qcow2.c`, `qcow2_signal_corruption()`; `block/qcow2-refcount.c`, `qcow2_check_refcounts()`;
//! `docs/interop/qcow2.rst` (incompatible feature bit 1); qemu-img(1), check.

use crate::prelude::*;
use vmwright_formats::{Images, QmpAnswer};

pub const RULE: Rule = Rule {
    tags: &["storage", "data-safety"],
    signs: &[
        Sign::proof("Image is corrupt; cannot be opened read/write"),
        Sign::proof("qcow2: Marking image as corrupt"),
        Sign::proof("qcow2: Image is corrupt"),
        Sign::strong("BLOCK_IMAGE_CORRUPTED"),
        Sign::strong("Preventing invalid write on metadata (overlaps with"),
        Sign::strong("Preventing invalid write on * (overlaps with"),
        Sign::strong("Preventing invalid allocation of"),
        Sign::strong("Cluster allocation offset {offset} unaligned"),
        Sign::strong("L2 table offset {offset} unaligned"),
        Sign::strong("Refblock offset {offset} unaligned"),
        Sign::strong("errors were found on the image").unless(&["No errors were found on the image"]),
        // Another check, or another version of it, found none.
        Sign::support("No errors were found on the image").against(),
        Sign::strong("Data may be corrupted, or further writes to the image may corrupt it"),
        Sign::strong("ERROR cluster {cluster} refcount={count} reference="),
        // What a repair prints in place of "ERROR": in use, and counted as free.
        Sign::strong("Repairing cluster {cluster} refcount=0 reference="),
        Sign::strong("ERROR OFLAG_COPIED"),
        Sign::strong("ERROR: counting reference for region exceeding the end of the file"),
        Sign::strong("L2 entry corrupted"),
        Sign::strong("L1 entry corrupted"),
        Sign::strong("refcount table entry corrupted"),
        Sign::strong("snapshot table entry corrupted"),
        Sign::strong("ERROR need to rebuild refcount structures"),
        Sign::strong("ERROR refcount block {block} refcount"),
        Sign::strong("Could not repair dirty image"),
        Sign::support("is outside image"),
        Sign::support("Could not read L1 table"),
        Sign::support("Could not read L2 table"),
        Sign::support("qcow2_free_clusters failed"),
        Sign::support("Image does not contain a reference count table"),
        Sign::support("corrupt: true"),
        Sign::support("Could not read snapshots"),
        Sign::support("Corruption: bitmap '{name}'"),
        Sign::support("File truncated, expecting at least"),
        // The guest's own words when it loses its disk.
        Sign::hint("image corrupt"),
        Sign::support("Failed to read snapshot table"),
        Sign::support("Could not initialize refcount handling"),
        Sign::support("L1 table is too small"),
        Sign::support("Failed to read bitmap directory"),
        Sign::support("Bitmap directory is too large"),
        Sign::support("Invalid backing file offset"),
        Sign::strong("Image is dirty, Replaying journal not supported"),
        Sign::strong("image file is corrupt"),
        Sign::strong("Image has probably been truncated"),
        Sign::strong("Invalid granularity, image may be corrupt"),
        Sign::strong("No valid VHDX header found"),
        Sign::strong("Invalid VHDX log descriptor entry"),
        Sign::strong("The image has been truncated"),
        Sign::strong("offsets not monotonically increasing"),
        Sign::strong("Incorrect header checksum"),
        Sign::strong("Overlap check failed"),
        Sign::strong("Missing CRYPTO header for crypt method"),
        Sign::strong("Request for data outside of extension header"),
        Sign::strong("Header extension too large"),
        Sign::strong("Less bitmaps found than specified in header extension"),
        Sign::strong("More bitmaps found than specified in header extension"),
        Sign::strong("First cluster in emptied image is in use"),
        Sign::strong("Huh, first cluster in empty image is already in use"),
        Sign::strong("ERROR allocating refblock"),
        Sign::strong("ERROR writing refblock"),
        Sign::strong("Page table too small"),
        Sign::strong("invalid VPC image"),
        Sign::strong("Invalid image: Too big offset"),
        Sign::strong("Could not repair corrupted image"),
        Sign::strong("Image is marked corrupt and cannot be opened for writing"),
        Sign::support("Refcount table offset past file end"),
        Sign::support("Invalid L1 table offset"),
        Sign::support("Invalid refcount table offset"),
        Sign::support("Invalid L1 table size:"),
    ],
    words: &["corrupt", "qcow2", "qemu-img check", "overlaps", "damaged"],
    explains: &["qcow2/leaked-clusters", "storage/io-error-paused"],
    tells: "qemu-img check IMAGE",
    remedy: "stop the VM, copy the image, salvage it with qemu-img convert, and check the guest's file systems",
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::DebugSpecialist),
    needs: &[Need::Probe(Probe::Images), Need::Probe(Probe::Qmp)],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for seen in cx.all::<Images>() {
        if let Some((image, line)) = seen.images.iter().find_map(|image| Some((image, image.corrupt()?))) {
            draft = draft
                .because(Strength::Proof, seen.quote(line), "QEMU has marked the image as damaged")
                .about(Subject::new(SubjectKind::Path, &image.path))
                .title(format!("{} is damaged: QEMU has marked it so", image.path));
        }
        draft = draft.looked();
    }
    for seen in cx.all::<QmpAnswer>() {
        let Some(disk) = seen.disks.iter().find(|disk| disk.corrupt.as_ref().is_some_and(|one| one.value))
        else {
            continue;
        };
        let quote = disk.corrupt.as_ref().and_then(|corrupt| seen.quote(corrupt.line));
        draft = draft.because(Strength::Proof, quote, "the running QEMU has marked the image as damaged");
        if let Some(file) = &disk.file {
            draft = draft
                .about(Subject::new(SubjectKind::Path, &file.value))
                .title(format!("{} is damaged: QEMU has marked it so", file.value));
        }
    }
    vec![draft.verdict()]
}
