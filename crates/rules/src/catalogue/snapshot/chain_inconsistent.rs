//! # Snapshot metadata and disk chain do not agree
//!
//! ## What it is
//! libvirt (or a manager above) remembers which snapshot belongs to which image; the images themselves name
//! their backing files or hold internal snapshots. Where the two differ, reverting, deleting or committing is
//! refused.
//!
//! Heard as: a snapshot is listed and cannot be deleted or is unknown to qemu-img; metadata and files differ.
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

pub const RULE: Rule = Rule {
    tags: &["snapshot", "storage"],
    rank: Rank::Specific,
    needs: &[Need::Glob("/var/lib/libvirt/qemu/snapshot/*/*.xml")],
    signs: &[
        Sign::strong("no domain snapshot with matching name"),
        Sign::strong("Snapshots have inconsistent relations"),
        Sign::strong("Too many snapshots claiming to be current"),
        Sign::strong("Failed to parse snapshot XML from file"),
        Sign::proof("does not have internal snapshot"),
        Sign::proof("' does not exist in one or more devices"),
        Sign::strong("Snapshot with id '{id}' and name '{name}' does not exist on"),
        Sign::strong("Snapshot can not be found"),
        Sign::strong("Can't find the snapshot"),
        Sign::strong("Failed to load snapshot: Can't find snapshot"),
        Sign::strong("' already exists in one or more devices"),
        Sign::proof("VM disk source and snapshot disk source are not the same"),
        Sign::proof("snapshot VM disk source and parent disk source are not the same"),
        Sign::proof("failed to find parent disk source in backing chain"),
        Sign::strong("failed to find disk '{disk}' in snapshot VM XML"),
        Sign::proof("was target of not completed snapshot delete"),
        Sign::proof("is not the same as disk image currently used by VM"),
        Sign::strong("referenced by snapshot '{name}' not found in"),
        Sign::strong("two disks images contain vm state section"),
        Sign::strong("missing vmstate section when reverting"),
        Sign::strong("could not find image '{image}' * in chain for"),
        Sign::strong("could not find image '{image}' in chain for"),
        Sign::strong("could not find base image in chain for"),
        Sign::strong("could not find backing store index"),
        Sign::strong("could not find base disk source in disk source chain"),
        Sign::strong("is not immediately below"),
        Sign::strong("' is not in this backing file chain"),
        Sign::strong("in the backing chain").and(&["Can't find '"]),
        Sign::strong("is not a backing image of"),
        Sign::strong("and image file are not in the same chain"),
        Sign::strong("Top image file {file} not found"),
        Sign::strong("in chain for '{disk}' has no backing file"),
        Sign::strong("lacks domain '{name}' rollback info"),
        Sign::strong("deletion of external and internal children disk snapshots not supported"),
        Sign::strong("deletion of external children disk snapshots not supported"),
        Sign::strong("deletion of external disk snapshots with children not supported"),
        Sign::strong("deletion of external disk snapshot with multiple children"),
        Sign::strong("deletion of non-leaf external snapshot"),
        Sign::strong("external snapshot that has internal snapshot as parent"),
        Sign::strong("deletion of * external disk snapshots not supported"),
        Sign::support("revert to external snapshot not supported yet"),
        Sign::support("external snapshot file for disk {disk} already exists and is not a block device"),
        Sign::strong("unable to remove snapshot '{name}' * metadata"),
        Sign::strong("VM is locked (snapshot-delete)"),
        Sign::strong("VM is locked (snapshot)"),
        Sign::strong("snapshot '{name}' does not exist"),
        Sign::support("disk {disk} does not have an active block job"),
        Sign::support("cannot delete inactive domain with * snapshots"),
        Sign::strong(
            "source disk for '{disk}' is not a regular file, reverting to snapshot is not supported",
        ),
        Sign::strong("mismatch between configured type for snapshot disk"),
        Sign::strong("unable to save metadata for snapshot"),
        Sign::strong("Could not find snapshot '{name}'"),
        // Proxmox.
        Sign::strong("could not find snapshot '{name}' for volume"),
        Sign::strong("volume is still in use (snapshot?)"),
        Sign::strong("is still in use by linked cloned"),
        // Checkpoints and their bitmaps: libvirt, qemu_backup.c, qemu_checkpoint.c, virdomainmomentobjlist.c.
        Sign::proof("missing or broken bitmap '{bitmap}' for disk"),
        Sign::strong("checkpoint inconsistent"),
        Sign::strong("for incremental backup of disk '{disk}' not found"),
        Sign::strong("bitmap '{bitmap}' not found in backing chain of"),
        Sign::strong("no domain checkpoint with matching name"),
        Sign::strong("Checkpoints have inconsistent relations"),
        Sign::strong("domain moment {name} already exists"),
        Sign::strong("unable to save metadata for checkpoint"),
        Sign::strong("referenced by snapshot '{name}'"),
        Sign::support("cannot delete inactive domain with * checkpoints"),
        // QEMU, block/dirty-bitmap.c and block/qcow2-bitmap.c.
        Sign::strong("Bitmap already exists: "),
        Sign::strong("Bitmap '{bitmap}' is inconsistent and cannot be used"),
        Sign::strong("Bitmap with the same name is already stored"),
        Sign::strong("Dirty bitmap '{bitmap}' not found"),
        Sign::support("Broken bitmap directory"),
        Sign::strong("This is a disk-only snapshot. Revert to it"),
        Sign::strong("Invalid files for merge: top and base are the same"),
        Sign::support("Source and target image have different sizes"),
        Sign::support("Can't find snapshot"),
        Sign::support("Could not load snapshot '"),
        Sign::support("bitmaps are now considered inconsistent"),
    ],
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
