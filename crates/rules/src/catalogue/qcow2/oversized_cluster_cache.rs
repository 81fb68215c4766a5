//! # The metadata cache is too small for the image, and random I/O crawls
//!
//! ## What it is
//! To find a cluster, QEMU reads its entry from an L2 table. With 64 KiB clusters 1 MiB of cached tables covers
//! 8 GiB of disk. When the guest touches more than the cache covers, each request first reads a table from disk.
//!
//! Heard as: random reads on a very large qcow2 disk are slow, on a small one fast.
//!
//! Known by: l2-cache-size; random reads slow on large image; L2 table misses; cluster_size; performance falls with
//! image of terabytes.
//!
//! ## Why it happens
//! QEMU's cache was 1 MiB until 3.0; since 3.1 it grows to at most 32 MiB, which covers 256 GiB with the usual
//! cluster size. Larger images, smaller clusters, or a long chain (each layer has a cache of its own) exceed it.
//!
//! ## Confirm
//! `qemu-img info <image>`: virtual size times 8 divided by the cluster size is the cache needed for all of it.
//! In the guest random reads get slow only when they spread over a large range; the host sees twice the reads.
//!
//! ## Refute
//! Random reads over a range of less than 8 GiB are as slow; or the image is raw.
//!
//! ## Fix
//! Set `l2-cache-size` to size * 8 / cluster size (libvirt `<driver><metadata_cache><max_size unit='MiB'>`), or
//! convert to larger clusters (`cluster_size=2M`, with `extended_l2=on` for small writes). The memory is used
//! only as far as needed.
//!
//! ## References
//! QEMU `docs/qcow2-cache.txt`; `block/qcow2.h` (DEFAULT_L2_CACHE_MAX_SIZE); libvirt domain XML,
//! `<metadata_cache>` (7.0).

use crate::prelude::*;

/// The words of a slow or crawling disk.
const SLOW: &[&str] =
    &["slow", "crawl", "random i/o", "random io", "random read", "iops", "performance", "latency", "fio"];

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["storage", "performance"],
    signs: &[Sign::hint("l2-cache-size"), Sign::hint("metadata_cache"), Sign::hint("L2 cache entry size")],
    words: SLOW,
    tells: "qemu-img info IMAGE",
    remedy: "raise l2-cache-size to the virtual size times 8 divided by the cluster size, or use larger clusters",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Cached tables of QEMU 3.1 and later, bytes (`DEFAULT_L2_CACHE_MAX_SIZE` of `block/qcow2.h`).
const CACHE: u64 = 32 << 20;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let slow = cx.asked(SLOW);
    for text in cx.texts_with("file format: qcow2") {
        let (mut qcow2, mut size) = (false, None);
        for (number, line) in text.lines() {
            // The fields of `qemu-img info`.
            let Some((key, value)) = line.trim().split_once(": ") else { continue };
            let number_of = |value: &str| {
                value.split(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty())?.parse::<u64>().ok()
            };
            match key {
                "file format" => (qcow2, size) = (value == "qcow2", None),
                "virtual size" if qcow2 => {
                    size = value.split_once('(').and_then(|(_, bytes)| number_of(bytes))
                }
                "cluster_size" if qcow2 => {
                    let (Some(size), Some(cluster)) = (size, number_of(value).filter(|bytes| *bytes > 0))
                    else {
                        continue;
                    };
                    draft = draft.looked();
                    let needed = size / cluster * 8;
                    if needed > CACHE {
                        let strength = if slow { Strength::Strong } else { Strength::Support };
                        if !slow {
                            draft = draft.level(Level::Note);
                        }
                        draft = draft
                            .because(
                                strength,
                                text.quote(number),
                                "the default cache does not cover the image",
                            )
                            .title(format!(
                                "the image needs {} MiB of cached tables; the default ends at 32 MiB",
                                needed >> 20
                            ));
                        return vec![draft.verdict()];
                    }
                }
                _ => {}
            }
        }
    }
    vec![draft.verdict()]
}
