//! # vm.max_map_count is too low for the VM's mappings
//!
//! ## What it is
//! A process may hold only `vm.max_map_count` memory mappings (65530 by default). Past that, `mmap`, `mprotect`
//! and `munmap` fail with ENOMEM while memory is free.
//!
//! Heard as: a VMM with very many mappings dies after hours; mmap fails.
//!
//! Known by: mmap fails with ENOMEM though memory is free; 65530 maps; vm.max_map_count sysctl; large VM with many
//! mappings crashes; thread creation failed.
//!
//! ## Why it happens
//! QEMU takes two mappings for each coroutine stack, so a disk with many requests in flight (qcow2 under heavy
//! load, NBD, many virtio-blk queues) takes thousands; thousands of DIMMs, memory slots, vhost regions, pages
//! split by balloon or virtio-mem, or io_uring buffers take more. An administrator may have lowered it.
//!
//! ## Confirm
//! `wc -l /proc/<pid of the VMM>/maps` is near `sysctl vm.max_map_count`.
//!
//! ## Refute
//! The count of mappings is far below the limit: then it is address space (`ulimit -v`), overcommit or memory.
//!
//! ## Fix
//! `vm.max_map_count=1048576` in sysctl.d. For QEMU since 8.0 the coroutine pool is sized by this limit.
//!
//! ## References
//! Linux `mm/mmap.c`, `Documentation/admin-guide/sysctl/vm.rst` (max_map_count); QEMU
//! `util/oslib-posix.c` (`qemu_alloc_stack`), `util/qemu-coroutine.c`.

use super::hugepages_not_reserved::settings::setting;
use crate::prelude::*;

/// The kernel's default, `DEFAULT_MAX_MAP_COUNT` of include/linux/mm.h.
const DEFAULT: u64 = 65530;

pub const RULE: Rule = Rule {
    tags: &["memory"],
    needs: &[Need::File("/proc/sys/vm/max_map_count")],
    signs: &[
        Sign::strong("failed to set up stack guard page: Cannot allocate memory"),
        Sign::strong("failed to allocate memory for stack: Cannot allocate memory"),
        Sign::strong("failed to allocate memory for stack"),
        Sign::strong("failed to set up stack guard page"),
        Sign::support("Too many memory mappings"),
        Sign::strong("vm.max_map_count").and(&["too low"]),
        Sign::support("max_map_count").and(&["failed to create coroutine"]),
        Sign::hint("SELinux is preventing*max_map_count").against(),
        Sign::support("denied*max_map_count").against(),
    ],
    words: &["max_map_count", "mappings", "coroutine", "heavy i/o", "crashes under load"],
    tells: "/proc/sys/vm/max_map_count",
    remedy: "raise vm.max_map_count",
    applicability: Applicability::Safe,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let said = draft.any();
    if let Some(limit) = setting(cx, "/proc/sys/vm/max_map_count", "max_map_count")
        && let Some(value) = limit.number()
    {
        draft = draft.looked();
        let maps = mappings(cx);
        if let Some((count, quote)) =
            maps.filter(|(count, _)| count.saturating_mul(20) >= value.saturating_mul(19))
        {
            draft = draft
                .because(Strength::Strong, quote, "a process has nearly as many mappings as it may")
                .because(Strength::Support, limit.quote.clone(), "this many")
                .title(format!("a process has {count} mappings of {value} allowed"));
        } else if value < DEFAULT {
            draft = draft
                .because(Strength::Support, limit.quote.clone(), "less than the kernel's default of 65530")
                .title(format!("vm.max_map_count was lowered to {value}"));
        } else if said && value == DEFAULT {
            draft = draft.because(Strength::Hint, limit.quote.clone(), "the kernel's default");
        }
        if !said {
            draft = draft.level(Level::Warn);
        }
    }
    vec![draft.verdict()]
}

/// The count of mappings that `wc -l /proc/<pid>/maps`, or a pipe into `wc -l`, printed.
fn mappings(cx: &Context<'_>) -> Option<(u64, Option<Evidence>)> {
    for text in cx.texts_with(["/maps", "pmap "]) {
        let mut piped = false;
        for (number, line) in text.lines() {
            if let Some(count) = line.trim().parse::<u64>().ok().filter(|_| piped) {
                return Some((count, text.quote(number)));
            }
            piped = (line.contains("pmap ") || line.contains("/maps")) && line.contains("| wc -l");
            let mut words = line.split_whitespace();
            let count = words.next().and_then(|word| word.parse::<u64>().ok());
            if let Some(count) = count
                && words.next().is_some_and(|path| path.starts_with("/proc/") && path.ends_with("/maps"))
            {
                return Some((count, text.quote(number)));
            }
        }
    }
    None
}
