//! # Guest memory or a BAR lies beyond what the IOMMU or CPU can map
//!
//! ## What it is
//! Every guest physical address must be an address that the IOMMU can translate. A range lies above its width
//! (39 bits on client VT-d), in a hole that the host reserves (MSI window, AMD HyperTransport range below 1 TiB), or
//! above the physical address bits of the guest's CPU model.
//!
//! Heard as: starts with little memory and not with more; a large BAR or shared memory at a high address cannot be
//! mapped; fewer physical address bits.
//!
//! Known by: cannot map above 39 bits; address width too small, aw-bits; guest with much memory or large BAR fails with
//! passthrough; reserved region; invalid argument mapping at high address; host address width.
//!
//! ## Why it happens
//! The guest believes in more address bits than the IOMMU has, and puts 64-bit BARs (ivshmem, another GPU) at the
//! top; guests above about 1 TiB on AMD with an old machine type; a virtual IOMMU wider than the real one; TCG guests,
//! whose memory layout differs.
//!
//! ## Confirm
//! The address in the message against `cat /sys/kernel/iommu_groups/*/reserved_regions`, `cat
//! /sys/class/iommu/dmar0/intel-iommu/cap` (MGAW, bits 16-21) and "address sizes" in /proc/cpuinfo.
//!
//! ## Refute
//! The range lies below the width and outside of all reserved regions.
//!
//! ## Fix
//! Limit the guest's width: `-cpu host,host-phys-bits=on,host-phys-bits-limit=39`, `guest-phys-bits=39`, libvirt
//! `<maxphysaddr mode='passthrough' limit='39'/>`; `aw-bits=39` for a virtual IOMMU; machine type 7.1 or later on AMD.
//!
//! ## References
//! QEMU `hw/vfio/common.c` ("can't map guest IOVA region"), `hw/i386/pc.c` (phys-bits, above-1TiB relocation),
//! `hw/i386/intel_iommu.c`; Linux `drivers/vfio/vfio_iommu_type1.c` `vfio_iommu_iova_dma_valid()`.

use crate::prelude::*;
use std::ops::Range;

/// QEMU's report of a refused mapping: 2.x to 8.x, then 9.x and later.
pub(crate) const MAPS: [&str; 4] = [
    "vfio_dma_map({container}, 0x{iova}, 0x{size}, {pointer} = -22",
    "vfio_container_dma_map({container}, 0x{iova}, 0x{size}, {pointer} = -22",
    "vfio_dma_map({container}, 0x{iova}, 0x{size}, {pointer} = -2 (",
    "vfio_container_dma_map({container}, 0x{iova}, 0x{size}, {pointer} = -2 (",
];

