//! # The thin pool's data or metadata is full
//!
//! ## What it is
//! Thin volumes promise more than the pool has. When its data space is used up, writes wait for
//! `no_space_timeout` (60 s) and then fail; when its metadata is full, the pool goes read-only and needs a check.
//! The VMs on it pause, or their file systems go read-only.
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

use crate::prelude::*;
use vmwright_formats::lines::lines;

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

/// Listings are short; what is longer is a log.
const LISTING: usize = 1 << 20;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for text in cx.texts().iter().filter(|text| text.text.len() < LISTING) {
        for (number, line) in lines(&text.text) {
            let words: Vec<&str> = line.split_whitespace().collect();
            // `lvs`: an attribute field of ten characters that begins with `t` is a thin pool.
            let Some(at) = words.iter().position(|word| {
                word.len() == 10
                    && word.starts_with(['t', 'T'])
                    && word.contains("-tz") | word.contains("otz") | word.contains("atz")
            }) else {
                continue;
            };
            let percents =
                words[at + 1..].iter().filter_map(|word| word.replace(',', ".").parse::<f64>().ok());
            let state = words[at].as_bytes().get(8);
            draft = draft.looked();
            if matches!(state, Some(b'D' | b'M' | b'F'))
                || percents.into_iter().any(|used| (99.0..=100.0).contains(&used))
            {
                draft = draft
                    .because(Strength::Proof, text.quote(number), "the pool's data or metadata is used up")
                    .title(format!("thin pool {} is full", words.first().copied().unwrap_or_default()));
                return vec![draft.verdict()];
            }
        }
    }
    vec![draft.verdict()]
}
