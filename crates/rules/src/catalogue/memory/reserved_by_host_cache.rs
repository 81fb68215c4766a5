//! # Caches of the host hold the memory that the VM needs
//!
//! ## What it is
//! The ZFS ARC takes half of the host's memory or more and gives it back slowly, and the kernel counts it as used,
//! not as cache: `available` in `free` leaves it out. Files in tmpfs and `/dev/shm` count as cache and cannot be
//! dropped at all. A VM that fits on paper does not start, or the OOM killer comes while ZFS still shrinks.
//!
//! Heard as: right after a reboot the VM starts, later it does not: ZFS, ARC or tmpfs holds the memory.
//!
//! Known by: ZFS ARC eats RAM; page cache; zfs_arc_max; available memory low while buffers are large; VM cannot start
//! until drop_caches; tmpfs.
//!
//! ## Why it happens
//! `zfs_arc_max` is left at its default, images lie on the pool so the same data is cached twice (guest and ARC),
//! or somebody keeps large files in `/tmp` on tmpfs. After a fresh boot the cache is small and all is well.
//!
//! ## Confirm
//! `awk '/^size/ {print $3}' /proc/spl/kstat/zfs/arcstats` beside `free`; `grep Shmem: /proc/meminfo`; `df -t
//! tmpfs`.
//!
//! ## Refute
//! ARC and Shmem are small beside what is missing: then the host has too little memory (`memory/host-oom`).
//!
//! ## Fix
//! Set `zfs_arc_max` (module option) to what the VMs leave, and `primarycache=metadata` on datasets of images;
//! empty or shrink the tmpfs; reserve the VM's memory early, with huge pages.
//!
//! ## References
//! OpenZFS `man 4 zfs` (zfs_arc_max), "Performance tuning"; Linux `Documentation/filesystems/tmpfs.rst`,
//! `Documentation/mm/overcommit-accounting.rst`.

use super::hugepages_not_reserved::guests::guests;
use crate::prelude::*;
use vmwright_formats::{Free, MemInfo};

/// No memory could be had.
const ENOMEM: &str = "Cannot allocate memory";

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["memory", "zfs"],
    needs: &[
        Need::File("/proc/spl/kstat/zfs/arcstats"),
        Need::File("/proc/meminfo"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
        Need::Probe(Probe::Vmms),
    ],
    signs: &[
        Sign::strong("cannot set up guest memory '{id}': Cannot allocate memory").and(&["zfs_member"]),
        Sign::strong("cannot set up guest memory '{id}': Cannot allocate memory").and(&["arcstats"]),
        Sign::strong("cannot set up guest memory '{id}': Cannot allocate memory").and(&["zfs_arc_"]),
        Sign::strong("cannot set up guest memory '{id}': Cannot allocate memory").and(&["ARC size"]),
        Sign::support("cannot set up guest memory '{id}': Cannot allocate memory").and(&["zpool"]),
        Sign::support("cannot set up guest memory '{id}': Cannot allocate memory")
            .and(&["/dev/shm", "tmpfs"]),
        Sign::support("cannot set up guest memory '{id}': Cannot allocate memory").and(&["drop_caches"]),
        Sign::strong("Out of memory: Kill* process {pid} (*").and(&["arcstats"]),
        Sign::support("Out of memory: Kill* process {pid} (*").and(&["zfs_arc_max"]),
        Sign::strong("arc_reclaim").and(&["Out of memory"]),
        Sign::support("arc_prune").and(&["Out of memory"]),
        Sign::support("zfs_member").and(&[ENOMEM]),
        Sign::support("zfs_arc_max").and(&[ENOMEM]),
        // What a complaint makes of a configuration.
        Sign::strong("c_max").said(&["memory", "allocate"]).or_near(),
        Sign::support("zfs_arc_max").said(&["memory", "allocate"]).or_near(),
    ],
    words: &[
        "freshly booted",
        "been up",
        "after a while",
        "after some",
        "drop_caches",
        "zfs_arc",
        "zfs arc",
        "tmpfs",
    ],
    explains: &["memory/host-oom"],
    tells: "/proc/spl/kstat/zfs/arcstats",
    remedy: "limit the ZFS ARC (zfs_arc_max), or empty the tmpfs, so that the VMs' memory stays free",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let said = draft.any() || cx.stands("cannot set up guest memory '{id}': Cannot allocate memory");
    for seen in cx.all::<Free>().iter().filter(|_| said) {
        // What lies in tmpfs is more than a quarter, and more than what is left.
        let held = seen.memory.filter(|memory| {
            let left = memory.available.unwrap_or(memory.free);
            memory.shared.is_some_and(|shared| shared > memory.total / 4.0 && shared > left)
        });
        let line = held.and_then(|memory| seen.quote(memory.line));
        draft = draft.because(Strength::Strong, line, "much of it is tmpfs and shared memory");
    }
    // Without /proc/meminfo the ARC's own figures tell: it is as large as it may be, and none was left.
    let Some(info) = cx.one::<MemInfo>() else {
        if let Some((bytes, quote, what)) = arc(cx).filter(|(bytes, ..)| said && *bytes > 1 << 30) {
            draft = draft
                .because(Strength::Strong, quote, "this much lies in a cache")
                .title(format!("{} MiB lie in {what}", bytes >> 20));
        }
        return vec![draft.verdict()];
    };
    let (Some(total), Some(left)) = (info.bytes("MemTotal"), info.bytes("MemAvailable")) else {
        return vec![draft.verdict()];
    };
    draft = draft.looked();
    let shared =
        info.bytes("Shmem").map(|found| (found.value, info.quote(found.line), "tmpfs and shared memory"));
    for (bytes, quote, what) in arc(cx).into_iter().chain(shared) {
        let missing = |one: &&super::hugepages_not_reserved::guests::Guest| {
            let plain = one.huge.is_none() && !one.running;
            plain
                && one
                    .memory
                    .is_some_and(|memory| memory > left.value && memory < left.value.saturating_add(bytes))
        };
        let guest = guests(cx).iter().find(missing).and_then(|one| one.quote.clone());
        if bytes > total.value / 4 && (guest.is_some() || said) {
            draft = draft
                .because(Strength::Strong, quote, "this much lies in a cache")
                .because(Strength::Support, info.quote(left.line), "and this is left")
                .because(Strength::Support, guest, "for a VM of this size")
                .title(format!("{} MiB lie in {what}", bytes >> 20));
        }
    }
    if !said {
        draft = draft.level(Level::Warn);
    }
    vec![draft.verdict()]
}

/// Size of the ARC in bytes: the line `size 4 <bytes>` of arcstats.
fn arc(cx: &Context<'_>) -> Option<(u64, Option<Evidence>, &'static str)> {
    let text = cx.texts_with(["arc_meta", "c_max "]).next()?;
    text.lines_with("size").find_map(|(number, line)| {
        let mut words = line.split_whitespace();
        let bytes = (words.next() == Some("size")).then(|| words.last()?.parse().ok()).flatten()?;
        Some((bytes, text.quote(number), "the ZFS ARC"))
    })
}
