//! # The limit of locked memory is too small for the VM
//!
//! ## What it is
//! Guest memory that a device reaches by DMA is pinned, and pinned or `mlock`ed memory counts against
//! RLIMIT_MEMLOCK of the VMM's process. An unprivileged VMM whose limit is below guest memory plus some room for
//! device regions gets ENOMEM, however much memory is free.
//!
//! Heard as: a VM with a passed-through device or locked memory cannot allocate memory though much is free; ulimit
//! -l, as an ordinary user.
//!
//! Known by: RLIMIT_MEMLOCK, ulimit -l; VFIO_MAP_DMA cannot allocate memory; LimitMEMLOCK in the unit; mlock failed;
//! memtune hard_limit; unprivileged user passthrough, io_uring; lock pages, pin; assigned device only fails with larger
//! memory; prlimit; LimitMEMLOCK infinity; systemd user session; rootless.
//!
//! ## Why it happens
//! The default limit is 64 KiB to 8 MiB. libvirt's system daemon raises it by itself for assigned devices; QEMU
//! started by hand, by a session daemon, in a container or pod does not have that right (CAP_SYS_RESOURCE). Two
//! device containers or a vIOMMU count guest memory more than once. Guest RAM plus 1 GiB is libvirt's rule. Before
//! Linux 5.12 io_uring rings counted too.
//!
//! ## Confirm
//! `grep 'Max locked' /proc/<pid of the VMM>/limits`, `ulimit -l`, `dmesg | grep RLIMIT_MEMLOCK`: the limit is
//! smaller than the VM's memory, or the kernel says that it was exceeded.
//!
//! ## Refute
//! The limit is unlimited or well above guest memory and dmesg has no RLIMIT_MEMLOCK line: then look at pages that
//! cannot be pinned (`memory/hugepages-not-pinnable`) and at the mapping itself (`vfio/dma-map-failed`).
//!
//! ## Fix
//! `memlock` in limits.d for the user, `LimitMEMLOCK=` of the service, `--ulimit memlock=-1` of the container,
//! CAP_IPC_LOCK, or `<hard_limit>` in the domain where libvirt's own guess is too small.
//!
//! ## References
//! Linux `drivers/vfio/vfio_iommu_type1.c` (`vfio_pin_pages_remote`), `mm/util.c`
//! (`account_locked_vm`); libvirt `src/qemu/qemu_domain.c` (`qemuDomainGetMemLockLimitBytes`),
//! `src/util/virprocess.c`; `man 2 getrlimit`.

use super::hugepages_not_reserved::guests::guests;
use crate::prelude::*;
use vmwright_formats::DomainXml;

/// Reasons for ENOMEM that are not the limit.
const OTHER: &[&str] = &["hugetlb_cma=", "follow_hugetlb_page"];

