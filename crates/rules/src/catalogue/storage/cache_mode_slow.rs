//! # The cache or AIO mode makes the disk slow
//!
//! ## What it is
//! How QEMU uses the host's page cache and its asynchronous I/O decides the latency of each request. With
//! `writethrough` or `directsync` every guest write waits for a flush of the host; `aio=threads` costs a thread
//! switch for each request; double caching evicts the guest's own cache.
//!
//! Heard as: fsync, apt or a database is slow in the guest on this disk, fast in a container or on the host;
//! directsync, writethrough.
//!
//! Known by: disk writes slow, fsync; cache=writethrough or directsync; aio threads against native or io_uring; IOPS
//! far below host's; database commits slow; benchmark fio far below bare metal; sync writes; host page cache off;
//! io_uring or native helps; dsync.
//!
//! ## Why it happens
//! Old versions and some front ends default to writethrough; `directsync` is chosen for safety although `none`
//! keeps the guest's flushes as well; a qcow2 over a slow file system syncs metadata; a host without battery
//! cache flushes each barrier to the platters.
//!
//! ## Confirm
//! `virsh dumpxml VM | grep "<driver"`; in the guest `fio --rw=randwrite --bs=4k --fsync=1` against the same on
//! the host; `iostat -x 1` on the host shows flushes (`f/s`, `f_await`) with hardly any throughput.
//!
//! ## Refute
//! The same test on the host's device is as slow: then the storage is the limit, and not the mode. Emulated
//! IDE/SATA or a missing I/O thread are slow with any mode.
//!
//! ## Fix
//! `cache='none' io='native'` (or `io_uring`) on block devices and preallocated or raw files; `writeback` on file
//! systems without O_DIRECT. Both obey the guest's flushes, so data is as safe as on bare metal.
//!
//! ## References
//! QEMU invocation `-drive cache=, aio=` (table of modes); `block/file-posix.c`; libvirt domain XML, disk
//! `<driver>`; Linux `Documentation/block/writeback_cache_control.rst`.

use super::cache_mode_unsafe::disks;
use crate::prelude::*;

/// What users say of a slow disk.
pub(crate) const SLOW: &[&str] = &[
    "slow disk",
    "disk is slow",
    "disk performance",
    "slow write",
    "writes are slow",
    "slow i/o",
    "slow io",
    "io performance",
    "i/o performance",
    "iops",
    "MB/s",
    "latency",
    "throughput",
    "fsync",
];

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["storage", "performance"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Probe(Probe::Vmms)],
    signs: &[
        Sign::support("cache=writethrough").kinds(&["text", "proxmox_conf"]),
        Sign::support("cache='writethrough'").kinds(&["text", "proxmox_conf"]),
        Sign::support("cache=directsync").kinds(&["text", "proxmox_conf"]),
        Sign::support("cache='directsync'").kinds(&["text", "proxmox_conf"]),
        Sign::support("Unable to use Linux AIO, falling back to thread pool"),
        Sign::support("Unable to use linux io_uring, falling back to thread pool"),
        Sign::hint("aio=threads"),
        // The guest waits for its journal: what lies below is slow.
        Sign::support("task jbd2/{disk}:{pid} blocked for more than"),
        Sign::support("task xfsaild/{disk}:{pid} blocked for more than"),
    ],
    words: SLOW,
    tells: "virsh dumpxml VM",
    remedy: "use cache='none' with io='native' or 'io_uring' where the file system allows O_DIRECT, else 'writeback'",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let slow = cx.asked(SLOW);
    for disk in disks(cx).iter() {
        draft = draft.looked();
        let flushing = matches!(disk.cache.as_deref(), Some("writethrough" | "directsync"));
        let cached = disk.direct() == Some(false) && !disk.readonly;
        let threads = disk.aio.as_deref().is_none_or(|aio| aio == "threads");
        let (strength, shows) = match (flushing, slow) {
            (true, true) => (Strength::Strong, "every write waits for a flush"),
            (true, false) => (Strength::Support, "every write waits for a flush"),
            (false, true) if cached && threads => (Strength::Hint, "page cache and thread pool"),
            _ => continue,
        };
        draft = draft.because(strength, disk.quote.clone(), shows).title(format!(
            "{} uses cache={}",
            disk.name(),
            disk.cache.as_deref().unwrap_or("writeback")
        ));
        break;
    }
    vec![draft.verdict()]
}
