//! # libvirt refuses to migrate with this disk cache mode
//!
//! ## What it is
//! With a host page cache in between, source and target may see different contents of the disk. So libvirt
//! migrates only with `cache='none'` or `directsync`, unless the storage is known to be coherent (a clustered
//! file system, Ceph) or the disk is read-only.
//!
//! Heard as: libvirt calls the migration unsafe because of the cache mode.
//!
//! Known by: Unsafe migration: Migration may lead to data corruption if disks use cache other than none or directsync;
//! cache=writeback; --unsafe; refused as unsafe though storage is shared; cache setting of disk; flag needed; data
//! corruption warning.
//!
//! ## Why it happens
//! The disk has `writeback`, `writethrough` or `unsafe`, set by a tool or left over from local storage; on
//! older libvirt the default (no cache attribute) counts as unsafe too.
//!
//! ## Confirm
//! `virsh dumpxml NAME | grep '<driver'`: a cache attribute other than none and directsync on a writable disk;
//! `findmnt -no FSTYPE -T PATH`.
//!
//! ## Refute
//! All writable disks have `none` or `directsync`, or lie on Ceph RBD, GFS2, OCFS2.
//!
//! ## Fix
//! Set `cache='none'` (needs O_DIRECT) and restart the guest. QEMU since 2.12 drops its cache on Linux at the
//! hand-over, so `--unsafe` is defensible for raw and qcow2 on NFS after checking both versions, never as a
//! habit.
//!
//! ## References
//! libvirt `src/qemu/qemu_migration.c` (qemuMigrationSrcIsSafe), `formatdomain.html` "Hard drives"; QEMU
//! `block/file-posix.c` (raw_co_invalidate_cache, x-check-cache-dropped).

#[path = "preflight/cache.rs"]
mod preflight;

use crate::prelude::*;
use vmwright_formats::DomainXml;

pub const RULE: Rule = Rule {
    tags: &["migration", "storage"],
    rank: Rank::Specific,
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::proof("Migration may lead to data corruption if disks use cache"),
        Sign::strong("may lead to data corruption if disks use"),
        Sign::strong("cache other than none or directsync"),
        Sign::support("Unsafe migration:").unless(&["Migration without shared storage is unsafe"]),
    ],
    words: &["migrat", "unsafe", "cache", "writeback", "data corruption"],
    tells: "virsh dumpxml NAME | grep '<driver'",
    remedy: "set cache='none' (or directsync) on every writable disk and restart the guest before migrating",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    preflight: Some(preflight::judge),
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if !draft.any() && !cx.said("unsafe") {
        return vec![draft.verdict()];
    }
    for seen in cx.all::<DomainXml>() {
        let disks = seen.domains.iter().flat_map(|domain| &domain.devices.disks);
        let mut writable = disks.filter(|disk| !disk.readonly && disk.protocol.is_none());
        let cached = writable.find_map(|disk| {
            disk.cache
                .as_ref()
                .filter(|mode| ["writeback", "writethrough", "unsafe"].contains(&mode.value.as_str()))
        });
        if let Some(mode) = cached {
            draft = draft.because(
                Strength::Strong,
                seen.quote(mode.line),
                "the host's page cache holds the disk",
            );
        }
    }
    vec![draft.verdict()]
}
