//! # No PCI slot or hotplug-capable root port is free
//!
//! ## What it is
//! A device is to be added and there is no place for it: q35's root bus takes no hotplug, each root port takes one
//! device, and only as many empty ports exist as the definition has.
//!
//! Heard as: some disks or cards can be attached and one more is refused; no more slots.
//!
//! Known by: No more available PCI slots; no hotpluggable port; attach-device fails after several disks; needs more
//! pcie-root-port; pcie bus full.
//!
//! ## Why it happens
//! libvirt adds root ports for what is defined and few spares; OpenStack and KubeVirt attach volumes and NICs later; a
//! device was given the root bus `pcie.0`; i440fx has 32 slots on its one bus.
//!
//! ## Confirm
//! `virsh -r dumpxml VM`: count `pcie-root-port` controllers and the `bus=` of devices; QEMU's monitor `info pci`.
//!
//! ## Refute
//! An empty root port is there; "in use by" with one slot named is `machine/hotplug-port-shared` or `machine/id-in-use`.
//!
//! ## Fix
//! Add empty `pcie-root-port` controllers to the definition and restart the VM (OpenStack: `num_pcie_ports`), or take a
//! device off; a `pcie-to-pci-bridge` holds 31 conventional devices.
//!
//! ## References
//! libvirt `docs/pci-hotplug.rst`, `src/conf/domain_addr.c` ("No more available PCI slots"); QEMU `hw/pci/pci.c` ("no
//! slot/function available"), `hw/core/qdev-hotplug.c`; Cloud Hypervisor `pci/src/bus.rs`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["machine", "hotplug"],
    signs: &[
        Sign::proof("No more available PCI slots"),
        Sign::proof("No more available PCI addresses"),
        Sign::proof("PCI: no slot/function available for"),
        Sign::strong("a PCI slot is needed to connect a PCI controller"),
        Sign::strong("Cannot automatically add a new PCI bus"),
        Sign::strong("Bus 'pcie.0' does not support hotplugging"),
        Sign::strong("Bus 'pci.0' does not support hotplugging"),
        Sign::support("Bus '{bus}' does not support hotplugging"),
        Sign::strong("Bus '{bus}' is full"),
        Sign::strong("No free PCI slot"),
        Sign::strong("no available PCI slot"),
        Sign::strong("available device slot on the PCI bus"),
        Sign::strong("NoAvailablePciDeviceSlot"),
        Sign::strong("No free USB ports"),
        Sign::strong("Unable to find a free virtio-serial port"),
        Sign::strong("Unable to find a free port on virtio-serial controller"),
        Sign::strong("out of PCI slots"),
        Sign::strong("no free pcie-root-port"),
        Sign::support("No PCI slots available"),
        Sign::support("Hot-plug failed: unsupported by the port device"),
        Sign::support("doesn't support hotplug").and(&["PCI controller with index"]),
        Sign::strong("No more free slots"),
        Sign::strong("no empty slots"),
        Sign::strong("There is no more free"),
        Sign::strong("Only PCI buses up to"),
        Sign::strong("no virtio-serial controllers are available"),
        Sign::support("Unsupported PCI slot {slot} for standard hotplug controller"),
        Sign::strong("no more bridge slots available"),
        Sign::strong("no free slots on PCI bridges"),
        Sign::strong("failed to get available address from bridges"),
        Sign::strong("PCI: slot {s} function {f} not available for {d}, reserved"),
        Sign::strong("no free slots available"),
        Sign::strong("no more on-board/default NIC slots available"),
        Sign::strong("too many NICs"),
        Sign::strong("no free target"),
        Sign::strong("No primary PCI bus"),
        Sign::strong("unsupported amount of memory slots"),
        Sign::strong("failed to find an empty memory slot"),
        Sign::strong("No free busNr lower than current lowest busNr"),
        Sign::strong("No usable target index found for"),
        Sign::strong("PCI controller index {n} too high"),
        Sign::strong("virtio-serial controller {n} not available"),
        Sign::strong("No available PCI hotplug slots could be found"),
        Sign::strong("Available interface adapters have been exhausted"),
        Sign::strong("All available devices allocated under"),
    ],
    words: &[
        "attach",
        "hotplug",
        "hot-plug",
        "root port",
        "pci slot",
        "more volumes",
        "more disks",
        "add a disk",
    ],
    tells: "virsh -r dumpxml VM",
    remedy: "add empty pcie-root-port controllers to the definition and restart the VM, or take a device off",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
