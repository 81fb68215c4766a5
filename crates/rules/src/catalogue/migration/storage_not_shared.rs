//! # The disks are not reachable from the target
//!
//! ## What it is
//! A migration without disk copy needs every image, ISO, kernel and NVRAM under the same path, with the same
//! content, on both hosts. Local files stay behind: libvirt refuses as unsafe, or the target cannot open them.
//!
//! Heard as: the disk is not there on the target host; local images.
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

pub const RULE: Rule = Rule {
    tags: &["migration", "storage"],
    needs: &[Need::File("/proc/mounts"), Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::proof("Migration without shared storage is unsafe"),
        Sign::proof("is not on shared storage: "),
        Sign::strong("is not on local storage: "),
        Sign::strong("InvalidSharedStorage"),
        Sign::strong("InvalidLocalStorage"),
        Sign::proof("can't migrate local disk"),
        Sign::proof("can't live migrate attached local disks without with-local-disks option"),
        Sign::strong("can't migrate local cdrom"),
        Sign::strong("can't migrate VM * local"),
        Sign::strong("storage '{name}' is not available on node"),
        Sign::strong("Can't migrate running VM * local disks"),
        Sign::strong("offline migration cannot handle non-shared storage"),
        Sign::strong("migration of non-shared disks requested but NBD is not set up"),
        Sign::strong("migration of non-shared storage is not supported with tunnelled"),
        Sign::strong("cannot precreate storage for disk type"),
        Sign::strong("pre-creation of storage target"),
        Sign::strong("for non-shared-storage migration"),
        Sign::strong("non-shared storage migration into"),
        Sign::strong("Cannot access storage file").and(&["migrati"]),
        Sign::strong("Cannot access storage file").and(&["migrate"]),
        Sign::strong("Cannot access backing file").and(&["migrati"]),
        Sign::strong("Cannot access backing file").and(&["migrate"]),
        Sign::strong("Storage pool not found").and(&["migrati"]),
        Sign::strong("Storage pool not found").and(&["migrate"]),
        Sign::strong("Could not open '{path}': No such file or directory").and(&["-incoming"]),
        Sign::strong("Could not open '{path}': No such file or directory").and(&["migrati"]),
        Sign::strong("Could not open '{path}': No such file or directory").and(&["migrate"]),
        Sign::strong("No such file or directory").and(&["virsh migrate"]),
        Sign::strong("cannot stat '{path}': No such file").and(&["migrati"]),
        Sign::strong("cannot stat '{path}': No such file").and(&["migrate"]),
        Sign::support("does not match the destination volume size"),
        Sign::support("Cannot migrate empty or read-only disk"),
        Sign::support("migration of disk {disk} failed"),
        Sign::support("no secret with matching uuid").and(&["migrati"]),
        Sign::support("no secret with matching uuid").and(&["migrate"]),
        Sign::support("storage migration failed"),
        // Proxmox, QemuMigrate.pm.
        Sign::strong("Used shared storage '{name}' is not online on source node"),
        Sign::strong("content type 'images' is not available on storage"),
        Sign::strong("online storage migration not possible if non-replicated snapshot exists"),
        Sign::strong("non-migratable snapshot exists"),
        Sign::strong("can't migrate '{volume}' - storage type '{kind}' not supported"),
        Sign::strong("can't migrate '{volume}' as it's a clone of"),
        Sign::strong("storage migration for '{volume}' to storage '{name}' failed"),
        Sign::strong("Failed to complete storage migration"),
        Sign::strong("The number of local disks does not match between the source and the destination"),
        Sign::strong("Cannot live-migrate replicated VM to node"),
        // libvirt's children and helpers on the target.
        Sign::strong("Unable to stat {path}: No such file or directory").and(&["migrat"]),
        Sign::strong("Unable to stat {path}: No such file or directory").and(&["Migrat"]),
        // KubeVirt's condition.
        Sign::strong("DisksNotLiveMigratable"),
        Sign::strong("cannot migrate VMI: PVC {name} is not shared"),
        Sign::strong("cannot migrate VMI with non-shared"),
        // Longhorn lets a second node in when every replica is there.
        Sign::strong("volume must be healthy to start migration"),
        // What a complaint makes of a configuration.
        Sign::support("/var/lib/libvirt/images/").unless(&["--copy-storage", " nfs", "ceph"]).said(&[
            "live migration",
            "migrate",
            "migrating",
            "migration",
        ]),
        Sign::support("/var/lib/vz/images").said(&["migrat"]),
    ],
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
