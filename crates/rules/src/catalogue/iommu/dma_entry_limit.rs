//! # The number of DMA mappings exceeds vfio's dma_entry_limit
//!
//! ## What it is
//! The type1 backend allows each container 65535 mappings at a time, as a bound on kernel memory. The guest, or the
//! VMM on its behalf, wants more, and the next mapping fails with ENOSPC (-28, "No space left on device").
//!
//! Heard as: many VFs or a virtual IOMMU: mapping fails with no space left, error -28.
//!
//! Known by: no space left on device from VFIO_MAP_DMA; many mappings with virtual IOMMU; 65535 entries;
//! dma_entry_limit module parameter; VFIO_DMA_MAP -28.
//!
//! ## Why it happens
//! A virtual IOMMU in the guest in its default (lazy or strict 4 KiB) mode maps each buffer by itself: network
//! cards with many queues, NVMe, GPUs. virtio-mem with small blocks and hundreds of devices do it too.
//!
//! ## Confirm
//! QEMU's log: `VFIO_MAP_DMA failed: No space left on device`; `cat
//! /sys/module/vfio_iommu_type1/parameters/dma_entry_limit`.
//!
//! ## Refute
//! The error is -12 (memlock) or -22 (address), or the limit is far above the number of mappings.
//!
//! ## Fix
//! Raise `vfio_iommu_type1.dma_entry_limit`; let the guest use `iommu=pt` or huge mappings; larger virtio-mem
//! blocks; iommufd, which has no such limit.
//!
//! ## References
//! Linux `drivers/vfio/vfio_iommu_type1.c` (`dma_entry_limit`, default U16_MAX, since 5.1), `vfio_dma_do_map()`;
//! QEMU `hw/vfio/common.c` ("possibly running out of DMA mappings").

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["passthrough", "memory"],
    signs: &[
        Sign::proof("VFIO_MAP_DMA failed: No space left on device"),
        Sign::proof("vfio_dma_map(*) = -28"),
        Sign::proof("vfio_container_dma_map(*) = -28"),
        Sign::proof("possibly running out of DMA mappings"),
        // QEMU 2.x to 4.x print the number alone.
        Sign::proof("VFIO_MAP_DMA: -28"),
        Sign::proof("VFIO_MAP_DMA : -28"),
        Sign::strong("VFIO_MAP_DMA * error 28"),
        Sign::strong("VFIO_MAP_DMA failed: -28"),
        Sign::strong("cannot set up DMA remapping, error 28"),
        Sign::strong("DMA remapping failed, error 28"),
        Sign::support("IommuDmaMap(*28").and(&["vfio"]),
        Sign::strong("dma_entry_limit"),
        Sign::support("vfio_container_dma_map * No space left on device"),
    ],
    words: &["dma mappings", "no space left on device", "viommu", "virtio-mem", "entry limit"],
    explains: &["vfio/dma-map-failed", "iommu/iova-limit"],
    tells: "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit",
    remedy: "raise vfio_iommu_type1's dma_entry_limit, or map more at a time (iommu=pt in the guest, larger blocks)",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    rank: Rank::Specific,
    needs: &[Need::File("/sys/module/vfio_iommu_type1/parameters/dma_entry_limit")],
    ..Rule::NEW
};
