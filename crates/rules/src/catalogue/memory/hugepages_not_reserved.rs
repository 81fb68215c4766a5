//! # Fewer huge pages are free than the VM asks for
//!
//! ## What it is
//! Guest memory on huge pages comes from a pool that the administrator fills before. A VM starts only if the pool
//! of its page size, on the NUMA node that it is bound to, holds enough free pages for all of its memory.
//!
//! Heard as: the VM with huge pages is refused for lack of memory or ends at once though the server has much;
//! fewer pages than it needs, or on another node.
//!
//! Known by: unable to map backing store for guest RAM: Cannot allocate memory; HugePages_Free 0; nr_hugepages too
//! small; vm.nr_hugepages after fragmentation; -mem-path; os_mem_prealloc insufficient free host memory pages; allocate
//! at boot, fragmentation, per node; VM with memoryBacking fails; 1G pages; free_hugepages; not enough; other process
//! eats them.
//!
//! ## Why it happens
//! Nobody filled the pool, it was filled too late (memory was fragmented by then), with the other page size, or
//! on another node; other VMs, DPDK or a database took the pages; or the file in `/dev/hugepages` of a dead
//! process keeps them. Free ordinary memory is no help: the kernel never makes huge pages out of it by itself
//! unless `nr_overcommit_hugepages` allows it.
//!
//! ## Confirm
//! `grep Huge /proc/meminfo`, and per size and node
//! `grep . /sys/devices/system/node/node*/hugepages/hugepages-*/{nr,free}_hugepages`: free pages times their size
//! are less than the memory of the VM.
//!
//! ## Refute
//! Enough pages of that size are free on that node: look for a missing mount (`mount -t hugetlbfs` says nothing),
//! a permission, or pages that cannot be pinned.
//!
//! ## Fix
//! `vm.nr_hugepages`, or `hugepagesz=1G hugepages=N` on the kernel command line for 1 GiB pages; per node by the
//! node's own `nr_hugepages`. Reserve at boot, before memory fragments, and some pages more than the VM's size.
//!
//! ## References
//! Linux `Documentation/admin-guide/mm/hugetlbpage.rst`, `mm/hugetlb.c`; QEMU `system/physmem.c`
//! (`file_ram_alloc`), `util/oslib-posix.c` (`qemu_prealloc_mem`); libvirt formatdomain, "Memory Backing".

#[path = "state/guests.rs"]
pub(crate) mod guests;
#[path = "state/pools.rs"]
pub(crate) mod pools;
#[path = "state/settings.rs"]
pub(crate) mod settings;

use crate::prelude::*;
use guests::guests;
use pools::pools;
use settings::ids;
use vmwright_formats::MemInfo;

#[path = "messages/hugepages_not_reserved.rs"]
mod messages;

/// Texts that say that guest memory was to come from huge pages.
const HUGE: &[&str] = &["mem-path=/dev/hugepages"];

pub const RULE: Rule = Rule {
    tags: &["memory", "hugepages"],
    needs: &[
        Need::File("/proc/meminfo"),
        Need::Glob("/sys/devices/system/node/node*/hugepages/hugepages-*/nr_hugepages"),
        Need::Glob("/sys/devices/system/node/node*/hugepages/hugepages-*/free_hugepages"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
        Need::Probe(Probe::Vmms),
        Need::Probe(Probe::Machine),
    ],
    signs: messages::SIGNS,
    words: &["hugepage", "huge page", "nr_hugepages", "1G pages", "hugetlb"],
    tells: "/proc/meminfo",
    remedy: "reserve enough huge pages of the VM's page size, on its NUMA node, at boot",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let said = draft.any();
    let (guests, pools) = (guests(cx), pools(cx));
    let memory = cx.one::<MemInfo>();
    for guest in guests.iter().filter(|one| one.huge.is_some()) {
        let Some(wanted) = guest.memory else { continue };
        let default = memory.as_ref().and_then(|info| info.bytes("Hugepagesize")).map(|size| size.value);
        let Some(page) = guest.page.or(default).filter(|page| *page > 0) else { continue };
        draft = draft.looked();
        let node = guest.strict.as_deref().map(ids).filter(|nodes| nodes.len() == 1).map(|nodes| nodes[0]);
        let pool = pools.iter().find(|pool| pool.page == page && node.is_some() && pool.node == node);
        let pool = pool.or_else(|| pools.iter().find(|pool| pool.page == page && pool.node.is_none()));
        let Some(pool) = pool else { continue };
        // A running VM holds its pages already: only the size of the whole pool speaks then.
        let usable =
            if guest.running { pool.total.as_ref() } else { pool.free.as_ref().or(pool.total.as_ref()) };
        let Some((pages, quote)) = usable else { continue };
        if pages.saturating_mul(page) < wanted && pool.total.is_some() {
            let short = pool.total.as_ref().is_some_and(|(total, _)| total.saturating_mul(page) < wanted);
            let strength = if short || said { Strength::Strong } else { Strength::Support };
            draft = draft
                .because(strength, quote.clone(), "the pool has fewer pages than the VM needs")
                .because(Strength::Hint, guest.huge.clone().flatten(), "the VM asks for huge pages")
                .title(format!(
                    "{} huge pages of {} KiB are there for a VM of {} MiB",
                    pages,
                    page >> 10,
                    wanted >> 20
                ));
            draft = draft.actions(reserved(cx, pool, wanted));
            if !guest.name.is_empty() {
                draft = draft.about(Subject::new(SubjectKind::Vm, guest.name.clone()));
            }
            if !said {
                draft = draft.level(Level::Warn);
            }
            break;
        }
    }
    vec![draft.verdict()]
}

/// Where it is kept what a plan reserved.
const KEPT: &str = "/etc/sysctl.d/90-vmwright-hugepages.conf";

/// What makes room for `wanted` bytes in a pool, now and, where no file of the host's sets their number, after the next
/// boot too.
fn reserved(cx: &Context<'_>, pool: &pools::Pool, wanted: u64) -> Vec<Action> {
    let Some((total, _)) = pool.total else { return Vec::new() };
    let used = pool.free.as_ref().map_or(0, |(free, _)| total.saturating_sub(*free));
    let to = used.saturating_add(wanted.div_ceil(pool.page));
    if to <= total {
        return Vec::new();
    }
    let mut actions = vec![Action::HugePages { node: pool.node, size_kib: pool.page >> 10, from: total, to }];
    let usual = cx.one::<MemInfo>().and_then(|info| info.bytes("Hugepagesize")).map(|size| size.value);
    if pool.node.is_none() && usual == Some(pool.page) {
        let set = |source: &str| source == "/etc/sysctl.conf" || source.starts_with("/etc/sysctl.d/");
        let known = cx.texts_named(set).any(|text| {
            text.lines_with("vm.nr_hugepages").any(|(_, line)| !line.trim_start().starts_with(['#', ';']))
        });
        if !known && matches!(cx.file("/etc/sysctl.conf"), Found::Text(_) | Found::Absent) {
            let text = format!("# Made by vmwright: memory of VMs in huge pages.\nvm.nr_hugepages = {to}\n");
            actions.push(Action::FileCreate { path: KEPT.to_owned(), text, mode: 0o644 });
        }
    }
    actions
}
