//! # The client does not support the RBD image's features
//!
//! ## What it is
//! An RBD image lists features (layering, exclusive-lock, object-map, fast-diff, deep-flatten, journaling,
//! data-pool, migrating...). A client that lacks one must refuse the image. The kernel's client (krbd) knows
//! fewer than librbd.
//!
//! Heard as: mapping the image fails on an older kernel or host while older images map.
//!
//! Known by: image uses unsupported features: 0x38; exclusive-lock, object-map, fast-diff, deep-flatten, journaling;
//! map failed with no such device or address, older krbd; rbd feature disable helps.
//!
//! ## Why it happens
//! Images are made with the cluster's default features (61 since Jewel) and mapped by an old kernel: krbd has
//! exclusive-lock since 4.9, data-pool since 4.11, object-map, fast-diff and deep-flatten since 5.3, and no
//! journaling. LXC, Kubernetes and Proxmox (`krbd 1`) map by kernel; QEMU uses librbd unless it is too old.
//!
//! ## Confirm
//! `rbd info POOL/IMAGE` (features); `cat /sys/bus/rbd/supported_features`, `uname -r`; the kernel's log after
//! `rbd map`: "image uses unsupported features: 0x38" (bits: 1 layering, 4 lock, 8 object-map, 10 fast-diff, 20
//! deep-flatten, 40 journaling, 80 data-pool; hexadecimal).
//!
//! ## Refute
//! No such line; "feature set mismatch" of the *cluster* (CRUSH tunables) is a client that is too old as well.
//!
//! ## Fix
//! `rbd feature disable POOL/IMAGE object-map fast-diff deep-flatten` (as the rbd tool suggests), or a newer
//! kernel, or let QEMU open the image by librbd or rbd-nbd.
//!
//! ## References
//! Linux `drivers/block/rbd.c`, `rbd_dev_v2_features()`; `net/ceph/messenger.c` (feature set mismatch); Ceph
//! `src/include/rbd/features.h`, `src/krbd.cc`; rbd(8), feature disable.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["storage", "boot"],
    needs: &[Need::Command(&["dmesg"])],
    signs: &[
        Sign::proof("image uses unsupported features: "),
        Sign::proof("RBD image feature set mismatch"),
        Sign::strong("You can disable features unsupported by the kernel with"),
        Sign::strong("immutable features are unsupported by the kernel"),
        Sign::strong("Try disabling features unsupported by the kernel"),
        Sign::strong("librbd: image uses unsupported"),
        Sign::strong("image uses unsupported features"),
        Sign::strong("feature set mismatch, my {mine} < server's"),
        Sign::strong("feature set mismatch*missing"),
        Sign::strong("RADOS feature set mismatch"),
        Sign::strong("msgr2 feature set mismatch"),
        Sign::strong("missing required protocol features"),
        Sign::support("protocol feature mismatch"),
        Sign::strong("is old format. Does not support extended features and striping"),
        Sign::strong("exclusive-lock feature is not enabled"),
        Sign::support("rbd: map failed: (6) No such device or address"),
        Sign::support("unsupported stripe unit and count"),
        Sign::support("image format 1 is deprecated"),
        Sign::support("RBD library does not support image encryption"),
        Sign::support("error reading header from {image}: Function not implemented"),
        Sign::support("error opening image {image}: (38) Function not implemented"),
        // ceph-csi, rbd_util.go: kernels before 4.11 do not list what they can.
        Sign::strong("supported_features: no such file or directory"),
        Sign::support("failed to detect krbd supported features"),
        Sign::strong("requires rbd-nbd for mounter"),
        Sign::strong("unknown encryption algorithm").and(&["rbd"]),
        Sign::strong("unknown image encryption format"),
        Sign::strong("rbd image must be at format V2"),
        Sign::strong("RBD options encoded in the filename as keyvalue pairs is deprecated"),
    ],
    words: &["rbd map", "features", "krbd", "rbd", "unsupported features", "object-map"],
    tells: "rbd info POOL/IMAGE",
    remedy: "disable the image features that this client lacks, or open the image by librbd or a newer kernel",
    applicability: Applicability::NeedsApproval,
    rank: Rank::Specific,
    ..Rule::NEW
};