pub const RULE: Rule = Rule {
    tags: &["passthrough", "memory"],
    signs: &[
        Sign::proof("can't map guest IOVA region"),
        Sign::proof("is not sufficient for the mapped address"),
        Sign::strong("aw-bits {bits} > host aw-bits"),
        Sign::proof("phys-bits too low ("),
        Sign::strong("Address space limit 0x{limit} < 0x{need}"),
        Sign::hint(MAPS[0]),
        Sign::hint(MAPS[1]),
        Sign::hint(MAPS[2]),
        Sign::hint(MAPS[3]),
        Sign::strong(", 0xfd00000000, 0x").and(&["dma_map("]),
        Sign::support(", 0xfee00000, 0x").and(&["dma_map("]),
        Sign::hint("host-phys-bits-limit"),
        Sign::hint("guest-phys-bits"),
        Sign::support("VFIO_MAP_DMA failed: Invalid argument").and(&["39 bits physical"]),
        Sign::support("overlaps with existing host DMA window"),
        Sign::support("Cannot get IOVA ranges"),
        Sign::strong("iova range * out of aperture"),
        // QEMU's intel-iommu has 39 bits unless told otherwise (48 since 9.2): too few for high BARs.
        Sign::support("intel-iommu").and(&["DmaMap*Invalid argument"]).unless(&["aw-bits", "aw_bits"]),
        Sign::support("intel-iommu")
            .and(&["Failed to DMA map: *Invalid argument"])
            .unless(&["aw-bits", "aw_bits"]),
        Sign::strong("specified DMA range outside IOMMU capability"),
        Sign::support("Host physical bits ({bits}) does not match phys-bits property"),
        Sign::hint("Failed to DMA map: *Invalid argument"),
        Sign::hint("DmaMap*Invalid argument"),
        Sign::strong("fixed iova range not found"),
        Sign::strong("temporary iova range not found"),
        Sign::strong("iova exhausted (water mark reached)"),
        Sign::strong("detected IOVA overflow"),
        Sign::strong("virtio-iommu page mask"),
        Sign::strong("host device is uncompatible with stage-1 translation"),
        Sign::strong("virtio-iommu reports a page size mask"),
        Sign::strong("virtio-iommu does not support frozen granule"),
        Sign::strong("aw-bits must be within"),
        Sign::strong("detected non canonical IOVA"),
    ],
    words: &["aperture", "iova", "address width", "39 bits", "phys-bits", "reserved region", "1tb", "1 tib"],
    explains: &["vfio/dma-map-failed", "vfio/bar-space"],
    tells: "/sys/kernel/iommu_groups/*/reserved_regions",
    remedy: "limit the guest's physical address bits to what the IOMMU can map (host-phys-bits-limit, aw-bits)",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    rank: Rank::Specific,
    needs: &[Need::Glob("/sys/kernel/iommu_groups/*/reserved_regions"), Need::File("/proc/cpuinfo")],
    check,
    ..Rule::NEW
};

/// The smallest width that client VT-d has, in bits (Intel VT-d specification, SAGAW 39-bit).
const CLIENT_WIDTH: u32 = 39;

/// The range that AMD hosts reserve below 1 TiB (HyperTransport; Linux `drivers/iommu/amd/iommu.c`).
const HYPERTRANSPORT: Range<u64> = 0xfd_0000_0000..0x100_0000_0000;

/// The window in which x86 hosts take writes of devices as interrupts (Intel SDM 3A, message addresses).
const MSI_WINDOW: Range<u64> = 0xfee0_0000..0xfef0_0000;

/// How many bits the host's IOMMU takes, as the kernel says it when it starts (`drivers/iommu/intel/dmar.c`).
fn told_width(cx: &Context<'_>) -> Option<u32> {
    let bits = |line: &str| line.split_once("DMAR: Host address width ")?.1.trim().parse::<u32>().ok();
    cx.lines_with("DMAR: Host address width ").filter_map(|(_, _, line)| bits(line)).find(|bits| *bits < 64)
}

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let width = told_width(cx);
    let number = |text: Option<&str>| {
        let digits = text?.trim_end_matches([',', ')']);
        u64::from_str_radix(digits, 16).ok()
    };
    for hit in MAPS.iter().flat_map(|map| cx.hits(map)).take(8) {
        let Some(iova) = number(hit.get("iova")) else { continue };
        let end = iova.saturating_add(number(hit.get("size")).unwrap_or(0));
        // The kernel's own figure counts for the whole range; without one the lowest that is sold, for its begin.
        let beyond = match width {
            Some(bits) => end > 1 << bits,
            None => iova >= 1 << CLIENT_WIDTH,
        };
        let meets = |hole: &Range<u64>| iova < hole.end && end > hole.start;
        if beyond || meets(&MSI_WINDOW) || meets(&HYPERTRANSPORT) {
            let why = match meets(&MSI_WINDOW) || meets(&HYPERTRANSPORT) {
                true => "it meets a range that the host reserves",
                false => "it needs more bits than its IOMMU has",
            };
            draft = draft
                .because(
                    Strength::Strong,
                    cx.evidence(hit),
                    "EINVAL for an address that the IOMMU may not have",
                )
                .title(format!("the host cannot map guest address {iova:#x} for devices: {why}"));
            // One is enough: more of the same kind add no certainty.
            break;
        }
    }
    vec![draft.verdict()]
}
