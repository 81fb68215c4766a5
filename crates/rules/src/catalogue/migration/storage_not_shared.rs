//! # The disks are not reachable from the target
//!
//! ## What it is
//! A migration without disk copy needs every image, ISO, kernel and NVRAM under the same path, with the same
//! content, on both hosts. Local files stay behind: libvirt refuses as unsafe, or the target cannot open them.
//!
//! Heard as: the disk is not there on the target host; local images.
//!
//! Known by: unable to read image on the destination; No such file on target; copy-storage-all wanted; local disk;
//! cannot access storage file; shared file system not mounted there; unsafe migration without shared storage;
//! node-local directory, LVM or ZFS dataset; target looks for image in vain; pre-create; block migration, NBD copy;
//! pool exists on one node only.
//!
//! ## Why it happens
//! Images lie on a local directory, LVM or an unmounted share; the pool or mount has another name on the
//! target; an ISO in a home directory is still in the drive; the Ceph secret or iSCSI session was made on one
//! host only; copying of storage was asked for in a form that does not fit (tunnelled, offline, without
//! precreated volumes).
//!
//! ## Confirm
//! `virsh domblklist NAME --details`; on the target `ls -l` or `qemu-img info -U` of each path, `findmnt -T
//! PATH`, `virsh pool-list --all`; `virsh domcapabilities` is silent here.
//!
//! ## Refute
//! Every path is there and `findmnt` shows the same shared or clustered file system on both hosts.
//!
//! ## Fix
//! Put the images on shared storage mounted at one path, or copy them along (`--copy-storage-all`,
//! `--migrate-disks`, with volumes made on the target first), eject ISOs (`virsh change-media --eject`). With
//! nova use block migration; with Proxmox `--with-local-disks`.
//!
//! ## References
//! libvirt `src/qemu/qemu_migration.c` (qemuMigrationSrcIsSafe), `docs/migration.rst`, "Migration without
//! shared storage"; nova `virt/libvirt/driver.py` (check_can_live_migrate_source); Proxmox
//! `PVE/QemuMigrate.pm`.

#[path = "preflight/storage.rs"]
mod preflight;

use crate::prelude::*;
use vmwright_formats::Mounts;

#[path = "messages/storage_not_shared.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["migration", "storage"],
    needs: &[Need::File("/proc/mounts"), Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: messages::SIGNS,
    words: &["migrat", "shared storage", "local disk", "local storage", "nfs", "copy-storage", "iso"],
    explains: &["storage/image-missing", "storage/backing-chain-broken"],
    tells: "virsh domblklist NAME --details, and ls -l of each path on the target",
    remedy: "make every image reachable under the same path on the target, or copy the storage along",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::None,
    escalation: Some(Agent::SystemsArchitect),
    preflight: Some(preflight::judge),
    check,
    ..Rule::NEW
};

/// File systems of one host alone.
const LOCAL: &[&str] = &["ext4", "ext3", "xfs", "btrfs", "zfs", "f2fs", "tmpfs"];

/// A disk on a file system of one host, where nothing was said of copying it along.
fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let (true, Some(mounts)) = (cx.said("migrat") && !draft.any(), cx.one::<Mounts>()) else {
        return vec![draft.verdict()];
    };
    for disk in super::super::storage::cache_mode_unsafe::disks(cx).iter().filter(|disk| !disk.readonly) {
        let path = disk.source.as_deref().filter(|path| path.starts_with('/') && !path.starts_with("/dev/"));
        let Some(mount) = path.and_then(|path| mounts.of_path(path)) else { continue };
        if LOCAL.contains(&mount.fs_type.as_str()) {
            draft = draft
                .because(Strength::Support, mounts.quote(mount.line), "a file system of this host alone")
                .because(Strength::Hint, disk.quote.clone(), "the disk on it")
                .title(format!("{} lies on a file system that the target does not see", disk.name()));
            break;
        }
    }
    vec![draft.verdict()]
}
