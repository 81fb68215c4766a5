//! # Huge pages lie in CMA or movable memory and cannot be pinned for a device
//!
//! ## What it is
//! A device that does DMA into guest memory needs it pinned for as long as the VM lives. The kernel refuses a
//! long-term pin of pages in a CMA area or in ZONE_MOVABLE, since these must stay movable, and gives ENOMEM.
//!
//! Heard as: huge pages of CMA or movable memory and a passed-through device: cannot allocate memory.
//!
//! Known by: pinning fails with hugepages in CMA; hugetlb_cma; VFIO_MAP_DMA with movable zone; long-term pin; -12
//! though enough free.
//!
//! ## Why it happens
//! Gigantic pages reserved with `hugetlb_cma=` come from a CMA area. Or the host was booted with `movablecore`,
//! `kernelcore` or `movable_node`, or memory was onlined as movable, and the pool took its pages there. Ordinary
//! pages are migrated out before the pin; gigantic pages can hardly be moved.
//!
//! ## Confirm
//! `grep -o 'hugetlb_cma=[^ ]*\|movable[^ ]*' /proc/cmdline`, `dmesg | grep -e hugetlb_cma -e follow_hugetlb_page`;
//! the memlock limit of the VMM is large enough (`grep locked /proc/<pid>/limits`).
//!
//! ## Refute
//! No hugetlb_cma and no movable zone (`grep -A3 Movable /proc/zoneinfo` shows no managed pages), or the kernel
//! says `RLIMIT_MEMLOCK exceeded`: see `memory/locked-limit`.
//!
//! ## Fix
//! Reserve the pages at boot with `hugepagesz=1G hugepages=N` instead of `hugetlb_cma=`, and keep memory for
//! assigned devices out of the movable zone.
//!
//! ## References
//! Linux `mm/gup.c` (`check_and_migrate_movable_pages`, FOLL_LONGTERM), `mm/hugetlb.c` (`hugetlb_cma_reserve`),
//! `drivers/vfio/vfio_iommu_type1.c` (`vaddr_get_pfns`).

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["memory", "hugepages", "passthrough"],
    rank: Rank::Specific,
    needs: &[Need::File("/proc/cmdline"), Need::Command(&["dmesg"])],
    signs: &[
        Sign::strong("hugetlb_cma=").and(&["vfio_dma_map(*) = -12"]),
        Sign::strong("hugetlb_cma=").and(&["VFIO_MAP_DMA failed: Cannot allocate memory"]),
        Sign::strong("hugetlb_cma=").and(&["vfio_pin_pages_remote"]),
        Sign::strong("hugetlb_cma: reserved {n} MiB on node {node}").and(&["vfio_dma_map(*) = -12"]),
        // The warning of kernels 5.x where a huge page could not be pinned.
        Sign::strong("follow_hugetlb_page+").and(&["vfio_pin_pages_remote"]),
        Sign::support("check_and_migrate_movable_pages").and(&["vfio_pin_pages_remote"]),
        Sign::support("__gup_longterm_locked").and(&["vfio_pin_pages_remote"]),
        Sign::support("movable_node").and(&["vfio_dma_map(*) = -12"]),
        Sign::support("movablecore=").and(&["vfio_dma_map(*) = -12"]),
        Sign::support("kernelcore=").and(&["vfio_dma_map(*) = -12"]),
        Sign::support("movable_node").and(&["VFIO_MAP_DMA failed: Cannot allocate memory"]),
        Sign::support("movablecore=").and(&["VFIO_MAP_DMA failed: Cannot allocate memory"]),
        // Cloud Hypervisor and iommufd.
        Sign::strong("hugetlb_cma=").and(&["VfioDmaMap", "os error 12"]),
        Sign::strong("hugetlb_cma=").and(&["IOMMU_IOAS_MAP failed: Cannot allocate memory"]),
        Sign::support("RLIMIT_MEMLOCK ({limit}) exceeded").against(),
    ],
    words: &["huge pages", "hugepages", "passthrough", "vfio"],
    explains: &["memory/locked-limit", "vfio/dma-map-failed", "memory/hugepages-not-reserved"],
    tells: "/proc/cmdline",
    remedy: "reserve the huge pages at boot with hugepages=N instead of hugetlb_cma=",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::HostReboot,
    ..Rule::NEW
};
