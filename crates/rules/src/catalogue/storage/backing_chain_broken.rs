//! # A backing file of the image is missing, moved or of another format
//!
//! ## What it is
//! An overlay (snapshot, linked clone, cloud instance) holds only what differs from its backing file, which its
//! header names by path and format. If the backing file is not at that path, or is not of that format, the
//! overlay cannot be opened and its data alone is not usable.
//!
//! Heard as: images were moved, and the VM does not start though its path was changed; the base is not found.
//!
//! Known by: Could not open backing file; base image moved or deleted; relative path; backing format raw against qcow2;
//! after copying overlay alone; linked clone template removed.
//!
//! ## Why it happens
//! The base was moved, renamed, deleted as "old", or replaced; the overlay was copied to another host without
//! it; a relative path resolves against the overlay's directory; a commit or an external snapshot's files were
//! removed by hand; the header says qcow2 but the base is raw (an old wrapper put it there).
//!
//! ## Confirm
//! `qemu-img info --backing-chain <overlay>` stops at the missing or wrong one; compare "backing file format"
//! with `qemu-img info <base>`; `virsh dumpxml VM | grep -A3 backingStore`.
//!
//! ## Refute
//! The whole chain opens with `qemu-img info --backing-chain`. A "Permission denied" on the base is access; a
//! lock on it is storage/image-locked.
//!
//! ## Fix
//! Put the base back at the path the header names. If it only moved:
//! `qemu-img rebase -u -b <new path> -F <format> <overlay>` rewrites the header (wrong contents would destroy
//! data: be sure that it is the same base). A base that changed after the overlay was made cannot be healed.
//!
//! ## References
//! QEMU `block.c`, `bdrv_open_backing_file()`; `docs/interop/qcow2.rst`; qemu-img(1), rebase; libvirt
//! "Disk image chains" knowledge base; libvirt `src/storage_file/storage_source.c`.

use crate::prelude::*;
use vmwright_formats::Images;

pub const RULE: Rule = Rule {
    tags: &["storage", "boot"],
    signs: &[
        Sign::strong("Could not open backing file").unless(&[
            "Permission denied",
            "Failed to get *lock",
            "qcow2 feature(s)",
        ]),
        Sign::support("Could not open backing file"),
        Sign::strong("Could not open backing image"),
        Sign::strong(
            "Cannot access backing file '{path}' of storage file '{overlay}'*No such file or directory",
        ),
        Sign::support("Cannot access backing file '{path}' of storage file"),
        Sign::strong("Could not open backing file: Image is not in qcow2 format"),
        Sign::strong("Could not open backing file: Image is not in {format} format"),
        Sign::strong("Image is not in {format} format").and(&["backing"]),
        Sign::strong("backing store for {path} is self-referential"),
        Sign::strong("inaccessible backing store volume {path}"),
        Sign::strong("Did not find '{base}' in the backing chain of"),
        Sign::strong("Can't find '{base}' in the backing chain"),
        Sign::strong("could not find image '{image}' beneath '{top}' in chain"),
        Sign::strong("could not find image '{image}' in chain"),
        Sign::support("could not find backing store index"),
        Sign::strong("is not in this backing file chain"),
        Sign::support("invalid backing protocol"),
        Sign::strong("The base image for * does not exist"),
        Sign::strong("Could not find base image"),
        Sign::strong("failed to resolve relative backing name: base image is not in backing chain"),
        Sign::support("backing chains more than 200 layers deep are not supported"),
        Sign::strong("backing file does not exist"),
        Sign::strong("Could not read backing file name"),
        Sign::strong("backing is missing for"),
        Sign::strong("Could not update backing file link"),
        Sign::strong("Could not assign backing file"),
        Sign::strong("Cannot use relative backing file names for"),
        Sign::strong("Failed to read parent CID"),
        Sign::strong("creates an infinite loop.").and(&["Backing file"]),
        Sign::strong("Image does not have a backing file"),
        Sign::strong("error while reading from old backing file"),
        Sign::strong("error while reading from new backing file"),
        Sign::strong("rbd: parent chain is too long"),
        Sign::strong("Backing file open error:"),
        Sign::strong("Backing file I/O error:"),
    ],
    words: &[
        "backing file",
        "backing image",
        "base image",
        "snapshot",
        "overlay",
        "linked clone",
        "backing chain",
    ],
    explains: &["storage/image-missing"],
    tells: "qemu-img info --backing-chain IMAGE",
    remedy: "put the backing file back where the overlay's header names it, or rebase the overlay onto its new path and true format",
    disruption: Disruption::GuestRestart,
    rank: Rank::Specific,
    needs: &[Need::Probe(Probe::Images)],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let missing = "Cannot access backing file '{path}' of storage file '{overlay}'*No such file or directory";
    if let Some((path, overlay)) =
        cx.hits(missing).first().and_then(|hit| Some((hit.get("path")?, hit.get("overlay")?)))
    {
        draft = draft.title(format!("{overlay} needs {path}, which does not exist"));
    }
    for seen in cx.all::<Images>() {
        for image in &seen.images {
            let base = image.backing().and_then(|backing| Some((backing.line, seen.of(backing.value)?)));
            let Some((line, base)) = base else { continue };
            let gone = base.missing().filter(|why| why.value == "does not exist");
            if let Some(gone) = gone {
                let title = format!("{} needs {}, which does not exist", image.path, base.path);
                draft = draft
                    .because(Strength::Proof, seen.quote(gone.line), "it is not there")
                    .because(Strength::Support, seen.quote(line), "an image is based on it")
                    .about(Subject::new(SubjectKind::Path, &image.path))
                    .title(title);
                return vec![draft.verdict()];
            }
        }
        draft = draft.looked();
    }
    vec![draft.verdict()]
}
