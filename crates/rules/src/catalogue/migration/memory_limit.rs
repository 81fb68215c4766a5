//! # The target has not the memory, huge pages or limit that the VM needs
//!
//! ## What it is
//! The target must set up all of the guest's memory, with the same page size, before the first byte arrives. It
//! has too little free memory, too few huge pages, or a lower lock limit than the VM's devices or the transport
//! need.
//!
//! Heard as: the target has too little memory, huge pages or locked memory for the arriving VM.
//!
//! Known by: no room on destination; hugepages missing there; memory exceeds destination's free memory; target refuses
//! to allocate; postcopy userfault; target OOM or refuses while source is fine; incoming QEMU cannot allocate; RDMA
//! pin-all, zero-copy locked memory; page size of target.
//!
//! ## Why it happens
//! Huge pages are reserved on the source alone; the target is fuller; a strict NUMA binding meets a full node
//! there; RDMA, zero-copy and VFIO lock memory and no hard limit was raised; a scheduler's accounting (nova,
//! Kubernetes) refuses; the target's cgroup or pod has no room for a second copy's overhead.
//!
//! ## Confirm
//! On the target `free -g`, `grep Huge /proc/meminfo`, `cat
//! /sys/devices/system/node/node*/hugepages/*/free_hugepages`, `virsh dumpxml NAME | grep -A4 -E
//! 'memtune|memoryBacking'`; its qemu log ends before "load of migration".
//!
//! ## Refute
//! The target's QEMU started and received data: memory was there.
//!
//! ## Fix
//! Free or reserve memory and huge pages on the target first (of the same size and node), raise
//! `<memtune><hard_limit>` for RDMA and assigned devices, or choose another target.
//!
//! ## References
//! QEMU `util/oslib-posix.c` (os_mem_prealloc, qemu_prealloc_mem), `migration/rdma.c`, `io/channel-socket.c`
//! (MSG_ZEROCOPY); libvirt `src/qemu/qemu_migration.c`; nova `conductor/tasks/live_migrate.py`.

#[path = "preflight/limits.rs"]
mod preflight;

use crate::catalogue::memory::hugepages_not_reserved::guests::guests;
use crate::prelude::*;
use vmwright_formats::Free;

pub const RULE: Rule = Rule {
    tags: &["migration", "memory"],
    needs: &[
        Need::File("/proc/meminfo"),
        Need::File("/proc/cpuinfo"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
        Need::Glob("/sys/devices/system/node/node*/hugepages/hugepages-*/free_hugepages"),
    ],
    signs: &[
        Sign::proof("cannot start RDMA migration with no memory hard limit set"),
        Sign::proof("Process can't lock enough memory for using MSG_ZEROCOPY"),
        Sign::proof("Lack of memory(host:"),
        Sign::strong("Insufficient compute resources: Free memory").and(&["migrati"]),
        Sign::strong("Insufficient compute resources: Free memory").and(&["migrate"]),
        Sign::strong("cannot set up guest memory").and(&["-incoming"]),
        Sign::strong("cannot set up guest memory").and(&["migrati"]),
        Sign::strong("cannot set up guest memory").and(&["migrate"]),
        Sign::strong("Insufficient free host memory pages available to allocate guest RAM")
            .and(&["-incoming"]),
        Sign::strong("Insufficient free host memory pages available to allocate guest RAM").and(&["migrati"]),
        Sign::strong("Insufficient free host memory pages available to allocate guest RAM").and(&["migrate"]),
        Sign::strong("qemu_prealloc_mem: preallocating memory failed").and(&["migrati"]),
        Sign::strong("qemu_prealloc_mem: preallocating memory failed").and(&["migrate"]),
        Sign::strong("unable to map backing store for guest RAM").and(&["-incoming"]),
        Sign::strong("unable to map backing store for guest RAM").and(&["migrati"]),
        Sign::strong("unable to map backing store for guest RAM").and(&["migrate"]),
        Sign::strong("unable to map backing store for hugepages").and(&["migrati"]),
        Sign::strong("unable to map backing store for hugepages").and(&["migrate"]),
        Sign::strong("hugetlbfs filesystem is not mounted").and(&["-incoming"]),
        Sign::strong("load of migration failed: Cannot allocate memory"),
        Sign::strong("Failed to register local dest ram block"),
        Sign::strong("Insufficient hugepages-").and(&["migrati"]),
        Sign::strong("Insufficient hugepages-").and(&["migrate"]),
        Sign::strong("Insufficient memory").and(&["migrati", "virt-launcher"]),
        Sign::strong("Insufficient memory").and(&["migrate", "virt-launcher"]),
        Sign::support("vfio_container_dma_map").and(&["-incoming", "Cannot allocate memory"]),
        Sign::support("VFIO_MAP_DMA failed: Cannot allocate memory").and(&["-incoming"]),
        Sign::support("Out of memory: Kill").and(&["migrati"]),
        Sign::support("Out of memory: Kill").and(&["migrate"]),
        Sign::support("oom-kill:").and(&["migrati"]),
        Sign::support("oom-kill:").and(&["migrate"]),
        Sign::support("mlock: Cannot allocate memory").and(&["migrati"]),
        Sign::support("mlock: Cannot allocate memory").and(&["migrate"]),
        Sign::strong("postcopy * mlock: "),
        Sign::strong("Userfault on this host does not support huge pages"),
        Sign::support("Host backend files need to be TMPFS or HUGETLBFS only"),
        Sign::support("failed to allocate memory").and(&["-incoming"]),
        Sign::support("not enough free huge pages").and(&["migrati"]),
        Sign::support("not enough free huge pages").and(&["migrate"]),
        Sign::support("No suitable target host * memory"),
        Sign::strong("Postcopy requires RAM blocks to be a page size multiple"),
        Sign::strong("Target page size bigger than host page size"),
        Sign::strong("Failed to map postcopy_tmp_pages"),
    ],
    words: &["migrat", "target host", "destination", "huge page", "hugepage", "memory", "rdma"],
    explains: &[
        "memory/hugepages-not-reserved",
        "memory/host-oom",
        "memory/locked-limit",
        "numa/node-memory-exhausted",
    ],
    tells: "grep -i huge /proc/meminfo and free -g on the target",
    remedy: "reserve memory and huge pages of the same size on the target, raise the hard limit, or choose another target",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::None,
    preflight: Some(preflight::judge),
    check,
    ..Rule::NEW
};

/// How a text is called that was read on the host that a VM is to move to.
const THERE: [&str; 3] = ["target", "dest", "dst"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if cx.said("migrat") {
        let wanted = guests(cx)
            .iter()
            .filter_map(|guest| Some((guest.memory?, guest.quote.clone()?)))
            .max_by_key(|one| one.0);
        for seen in cx.all::<Free>() {
            let there = THERE.iter().any(|name| seen.text.source.contains(name));
            let Some(left) = preflight::of_free(&seen).filter(|_| there) else { continue };
            if let Some((memory, quote)) =
                wanted.clone().filter(|(memory, _)| *memory > left.memory.saturating_add(left.swap))
            {
                draft = draft
                    .because(Strength::Strong, left.quote, "what the target has left")
                    .because(Strength::Hint, Some(quote), "what the VM has")
                    .title(format!(
                        "the VM has {} MiB of memory, and the target has {} MiB left",
                        memory >> 20,
                        left.memory >> 20
                    ));
            }
        }
    }
    vec![draft.verdict()]
}