pub const RULE: Rule = Rule {
    tags: &["memory", "passthrough"],
    needs: &[Need::Command(&["dmesg"]), Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Probe(Probe::Machine)],
    signs: &[
        // vfio_pin_pages_remote: RLIMIT_MEMLOCK (%ld) exceeded; vfio_pin_page_external: Task %s (%d) RLIMIT_...
        Sign::proof("RLIMIT_MEMLOCK ({limit}) exceeded"),
        Sign::strong("RLIMIT_MEMLOCK"),
        Sign::proof("cannot limit locked memory of process {pid} to {bytes}"),
        Sign::strong("locked memory limit for libvirtd probably needs to be raised"),
        Sign::strong("failed to set memlock"),
        // KubeVirt's virt-handler.
        Sign::strong("error setting prlimit: "),
        Sign::strong("could not set prlimit of process"),
        Sign::support("vfio_dma_map(*) = -12").unless(OTHER),
        Sign::support("vfio_container_dma_map(*) = -12").unless(OTHER),
        Sign::support("VFIO_MAP_DMA failed: Cannot allocate memory").unless(OTHER),
        Sign::support("VFIO_MAP_DMA: -12").unless(OTHER),
        Sign::support("IOMMU_IOAS_MAP failed: Cannot allocate memory").unless(OTHER),
        Sign::support("cannot set up DMA remapping, error 12"),
        Sign::support("VfioDmaMap(*os error 12"),
        Sign::support("DMA map*os error 12").unless(OTHER),
        Sign::support("vhost_vdpa_dma_map(*) = -12"),
        // -realtime mlock=on, -overcommit mem-lock=on, <locked/>.
        Sign::strong("mlockall: Cannot allocate memory"),
        Sign::strong("mlockall: Operation not permitted"),
        Sign::strong("locking memory failed"),
        Sign::strong("failed to init linux io_uring ring: Cannot allocate memory"),
        Sign::support("Failed to register local dest ram block"),
        Sign::hint("max locked memory"),
        Sign::support("hard_limit").and(&["vfio_dma_map(*) = -12"]),
        Sign::strong("ulimit -l").and(&["vfio"]).said(&["memory"]),
        Sign::strong("max locked memory").and(&["vfio"]).said(&["memory"]),
        Sign::support("kvm_init_vcpu: mmap'ing vcpu state failed").and(&["Resource temporarily unavailable"]),
        Sign::strong("Failed to lock memory"),
        Sign::strong("Unable to change max memlock limit"),
        Sign::strong("Failed to adjust locked memory limit"),
    ],
    words: &["memlock", "locked memory", "passthrough", "ulimit", "plenty free"],
    explains: &["vfio/dma-map-failed", "memory/host-oom"],
    tells: "/proc/<pid of the VMM>/limits",
    remedy: "raise the limit of locked memory of the VMM above guest memory plus 1 GiB",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let guests = guests(cx);
    let wanted = guests.iter().filter(|one| one.device.is_some()).filter_map(|one| one.memory).max();
    if let Some(limit) = cx.hits("RLIMIT_MEMLOCK ({limit}) exceeded").first().and_then(|hit| hit.get("limit"))
    {
        draft = draft.title(format!("the VMM may lock {limit} bytes, and its guest needs more"));
    }
    if let Some(wanted) = wanted {
        for (limit, quote) in limits(cx).into_iter().filter(|(limit, _)| *limit < wanted) {
            draft = draft
                .because(
                    Strength::Strong,
                    quote,
                    "the limit is below the memory of a VM with an assigned device",
                )
                .title(format!("the VMM may lock {} MiB, its guest has {} MiB", limit >> 20, wanted >> 20));
        }
    }
    for seen in cx.all::<DomainXml>() {
        for domain in &seen.domains {
            let (Some(limit), Some(memory)) = (&domain.hard_limit, &domain.memory) else { continue };
            let locked = domain.memory_backing.locked;
            let device = domain.devices.hostdevs.iter().find(|one| one.address.is_some()).map(|one| one.line);
            if limit.value <= memory.value && (locked.is_some() || device.is_some()) {
                let why = "hard_limit is the limit of locked memory too, and no more than the guest's memory";
                draft = draft.because(Strength::Strong, seen.quote(limit.line), why).because(
                    Strength::Hint,
                    locked.or(device).and_then(|line| seen.quote(line)),
                    "memory is locked",
                );
            }
        }
    }
    vec![draft.verdict()]
}

/// Soft limits of locked memory in bytes: `Max locked memory` of `/proc/<pid>/limits` (bytes) and `max locked
/// memory` of `ulimit -a` (kilobytes).
fn limits(cx: &Context<'_>) -> Vec<(u64, Option<Evidence>)> {
    let mut found = Vec::new();
    for (text, number, line) in cx.lines_with("ax locked memory") {
        let Some((before, rest)) = line.split_once("ax locked memory") else { continue };
        let unit = if before.ends_with('M') { 1 } else { 1024 };
        let value =
            rest.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        if let Some(bytes) = value.and_then(|value| value.checked_mul(unit)).filter(|_| found.len() < 4) {
            found.push((bytes, text.quote(number)));
        }
    }
    found
}
