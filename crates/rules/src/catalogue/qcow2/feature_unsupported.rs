//! # The image uses a qcow2 feature that this VMM does not know
//!
//! ## What it is
//! A qcow2 header lists features that a reader must understand: version, zstd compression, external data file,
//! extended L2 entries, encryption. A VMM or tool that lacks one must refuse the image, as intended.
//!
//! Heard as: an older QEMU does not open the image; unsupported feature or version.
//!
//! Known by: unknown incompatible features; qcow version 3 not supported; compression type zstd, extended L2,
//! data-file, or encrypted image; backing file unsupported by Firecracker or Cloud Hypervisor; only raw.
//!
//! ## Why it happens
//! The image was made with a newer QEMU (v3 needs 1.1, external data 4.0, zstd 5.1, extended L2 5.2) and is used
//! on an older host; or by a VMM with its own small reader: Cloud Hypervisor, crosvm, libkrun and Firecracker
//! (which reads raw only) know little of qcow2, and often no backing files, compression or snapshots.
//!
//! ## Confirm
//! `qemu-img info <image>` with a new QEMU: "compat", "compression type", "data file", "extended l2", "encrypted";
//! compare with the VMM's version.
//!
//! ## Refute
//! `qemu-img info` of the very QEMU that fails opens it; or it is no qcow2 at all (storage/format-unspecified).
//!
//! ## Fix
//! `qemu-img convert -O qcow2 -o compat=1.1,compression_type=zlib <image> <new>` (or `-O raw` for VMMs without
//! qcow2), or upgrade the reader. `qemu-img amend -o compat=0.10` only for very old readers.
//!
//! ## References
//! QEMU `block/qcow2.c`, `report_unsupported_feature()`; `docs/interop/qcow2.rst` (incompatible features);
//! Cloud Hypervisor `block/src/qcow/mod.rs`; crosvm `disk/src/qcow/mod.rs`; Firecracker FAQ (raw images).

use crate::catalogue::vmm::known_bug::programs::{Program, version_of};
use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["storage", "boot"],
    signs: &[
        Sign::strong("Cannot store dirty bitmaps in qcow2 v2 files"),
        Sign::proof("Unsupported qcow2 feature(s)"),
        Sign::strong("uses a qcow2 feature which is not supported by this qemu version"),
        Sign::strong("Unsupported qcow2 version"),
        Sign::strong("Unsupported qcow version"),
        Sign::support("Unknown incompatible feature"),
        Sign::strong("qcow2: Compression type incompatible feature"),
        Sign::support("unknown compression type"),
        Sign::strong("'data-file' is required for this image"),
        Sign::support("Unsupported encryption method"),
        Sign::strong("Use of AES-CBC encrypted qcow2 images is no longer supported"),
        Sign::support("Unsupported cluster size"),
        Sign::strong("Backing files are not supported").unless(&["not supported for file format"]),
        Sign::strong("BackingFilesNotSupported"),
        Sign::strong("CompressedBlocksNotSupported"),
        Sign::strong("UnsupportedVersion").and(&["qcow"]),
        Sign::strong("UnsupportedFeature").and(&["qcow"]),
        Sign::strong("UnsupportedRefcountOrder"),
        Sign::strong("Compressed blocks not supported"),
        Sign::strong("MaxNestingDepthExceeded"),
        Sign::strong("Maximum disk nesting depth exceeded"),
        Sign::strong("BackingFilesDisabled"),
        Sign::strong("Backing file support is disabled"),
        Sign::strong("CreateQcowDiskSync("),
        Sign::strong("InvalidRefcountTableSize"),
        Sign::support("AsyncRead(ReadVectored(Os \\{ code: 95"),
        Sign::support("QcowDeviceCreate"),
        Sign::support("Failed to open qcow"),
        Sign::support("Failed to parse qcow"),
        Sign::support("qcow2").and(&["Firecracker"]),
        Sign::strong("Cannot downgrade an image with incompatible features"),
        Sign::strong("'{format}' uses a {driver} feature which is not supported"),
        Sign::strong("Use of AES-CBC encrypted qcow"),
        Sign::support("Unsupported encryption format"),
        Sign::support("only supported with compatibility level 1.1 and above"),
        Sign::strong("Unsupported VMDK version"),
        Sign::strong("VMDK version 3 must be read only"),
        Sign::strong("Unsupported extent type"),
        Sign::strong("Bitmap extra data is not supported"),
        Sign::strong("Extended L2 entries are only supported with cluster sizes"),
        Sign::strong("compat=0.10 requires refcount_bits=16"),
        Sign::strong("Refcount widths other than 16 bits require compatibility level 1.1"),
        Sign::strong("Different refcount widths than 16 bits require compatibility level 1.1"),
        Sign::strong("Unsupported subcluster size"),
        Sign::strong("Can't resize a v2 image which has snapshots"),
        Sign::strong("data-file can only be set for images that use an external data file"),
    ],
    words: &["qcow2 feature", "unsupported", "compat", "zstd", "newer qemu", "older qemu"],
    tells: "qemu-img info IMAGE",
    remedy: "convert the image without the feature (qemu-img convert -o compat=..., or -O raw), or use a version that knows it",
    disruption: Disruption::GuestRestart,
    rank: Rank::Specific,
    check,
    ..Rule::NEW
};

/// Features as `qemu-img info` shows them, with the first QEMU that knows them (its change logs).
const FEATURES: [(&str, &[u32]); 3] =
    [("data file: ", &[4]), ("compression type: zstd", &[5, 1]), ("extended l2: true", &[5, 2])];

/// An image that a newer QEMU has made, beside an older one that is to open it.
fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let Some((version, said)) = version_of(cx, Program::Qemu) else { return vec![draft.verdict()] };
    for text in cx.texts_with("file format: qcow2") {
        for (number, line) in text.lines() {
            let known = FEATURES.iter().find(|(name, _)| line.trim_start().starts_with(name));
            let Some((name, since)) = known.filter(|(_, since)| !version.at_least(since)) else { continue };
            let since: Vec<String> = since.iter().map(u32::to_string).collect();
            draft = draft
                .because(Strength::Strong, text.quote(number), "the image has this feature")
                .because(Strength::Support, said, "this QEMU does not know it")
                .title(format!("`{}` needs QEMU {}", name.trim_end_matches(": "), since.join(".")));
            return vec![draft.verdict()];
        }
    }
    vec![draft.verdict()]
}
