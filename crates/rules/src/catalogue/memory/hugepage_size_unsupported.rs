//! # The huge page size asked for does not exist on this CPU or kernel
//!
//! ## What it is
//! Each architecture has a few sizes of huge pages. On x86 2 MiB pages need the CPU flag `pse`, 1 GiB pages need
//! `pdpe1gb`; ARM's sizes depend on the kernel's base page. A size that CPU, kernel or host node does not offer
//! cannot be reserved, mounted or given to a VM.
//!
//! Heard as: gigabyte pages are refused on an old CPU or in a nested guest.
//!
//! Known by: 1 GB pages not supported, pdpe1gb missing; hugepage size not supported by host; pagesize 16 MB or 512 MB;
//! unable to find any usable hugetlbfs mount for size.
//!
//! ## Why it happens
//! An old or low-end CPU; a host that is itself a VM whose CPU model hides `pdpe1gb`; a guest that wants 1 GiB
//! pages of its own; a spelling that the kernel does not know; memory whose size is no multiple of the page.
//!
//! ## Confirm
//! `ls /sys/kernel/mm/hugepages/` lists the sizes; `grep -c pdpe1gb /proc/cpuinfo`; `dmesg | grep -i hugepagesz`.
//!
//! ## Refute
//! The size has its folder below `/sys/kernel/mm/hugepages`: then the pool is empty or the mount is missing.
//!
//! ## Fix
//! Ask for a size that is there (2 MiB), or give the VM that is the host a CPU model with `pdpe1gb`
//! (host-passthrough, or `+pdpe1gb`). Make the VM's memory a multiple of the page size.
//!
//! ## References
//! Linux `mm/hugetlb.c` (`hugepagesz_setup`), `arch/x86/mm/hugetlbpage.c`,
//! `Documentation/admin-guide/kernel-parameters.txt` (hugepagesz=); libvirt `src/qemu/qemu_conf.c`; Nova
//! `MemoryPageSizeNotSupported`.

use super::hugepages_not_reserved::guests::guests;
use super::hugepages_not_reserved::pools::pools;
use crate::prelude::*;
use vmwright_formats::{CpuInfo, KernelCmdline};

/// The page that needs `pdpe1gb`.
const GIB: u64 = 1 << 30;

pub const RULE: Rule = Rule {
    tags: &["memory", "hugepages", "cpu"],
    needs: &[
        Need::File("/proc/cpuinfo"),
        Need::File("/proc/cmdline"),
        Need::Glob("/sys/kernel/mm/hugepages/hugepages-*/nr_hugepages"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
    ],
    signs: &[
        Sign::proof("HugeTLB: unsupported hugepagesz={size}"),
        Sign::proof("HugeTLB: unsupported default_hugepagesz={size}"),
        // Kernels before 5.8.
        Sign::proof("hugepagesz: Unsupported page size {size}"),
        Sign::strong("hugepages={n} does not follow a valid hugepagesz, ignoring"),
        Sign::hint("Unable to find any usable hugetlbfs mount for {size} KiB"),
        // libvirt's virnuma.c; QEMU's physmem.c.
        Sign::strong("page size {size} is not available on node {node}"),
        Sign::strong("page size {size} is not available"),
        Sign::support("must be equal to or larger than page size"),
        Sign::proof("MemoryPageSizeNotSupported"),
        Sign::proof("Page size {size} is not supported by the host"),
        Sign::strong("Hugepage size must be a power of 2"),
        Sign::support("memory size must be multiple of"),
        Sign::strong("huge pages per NUMA node are not supported"),
        Sign::strong("failed to create memfd with flags {flags}: Invalid argument"),
        // Proxmox.
        Sign::strong("your system doesn't support hugepages"),
        Sign::strong("is not a multiple of the requested hugepages size"),
        Sign::proof("mount: *hugetlbfs*Unsupported page size"),
        Sign::strong("hugetlbfs: Unsupported page size {size} MB"),
        Sign::strong("1GB pages not supported").unless(&["kvm: 1GB pages"]),
        Sign::proof("host only supports * hugepages, but requested size"),
        Sign::strong("your system doesn't support hugepages of"),
        Sign::strong("MemoryPageSizeNotSupported"),
        Sign::strong("Page size {n} is not supported by the host"),
        Sign::strong("HugeTLB: huge pages not supported, ignoring"),
        Sign::strong("HugeTLB: architecture can't support node specific alloc"),
        Sign::strong("HugeTLB: Invalid hugepages parameter"),
    ],
    words: &["1G pages", "1 GiB pages", "pdpe1gb", "hugepagesz", "page size"],
    explains: &["memory/hugepages-not-reserved", "memory/hugepages-not-mounted"],
    tells: "/sys/kernel/mm/hugepages/",
    remedy: "ask for a huge page size that the CPU offers, or give the CPU model pdpe1gb",
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let cpus = cx.all::<CpuInfo>();
    let without = cpus.iter().find(|one| one.has_flag("pdpe1gb") == Some(false));
    if cpus.iter().any(|one| one.flags.is_some()) {
        draft = draft.looked();
    }
    if let Some(cpu) = without {
        let quote = cpu.flags.as_ref().and_then(|flags| cpu.quote(flags.line));
        let asked = cx.all::<KernelCmdline>().into_iter().find_map(|line| {
            let found = line.parameters.iter().find(|one| {
                let (name, value) = &one.value;
                name.ends_with("hugepagesz")
                    && value.as_deref().is_some_and(|value| value.eq_ignore_ascii_case("1g"))
            })?;
            line.quote(found.line)
        });
        let guest =
            guests(cx).iter().find(|one| one.page == Some(GIB)).and_then(|one| one.huge.clone()).flatten();
        if asked.is_some() || guest.is_some() {
            draft = draft
                .because(Strength::Strong, quote, "the CPU has no flag pdpe1gb")
                .because(Strength::Support, asked, "the kernel is asked for pages of 1 GiB")
                .because(Strength::Support, guest, "the VM asks for pages of 1 GiB")
                .title("pages of 1 GiB are asked for on a CPU without pdpe1gb");
        }
    }
    // A live host lists every size that it has.
    if cx.snapshot().live {
        let sizes: Vec<u64> =
            pools(cx).iter().filter(|pool| pool.node.is_none()).map(|pool| pool.page).collect();
        let guests = guests(cx);
        let odd = guests.iter().find(|one| one.page.is_some_and(|page| !sizes.contains(&page)));
        if let Some(guest) = odd.filter(|_| !sizes.is_empty()) {
            draft = draft.because(
                Strength::Strong,
                guest.huge.clone().flatten(),
                "the host has no huge pages of the size",
            );
        }
    }
    vec![draft.verdict()]
}
