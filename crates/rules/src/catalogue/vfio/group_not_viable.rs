//! # A device in the same IOMMU group is still bound to a host driver
//!
//! ## What it is
//! VFIO hands out whole IOMMU groups. A group is viable when each of its devices is bound to a vfio driver, to
//! no driver at all, or is a PCI bridge. One function left on a host driver, and QEMU is refused the group.
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

use crate::prelude::*;

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
    ],
    words: &["iommu group", "same group", "passthrough", "other devices in the group"],
    explains: &["vfio/device-busy", "vfio/group-permission"],
    tells: "lspci -nnk",
    remedy: "bind every other device of the IOMMU group to vfio-pci, or unbind it",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    needs: &[Need::Command(&["lspci", "-nnk"])],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let draft = cx.draft();
    let group = cx.hits("group {group} is not viable").first().and_then(|hit| hit.get("group"));
    vec![match group {
        Some(group) => draft.title(format!("IOMMU group {group} holds a device that a host driver still has")),
        None => draft,
    }
    .verdict()]
}
