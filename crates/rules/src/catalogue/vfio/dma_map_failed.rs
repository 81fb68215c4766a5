//! # DMA mapping failed for a reason other than the memlock limit
//!
//! ## What it is
//! VFIO must pin and map every page of guest memory for the device, and one mapping was refused: the memory cannot
//! be pinned (EFAULT), the range is mapped already (EEXIST), is not aligned or not allowed (EINVAL).
//!
//! Heard as: mapping memory for the device fails for no plain reason.
//!
//! Known by: vfio_dma_map failed; VFIO_MAP_DMA: Bad address, File exists or Invalid argument; VFIO_IOMMU_MAP_DMA; could
//! not map memory for device; memory listener initialization failed; mapping refused for region; overlap, alignment,
//! reserved range; peer-to-peer BAR; MMIO map warning; guest with ivshmem or framebuffer; bad address.
//!
//! ## Why it happens
//! Part of the guest's memory is a device's own mapping (another BAR, a framebuffer, `/dev/mem`), DAX or file
//! memory that may not be pinned long-term; two sections overlap; a host kernel has a pinning bug; the guest
//! programs a virtual IOMMU with a range that the host has mapped.
//!
//! ## Confirm
//! The number after `VFIO_MAP_DMA failed` or `vfio_dma_map(...) = -n`: -12 speaks for the memlock limit, -28 for the
//! number of mappings, -22 with an address beyond the IOMMU's width for the aperture, -14 and -17 for this cause.
//! `dmesg` has "RLIMIT_MEMLOCK" for the first.
//!
//! ## Refute
//! "RLIMIT_MEMLOCK (n) exceeded" in dmesg, or only "pci p2p may not work": peer-to-peer alone is harmless.
//!
//! ## Fix
//! Back the guest with memory that can be pinned (anonymous, hugetlbfs, memfd); take regions that are other
//! devices' memory out of DMA (`x-no-mmap` for the other device, no overlapping BARs); update the host kernel.
//!
//! ## References
//! Linux `drivers/vfio/vfio_iommu_type1.c`, `vfio_dma_do_map()`; QEMU `hw/vfio/common.c`,
//! `vfio_listener_region_add()`, `hw/vfio/container.c`.

use crate::prelude::*;

/// The locked-memory limit explains it.
const LIMIT: &[&str] = &["RLIMIT_MEMLOCK"];

pub const RULE: Rule = Rule {
    tags: &["passthrough", "memory"],
    signs: &[
        Sign::strong("VFIO_MAP_DMA failed: Bad address"),
        Sign::strong("VFIO_MAP_DMA failed: File exists"),
        Sign::support("VFIO_MAP_DMA failed: Invalid argument"),
        // QEMU 2.x to 4.x print the number alone.
        Sign::strong("VFIO_MAP_DMA: -14"),
        Sign::strong("VFIO_MAP_DMA: -17"),
        Sign::hint("VFIO_MAP_DMA: -22"),
        Sign::support("VFIO_MAP_DMA failed: Operation not permitted"),
        Sign::hint("VFIO_MAP_DMA failed: Cannot allocate memory").unless(LIMIT),
        Sign::support("IOMMU_IOAS_MAP failed: Bad address"),
        Sign::support("IOMMU_IOAS_MAP failed: Invalid argument"),
        Sign::strong("vfio_dma_map(*) = -14"),
        Sign::strong("vfio_container_dma_map(*) = -14"),
        Sign::strong("vfio_dma_map(*) = -17"),
        Sign::strong("vfio_container_dma_map(*) = -17"),
        Sign::support("vfio_dma_map(*) = -22"),
        Sign::support("vfio_container_dma_map(*) = -22"),
        Sign::support("vfio_dma_map(*) = -16"),
        Sign::hint("vfio: DMA mapping failed, unable to continue").unless(LIMIT),
        Sign::support("VfioDmaMap"),
        Sign::support("IommuDmaMap"),
        Sign::strong("ERROR: DMA PTE for vPFN"),
        Sign::support("AMD-Vi: Event logged [IO_PAGE_FAULT").and(&["vfio"]),
        Sign::hint("[DMA Write] Request device").and(&["vfio"]),
        Sign::hint("[DMA Read] Request device").and(&["vfio"]),
        Sign::hint("[DMA Write NO_PASID] Request device").and(&["vfio"]),
        Sign::hint("[DMA Read NO_PASID] Request device").and(&["vfio"]),
        Sign::support("Failed to DMA map: "),
        Sign::support("VfioPciError DmaMap"),
        Sign::support("failed to vfio_dma_map. pci p2p may not work"),
        Sign::support("IOMMU_IOAS_MAP failed: "),
        Sign::support("PCI peer-to-peer transactions on BARs are not supported"),
        Sign::support("received unaligned region"),
        Sign::support("vhost-vdpa: DMA mapping failed, unable to continue"),
        Sign::support("vhost vdpa map fail"),
        Sign::support("VFIO_UNMAP_DMA failed"),
        Sign::support("VFIO_UNMAP_DMA with DIRTY_BITMAP"),
        Sign::hint("handling fault status reg"),
        Sign::support("vfio_container_dma_unmap() failed"),
        Sign::strong("couldn't open directory {d}/vfio-dev"),
        Sign::strong("VfioMapRegion(CreateUserMemory"),
        Sign::strong("VfioMapRegion("),
        Sign::support("Event logged [RMP_PAGE_FAULT"),
        Sign::support("Event logged [ILLEGAL_DEV_TABLE_ENTRY"),
        Sign::support("Event logged [INVALID_DEVICE_REQUEST"),
    ],
    words: &["dma", "mapping", "pin", "page fault"],
    explains: &[],
    tells: "dmesg",
    remedy: "back the guest with memory that can be pinned, and keep other devices' memory out of the mapping",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::DebugSpecialist),
    ..Rule::NEW
};
