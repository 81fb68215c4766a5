//! # Firmware reserves memory for the device and the kernel refuses to assign it
//!
//! ## What it is
//! The firmware's tables (Intel RMRR, AMD IVMD, Arm RMR) say that this device reads or writes a fixed piece of host
//! memory for ever. A guest cannot be given such a device: its addresses would meet the firmware's.
//!
//! Heard as: an HP, ProLiant or old server refuses to give away its card or controller: platform RMRR; relaxable
//! regions.
//!
//! Known by: device is ineligible for IOMMU domain attach due to platform RMRR requirement; HP ProLiant; contact your
//! platform vendor; relaxed RMRR patch; HBA or NIC refused.
//!
//! ## Why it happens
//! Server firmware (HP ProLiant is known for it) names every slot's device in an RMRR for its management
//! controller's health data; USB controllers with legacy emulation and integrated graphics have one too (the
//! kernel relaxes those two).
//!
//! ## Confirm
//! `dmesg | grep -iE 'RMRR|1:1 IOMMU|platform vendor'`;
//! `acpidump -n DMAR` names the devices of each RMRR; `cat /sys/kernel/iommu_groups/<n>/reserved_regions` shows "direct" ranges for the device's group.
//!
//! ## Refute
//! The group's reserved regions are only "msi", "reserved" or "direct-relaxable".
//!
//! ## Fix
//! A firmware setting that excludes the slot (HP: `hp-conrep` shared memory exclusion, RMRR disable), newer
//! firmware, another slot. Patches that ignore the ranges risk the host's memory and its management controller.
//!
//! ## References
//! Linux `drivers/iommu/intel/iommu.c`, `device_is_rmrr_locked()`; `drivers/iommu/iommu.c` (require_direct);
//! `Documentation/ABI/testing/sysfs-kernel-iommu_groups`; Intel VT-d specification 8.4 (RMRR).

use crate::catalogue::iommu::iova_limit::MAPS;
use crate::prelude::*;
use vmwright_formats::{AcpiTables, DomainXml, PciAddress, PciDevices};

/// Interrupts that are not remapped are another reason for the same EPERM.
const UNSAFE: &[&str] = &["No interrupt remapping", "allow_unsafe_interrupts", "nointremap", "intremap=off"];

pub const RULE: Rule = Rule {
    tags: &["passthrough", "firmware"],
    signs: &[
        Sign::proof("Device is ineligible for IOMMU domain attach due to platform RMRR requirement"),
        Sign::proof(
            "Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device",
        ),
        Sign::strong("without a 1:1 mapping. Contact your platform vendor"),
        Sign::strong("platform RMRR requirement"),
        Sign::support("ineligible for IOMMU domain attach"),
        Sign::strong("relax_rmrr"),
        Sign::strong("relaxable_rmrr"),
        Sign::support("Failed to set iommu for container: Operation not permitted").and(&["RMRR"]),
        Sign::support("bad RMRR ["),
        Sign::hint("Failed to set iommu for container: Operation not permitted").unless(UNSAFE),
        Sign::hint("to container for group: Operation not permitted"),
        Sign::support("Failed to set group container: Operation not permitted").unless(UNSAFE),
    ],
    words: &["rmrr", "proliant", "reserved memory", "1:1 mapping", "platform vendor"],
    explains: &["irq/remapping-missing", "vfio/dma-map-failed"],
    tells: "dmesg",
    remedy: "exclude the slot from the firmware's reserved memory, update the firmware, or use another slot",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::HostReboot,
    rank: Rank::Specific,
    escalation: Some(Agent::SystemsArchitect),
    needs: &[
        Need::Glob("/sys/kernel/iommu_groups/*/reserved_regions"),
        Need::Command(&["dmesg"]),
        Need::Probe(Probe::AcpiTables),
        Need::Probe(Probe::Pci),
    ],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let given = given(cx);
    for seen in cx.all::<AcpiTables>() {
        draft = draft.looked();
        for reserved in seen.dmar.iter().flat_map(|dmar| &dmar.reserved) {
            let mut mine = reserved.devices.iter().filter_map(|device| device.address);
            let Some(address) = mine.find(|address| given.contains(address)) else { continue };
            let (first, last) = reserved.range;
            draft = draft
                .because(
                    Strength::Strong,
                    seen.quote(reserved.line),
                    "here the DMAR table keeps memory for the device",
                )
                .about(Subject::new(SubjectKind::Pci, address.to_string()))
                .title(format!(
                    "firmware keeps {first:#x}-{last:#x} for {address}, which is to be given to a VM"
                ));
        }
    }
    for (text, number, line) in cx.lines_with(" direct").take(64) {
        let mut words = line.split_whitespace();
        let (Some(first), Some(last)) = (words.next().and_then(hex), words.next().and_then(hex)) else {
            continue;
        };
        if words.next() != Some("direct") {
            continue;
        }
        let refused = MAPS.iter().flat_map(|map| cx.hits(map)).find(|hit| {
            let number = |name| hit.get(name).and_then(|digits| hex(digits.trim_end_matches([',', ')'])));
            let (Some(iova), Some(size)) = (number("iova"), number("size")) else { return false };
            iova <= last && first < iova.saturating_add(size)
        });
        if let Some(hit) = refused {
            draft = draft
                .because(Strength::Strong, text.quote(number), "the group maps this range one to one")
                .because(Strength::Strong, cx.evidence(hit), "guest memory over that range is refused")
                .title(format!(
                    "the device's group keeps {first:#x}-{last:#x} for firmware, in the midst of guest memory"
                ));
            break;
        }
    }
    vec![draft.verdict()]
}

/// A number in base 16, with `0x` or without.
fn hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits.trim_start_matches("0x"), 16).ok()
}

/// Functions that are bound for a guest, or that a domain names; without those that the kernel lets go in spite of their
/// memory (`device_rmrr_is_relaxable()`: USB controllers and displays).
fn given(cx: &Context<'_>) -> Vec<PciAddress> {
    let mut given: Vec<PciAddress> = Vec::new();
    for seen in cx.all::<DomainXml>() {
        let devices = seen.domains.iter().flat_map(|domain| &domain.devices.hostdevs);
        given.extend(devices.filter_map(|device| device.address.as_ref()).map(|address| address.value));
    }
    let (mut relaxed, functions) = (Vec::new(), cx.all::<PciDevices>());
    for device in functions.iter().flat_map(|seen| &seen.devices) {
        if device.driver().is_some_and(|driver| driver.value == Some("vfio-pci")) {
            given.push(device.address);
        }
        // PCI class codes: 0c03 is USB, 03 a display.
        if device.class().is_some_and(|class| class >> 8 == 0x0c03 || class >> 16 == 0x03) {
            relaxed.push(device.address);
        }
    }
    given.retain(|address| !relaxed.contains(address));
    given
}
