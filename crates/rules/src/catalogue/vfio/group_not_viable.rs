//! # A device in the same IOMMU group is still bound to a host driver
//!
//! ## What it is
//! VFIO hands out whole IOMMU groups. A group is viable when each of its devices is bound to a vfio driver, to
//! no driver at all, or is a PCI bridge. One function left on a host driver, and QEMU is refused the group.
//!
//! Heard as: when the VM with one controller starts, disk, network or keyboard of the host are gone or it is
//! refused: others share the group.
//!
//! Known by: Please ensure all devices within the iommu_group are bound to their vfio bus driver; other device in the
//! same group; group is not viable.
//!
//! ## Why it happens
//! The devices of a group can reach each other's memory without passing the IOMMU, so giving one of them to a
//! guest would give it the others. Often it is the GPU's audio or USB-C function, or a neighbour behind the
//! same bridge without ACS, that kept its driver. On APUs the graphics shares its group with the audio
//! coprocessor, the security processor and USB controllers of the host.
//!
//! ## Confirm
//! `ls -l /sys/bus/pci/devices/<address>/iommu_group/devices/`, then `lspci -nnk -s <address>` for each: the
//! line "Kernel driver in use" names something else than `vfio-pci`, `pci-stub` or `pcieport`.
//!
//! ## Refute
//! Every non-bridge device of the group shows `vfio-pci` or no driver, and `/dev/vfio/<group>` can be opened.
//!
//! ## Fix
//! Bind every function of the group to vfio-pci (or unbind it), or move the card to a slot with its own group.
//! The ACS override patch makes groups smaller by assertion only: it removes the isolation it claims.
//!
//! ## References
//! Linux `Documentation/driver-api/vfio.rst` (groups, viability); `drivers/vfio/group.c`; QEMU
//! `hw/vfio/container.c`, `vfio_get_group()`; DPDK `lib/eal/linux/eal_vfio.c`; rust-vmm `vfio-ioctls`.

use super::device_behind_bridge::devices;
use super::wrong_driver::assigned;
use crate::prelude::*;
use crate::settle::to_vfio;
use vmwright_formats::pci_devices::{PciDevices, PciFacts};
use vmwright_formats::{Links, PciAddress};

pub const RULE: Rule = Rule {
    tags: &["passthrough"],
    signs: &[
        // QEMU 2.x: "vfio: error, group %d is not viable, please ensure all devices within the iommu_group are
        // bound to their vfio bus driver."; later "vfio <address>: group %d is not viable".
        Sign::proof("group {group} is not viable"),
        Sign::strong("all devices within the iommu_group are bound to their vfio bus driver"),
        // Cloud Hypervisor, crosvm and DPDK name no number.
        Sign::proof("group is not viable"),
        Sign::proof("GroupViable"),
        Sign::strong("Not all devices in IOMMU group bound to VFIO or unbound"),
        // Kernels since 5.19 refuse a host driver while the group belongs to a user, and the other way round.
        Sign::hint("failed to setup container for group {group}: "),
        // rust-vmm vfio-ioctls.
        Sign::proof("group is inviable"),
    ],
    words: &["iommu group", "same group", "passthrough", "other devices in the group"],
    explains: &["vfio/device-busy", "vfio/group-permission"],
    tells: "lspci -nnk",
    remedy: "bind every other device of the IOMMU group to vfio-pci, or unbind it",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    needs: &[Need::Command(&["lspci", "-nnk"]), Need::Probe(Probe::Pci), Need::Probe(Probe::Links)],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let (groups, devices, assigned) = (groups(cx), devices(cx), assigned(cx));
    let group_of =
        |address: PciAddress| groups.iter().find(|one| one.address == address).map(|one| &one.group);
    let taken = |address: PciAddress| assigned.iter().any(|one| one.address == address);
    for device in devices.iter().filter(|one| !taken(one.address) && !one.what.starts_with("PCI bridge")) {
        let Some(group) = group_of(device.address) else { continue };
        let Some((driver, quote)) = device.driver.as_ref() else { continue };
        let Some(ours) = assigned.iter().find(|one| group_of(one.address) == Some(group)) else { continue };
        if !driver.contains("vfio") && !["pci-stub", "pcieport"].contains(&driver.as_str()) {
            let member = groups.iter().find(|one| one.address == device.address);
            draft = draft
                .because(Strength::Strong, quote.clone(), "a host driver has a device of the group")
                .because(
                    Strength::Support,
                    member.and_then(|one| one.quote.clone()),
                    "it is in the same group",
                )
                .title(format!("{} of IOMMU group {group} stays with {driver}", device.address))
                .about(Subject::new(SubjectKind::Pci, ours.address.to_string()))
                .actions(given(cx, group));
            // One is enough: more of the same kind add no certainty.
            break;
        }
    }
    let named = cx.hits("group {group} is not viable").first().and_then(|hit| hit.get("group"));
    if let Some(group) = named.filter(|group| group.parse::<u32>().is_ok()) {
        draft = draft.title(format!("IOMMU group {group} holds a device that a host driver still has"));
    }
    vec![draft.verdict()]
}

