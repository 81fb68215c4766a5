//! # Snapshot metadata and disk chain do not agree
//!
//! ## What it is
//! libvirt (or a manager above) remembers which snapshot belongs to which image; the images themselves name
//! their backing files or hold internal snapshots. Where the two differ, reverting, deleting or committing is
//! refused.
//!
//! Heard as: a snapshot is listed and cannot be deleted or is unknown to qemu-img; metadata and files differ.
//!
//! Known by: snapshot not found though listed; overlay lost, delete fails; metadata says other file; backing chain and
//! domain XML differ; revert fails; checkpoint bitmap missing; orphan overlay; delete or merge fails; parent not found;
//! snapshot-list and qemu-img info --backing-chain disagree; external snapshot removed by hand; CBT.
//!
//! ## Why it happens
//! Overlays were committed, renamed, moved or removed by hand or by a backup tool; an image was restored from a
//! backup with the old metadata beside it; a deletion broke off half-way; snapshots of mixed kinds were made; a
//! domain was redefined with another image. Incremental backups rest on checkpoints, each of which has a bitmap in the
//! image: a crash leaves it inconsistent, a copied image keeps it, a new overlay or a revert lacks it.
//!
//! ## Confirm
//! `virsh snapshot-list NAME --tree` beside `qemu-img info -U --backing-chain IMAGE` and `qemu-img snapshot -l
//! -U IMAGE`; `virsh domblklist NAME` shows the active image; `/var/lib/libvirt/qemu/snapshot/NAME/*.xml` is
//! what libvirt remembers.
//!
//! ## Refute
//! Each snapshot of the list has its file or internal entry, and the active image is the last of the chain.
//!
//! ## Fix
//! Keep copies first. Bring the domain's disk source to the true active image, take metadata without images
//! away (`virsh snapshot-delete NAME S --metadata`), recreate lost metadata (`snapshot-create --redefine`),
//! finish broken deletions (`blockcommit`). Where a checkpoint's bitmap is broken or left over, delete the checkpoints
//! (`virsh checkpoint-delete --metadata`), remove the bitmap (`qemu-img bitmap --remove`) and begin with a full backup.
//!
//! ## References
//! libvirt `src/qemu/qemu_snapshot.c` (qemuSnapshotDeleteValidate), `src/storage_file/storage_source.c`
//! (virStorageSourceChainLookup), `docs/formatsnapshot.rst`; QEMU `block/snapshot.c`, `blockdev.c`
//! (qmp_block_commit).

use crate::prelude::*;

#[path = "messages/chain_inconsistent.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["snapshot", "storage"],
    rank: Rank::Specific,
    needs: &[Need::Glob("/var/lib/libvirt/qemu/snapshot/*/*.xml")],
    signs: messages::SIGNS,
    words: &[
        "snapshot",
        "delete snapshot",
        "revert",
        "backing chain",
        "overlay",
        "metadata",
        "orphan",
        "blockcommit",
        "incremental",
        "checkpoint",
    ],
    tells: "virsh snapshot-list NAME --tree beside qemu-img info -U --backing-chain",
    remedy: "bring the domain's disk source and the snapshot metadata back to what the images' own chain says, from copies",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
