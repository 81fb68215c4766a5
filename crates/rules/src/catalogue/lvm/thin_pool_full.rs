//! # The thin pool's data or metadata is full
//!
//! ## What it is
//! Thin volumes promise more than the pool has. When its data space is used up, writes wait for
//! `no_space_timeout` (60 s) and then fail; when its metadata is full, the pool goes read-only and needs a check.
//! The VMs on it pause, or their file systems go read-only.
//!
//! Heard as: several VMs paused or got I/O errors at once though df shows space; thin pool at 100 percent.
//!
//! Known by: data percent 100; out-of-data-space; guests paused or read-only; dm-thin: reached low water mark; metadata
//! space; cannot create new thin volume, free space in thin pool reached threshold.
//!
//! ## Why it happens
//! Overcommitment with snapshots, discard that never reaches the pool, metadata made too small for many
//! snapshots, and no automatic growth: `thin_pool_autoextend_threshold = 100` or no free extents in the group.
//!
//! ## Confirm
//! `lvs -a -o lv_name,lv_size,data_percent,metadata_percent,lv_attr`: Data% or Meta% at 100, attribute `D`, `M` or
//! `F` in place 9; `dmesg | grep 'thin'`: "switching pool to out-of-data-space mode".
//!
//! ## Refute
//! Data% and Meta% are well below 100: a full file system on top of a thin volume is not a full pool.
//!
//! ## Fix
//! `lvextend -L +N VG/POOL` and `lvextend --poolmetadatasize +N VG/POOL` (add a physical volume if the group has
//! no free extents), or remove snapshots; after "needs_check" deactivate and `lvconvert --repair VG/POOL`.
//! Then resume the VMs, run fstrim in them, and set the threshold to 80.
//!
//! ## References
//! lvmthin(7) (automatic extension, full); Linux `drivers/md/dm-thin.c`, `set_pool_mode()`; Linux
//! `Documentation/admin-guide/device-mapper/thin-provisioning.rst`; lvm.conf(5), `activation/thin_pool_*`.

use super::not_activated::lvs::volumes;
use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["storage"],
    needs: &[Need::Command(&["dmesg"])],
    signs: &[
        Sign::proof("switching pool to out-of-data-space"),
        Sign::strong("switching pool to read-only mode"),
        Sign::strong("switching pool to failed mode"),
        Sign::strong("reached low water mark for data device"),
        Sign::strong("reached low water mark for metadata device"),
        // `dmsetup status`.
        Sign::strong("thin-pool*out_of_data_space"),
        Sign::support("thin-pool*needs_check"),
        Sign::strong("no free data space available"),
        Sign::strong("no free metadata space available"),
        Sign::strong("Out of metadata space"),
        Sign::strong("out of data space").unless(&["reserved"]),
        Sign::strong("metadata operation '{operation}' failed: error = -28"),
        Sign::support("metadata operation '{operation}' failed"),
        Sign::strong("Free space in pool {pool} reached threshold"),
        Sign::strong("reached threshold").and(&["thin"]),
        // lvm2, vg_status and lv_manip; dmeventd's thin plugin.
        Sign::strong("free space in thin pool"),
        Sign::strong("Insufficient free space").and(&["-tpool"]),
        Sign::strong("Cannot create new thin volume, free space in thin pool {pool} reached threshold"),
        Sign::strong("Thin pool {pool} is now {percent} full"),
        Sign::strong("Thin pool {pool} data is now {percent} full"),
        Sign::strong("Thin pool {pool} metadata is now {percent} full"),
        Sign::support("unable to service pool target messages in READ_ONLY or FAIL mode"),
        Sign::support("is already in READ_ONLY or FAIL mode"),
        Sign::support("Sum of all thin volume sizes"),
        Sign::support("You have not turned on protection against thin pools running out of space"),
        Sign::support("Thin's thin-pool needs inspection"),
        Sign::strong("Insufficient free space").and(&["thin"]),
        Sign::support("has insufficient free space").and(&["thin"]),
        Sign::support("unable to switch pool to write mode until repaired"),
        Sign::support("not enough free space ("),
        Sign::strong("unable to allocate new metadata block"),
    ],
    words: &["thin pool", "lvm-thin", "local-lvm", "data%", "meta%", "thinpool", "thin provision"],
    explains: &["storage/host-full", "storage/io-error-paused", "lvm/not-activated", "storage/read-only"],
    tells: "lvs -a -o lv_name,data_percent,metadata_percent,lv_attr",
    remedy: "extend the thin pool's data or metadata (or remove snapshots), then resume the VMs and let them trim",
    applicability: Applicability::NeedsApproval,
    rank: Rank::Specific,
    check,
    ..Rule::NEW
};

/// From this share on, in percent, a pool has no room for the next write of its guests.
const FULL: f64 = 99.0;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for pool in volumes(cx).iter().filter(|volume| volume.is_pool()) {
        draft = draft.looked();
        // Health: out of (D)ata space, (M)etadata read-only, (F)ailed.
        if matches!(pool.attributes[8], b'D' | b'M' | b'F') || pool.percents.iter().any(|used| *used >= FULL)
        {
            draft = draft
                .because(Strength::Proof, pool.quote.clone(), "the pool's data or metadata is used up")
                .title(format!("thin pool {} is full", pool.name));
            break;
        }
    }
    vec![draft.verdict()]
}