/// What gives all functions of a group to VMs that host drivers have; nothing where one of them may be in use.
pub(crate) fn given(cx: &Context<'_>, group: &str) -> Vec<Action> {
    let (Some(devices), Some(links)) = (cx.one::<PciDevices>(), cx.one::<Links>()) else { return Vec::new() };
    let Ok(group) = group.parse() else { return Vec::new() };
    let mut actions = Vec::new();
    for one in devices.in_group(group) {
        let Some(driver) = one.driver().and_then(|driver| driver.value) else { continue };
        if driver.contains("vfio") || ["pci-stub", "pcieport"].contains(&driver) {
            continue;
        }
        // Nobody uses an interface that is down and in no bridge; of disks, cards and controllers nobody can tell here.
        let idle = |name: &str| {
            links.of(name).is_some_and(|link| link.is_up() == Some(false) && link.get("master").is_none())
        };
        let mut interfaces = one.all("net").flat_map(|net| net.value.split_whitespace()).peekable();
        if interfaces.peek().is_none() || !interfaces.all(idle) {
            return Vec::new();
        }
        let only = one.get("driver_override").map(|only| only.value);
        actions.push(to_vfio(&one.address.to_string(), Some(driver), only));
    }
    actions
}

/// A device and its IOMMU group.
pub(crate) struct Member {
    /// Number of the group.
    pub group: String,
    /// The device.
    pub address: PciAddress,
    /// Where that stands.
    pub quote: Option<Evidence>,
}

/// Whether `lspci -v` (among the flags) or `-vv` tells the group of the device above.
fn of_listing(line: &str) -> bool {
    line.contains("IOMMU group: ") || line.contains(", IOMMU group ")
}

/// Group members as sysfs paths name them, as the customary shell loops print them ("IOMMU Group 7 01:00.0 ...",
/// or a heading with indented devices), or as `lspci -v` does; 1024 at most.
pub(crate) fn groups(cx: &Context<'_>) -> Vec<Member> {
    let mut found = Vec::new();
    for seen in cx.all::<PciDevices>() {
        let of = |one: &PciFacts| {
            let group = one.group()?;
            let (number, quote) = (group.value?.to_string(), seen.quote(group.line));
            Some(Member { group: number, address: one.address, quote })
        };
        found.extend(seen.devices.iter().filter_map(of).take(1024));
    }
    for text in cx.texts_with(["iommu_groups/", "IOMMU group", "Group "]) {
        let (mut heading, mut device) = (None, None);
        for (number, line) in text.lines() {
            let words =
                || line.split(|c: char| c.is_whitespace() || c == '/').filter(|word| !word.is_empty());
            let address = words().find_map(|word| word.parse::<PciAddress>().ok());
            let key =
                ["iommu_groups/", "IOMMU Group ", "IOMMU group: ", ", IOMMU group ", "Group "].into_iter();
            let rest = key.filter_map(|key| line.split_once(key)).next().map(|(_, rest)| rest);
            let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
            let group = rest.map(digits).filter(|group| !group.is_empty());
            let member = match (&group, address, of_listing(line)) {
                (Some(group), None, true) => device.map(|address| (group.clone(), address)),
                (Some(group), Some(address), _) => Some((group.clone(), address)),
                (None, Some(address), _) => heading.clone().map(|group| (group, address)),
                _ => None,
            };
            if let Some((group, address)) = member.filter(|_| found.len() < 1024) {
                found.push(Member { group, address, quote: text.quote(number) });
            }
            if group.is_some() && address.is_none() && !of_listing(line) {
                heading = group;
            }
            device = address.filter(|_| !line.starts_with([' ', '\t'])).or(device);
        }
    }
    found
}
