//! The messages of the rule beside: fewer huge pages are free than the VM asks for.

use super::HUGE;
use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    // QEMU since 2.1; the older texts are of exec.c.
    Sign::strong("unable to map backing store for guest RAM: Cannot allocate memory"),
    Sign::support("unable to map backing store for hugepages"),
    Sign::strong("unable to map backing store for guest RAM: No space left on device"),
    Sign::strong("can't allocate memory: Cannot allocate memory").and(HUGE),
    Sign::proof("preallocating memory failed: *").and(HUGE),
    Sign::strong("qemu_prealloc_mem: preallocating memory failed").unless(HUGE),
    Sign::strong("Insufficient free host memory pages available to allocate guest RAM"),
    Sign::hint("cannot set up guest memory '{id}': Cannot allocate memory").and(HUGE),
    // The page could not be had when it was first touched.
    Sign::support("Bus error").and(HUGE),
    Sign::support("SIGBUS").and(&["hugepages"]),
    // Kernels.
    Sign::strong("HugeTLB: allocating {n} of page size {size} failed"),
    Sign::proof("killed due to inadequate hugepage pool"),
    // libvirt's virsh allocpages, Proxmox, Nova.
    Sign::strong("Unable to allocate {n} pages. Allocated only {got}"),
    Sign::proof("hugepage allocation failed at"),
    Sign::strong("Host does not support requested memory pagesize, or not enough free pages"),
    Sign::support("Not enough free pages of the requested size"),
    // DPDK and SPDK.
    Sign::strong("EAL: No free hugepages reported in hugepages-{size}")
        .unless(&["DPDK Enabled - initialized", "Reactor started on core"]),
    Sign::strong("EAL: No free {size} kB hugepages reported on node {node}")
        .unless(&["DPDK Enabled - initialized", "Reactor started on core"]),
    Sign::strong("EAL: No available {size} kB hugepages reported")
        .unless(&["DPDK Enabled - initialized", "Reactor started on core"]),
    Sign::strong("EAL: No available hugepages reported in hugepages-{size}")
        .unless(&["DPDK Enabled - initialized", "Reactor started on core"]),
    Sign::strong("EAL: Not enough memory available on socket {node}"),
    Sign::support("EAL: Couldn't get fd on hugepage file").and(&["EAL: error allocating"]),
    // Kata: `enable_hugepages` of its configuration.toml.
    Sign::strong("enable_hugepages = true").and(&["Cannot allocate memory"]),
    // Rust VMMs: Firecracker's huge_pages, Cloud Hypervisor's hugepages=on.
    Sign::strong("Cannot allocate memory (os error 12)").and(&["\"huge_pages\""]),
    Sign::strong("Cannot allocate memory (os error 12)").and(&["hugepages=on"]),
    Sign::strong("Cannot allocate memory (os error 12)").and(&["hugepage_size="]),
    Sign::strong("hugepages=on").and(&["HugePages_Total:       0"]),
    Sign::proof("hugepage allocation failed"),
    Sign::strong("numa hostnodes need to be defined to use hugepages"),
    Sign::strong("can't open backing store {p} for guest RAM: No space"),
    Sign::strong("hw:mem_page_size").and(&["HugePages_Free:        0"]),
    Sign::strong("hugetlb_cma: reservation failed"),
    Sign::support("HugeTLB: hugetlb_cma is enabled, skip boot time allocation"),
];
