//! # The topology gives no isolation (no ACS), so the group spans unrelated devices
//!
//! ## What it is
//! An IOMMU group is the smallest set of devices that the IOMMU can tell apart and that cannot talk to each other
//! behind its back. Without Access Control Services (ACS) on the ports above them, unrelated devices land in one
//! group and can only be assigned together.
//! Heard as: the card is in one group with half of the board.
//!
//! Known by: many devices in one IOMMU group; pcie_acs_override; cannot separate two cards; chipset lanes; GPU, USB and
//! SATA grouped together; ACS.
//!
//! ## Why it happens
//! Consumer root ports, chipset ports and PCIe switches often lack ACS; multifunction devices without ACS count as
//! one; everything behind a conventional PCI bridge shares one requester id.
//!
//! ## Confirm
//! `for d in /sys/kernel/iommu_groups/*/devices/*; do echo "$d"; done` and `lspci -nn`: the device's group holds
//! devices of other slots. `lspci -vvv -s <port> | grep -i 'Access Control'` shows none.
//!
//! ## Refute
//! The group holds only functions of the one card and bridges above it.
//!
//! ## Fix
//! Another slot (CPU lanes instead of chipset lanes), ACS enabled in firmware where there is such a switch, a
//! newer kernel with the quirk for this chipset, or giving the whole group. `pcie_acs_override=` is no fix where
//! guests are not trusted: the isolation that it claims is not there.
//!
//! ## References
//! PCIe specification 6.12 (ACS); Linux `drivers/pci/quirks.c` (`pci_dev_specific_acs_enabled`),
//! `drivers/iommu/iommu.c` `pci_device_group()`; libvirt `src/util/virpci.c`, `virPCIDeviceIsAssignable()`.

use super::device_behind_bridge::devices;
use super::group_not_viable::{Member, groups};
use super::wrong_driver::assigned;
use crate::prelude::*;
use vmwright_formats::PciAddress;

#[path = "messages/acs_missing.rs"]
mod messages;

/// What people say of a group that is too large.
const SHARED: &[&str] =
    &["same group", "iommu group with", "in one group", "alone", "own group", "separate group"];

pub const RULE: Rule = Rule {
    tags: &["passthrough", "security"],
    signs: messages::SIGNS,
    words: &[
        "acs",
        "iommu group",
        "same group",
        "all in one group",
        "isolation",
        "separate",
        "split the",
        "split up",
        "split into",
        "isolate",
        "each of the",
        "to different vms",
        "to another vm",
        "only one port",
        "one port of",
    ],
    explains: &[],
    tells: "find /sys/kernel/iommu_groups -type l",
    remedy: "move the card to a slot whose port has ACS, or assign the whole group",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::HostReboot,
    escalation: Some(Agent::SecurityEngineer),
    needs: &[Need::Command(&["lspci", "-nnk"])],
    check,
    ..Rule::NEW
};

/// How users say that they want to part what is in one group; the rule's words have them too.
const PART: [&str; 10] = [
    "separate",
    // Alone it is a setting of QEMU's interrupt chip.
    "split the",
    "split up",
    "split into",
    "isolate",
    "each of the",
    "to different vms",
    "to another vm",
    "only one port",
    "one port of",
];

/// How many other cards in the device's group speak for a topology without isolation.
const CROWD: usize = 2;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // A bridge that shows the capability is one that isolates what is behind it.
    if cx.texts_with("Access Control Services").next().is_some() {
        draft = draft.looked();
    }
    let (groups, devices) = (groups(cx), devices(cx));
    let bridge = |address: PciAddress| {
        let told = devices.iter().find(|one| one.address == address);
        told.is_some_and(|one| one.what.starts_with("PCI bridge") || one.what.starts_with("Host bridge"))
    };
    for assigned in assigned(cx) {
        let Some(ours) = groups.iter().find(|one| one.address == assigned.address) else { continue };
        let stranger = |one: &&Member| {
            one.group == ours.group && !same_card(one.address, ours.address) && !bridge(one.address)
        };
        let mut slots: Vec<_> = groups.iter().filter(stranger).map(|one| card(one.address)).collect();
        slots.sort_unstable();
        slots.dedup();
        if slots.len() >= CROWD {
            draft = draft
                .because(Strength::Support, ours.quote.clone(), "its group holds devices of other slots")
                .about(Subject::new(SubjectKind::Pci, ours.address.to_string()))
                .title(format!(
                    "IOMMU group {} of {} spans {} other slots",
                    ours.group,
                    ours.address,
                    slots.len()
                ));
            // One is enough: more of the same kind add no certainty.
            break;
        }
    }
    if let Some((first, second)) = unwilling(cx, &groups) {
        draft = draft.because(Strength::Support, first, "it should go to one VM alone").because(
            Strength::Hint,
            second,
            "and this is in the same group",
        );
    }
    vec![draft.verdict()]
}

/// What a function is part of: a card, or on the root bus the function itself, for there each is a device of its own.
fn card(address: PciAddress) -> (u8, u8, u8) {
    (address.bus, address.slot, if address.bus == 0 { address.function } else { 0 })
}

fn same_card(one: PciAddress, other: PciAddress) -> bool {
    one.same_slot(&other) && card(one) == card(other)
}

/// Two members of one group, where the user wants to part them.
fn unwilling(cx: &Context<'_>, groups: &[Member]) -> Option<(Option<Evidence>, Option<Evidence>)> {
    if !cx.asked(&PART) {
        return None;
    }
    groups.iter().enumerate().find_map(|(at, one)| {
        let other = groups.iter().skip(at + 1).find(|other| other.group == one.group)?;
        Some((one.quote.clone(), other.quote.clone()))
    })
}
