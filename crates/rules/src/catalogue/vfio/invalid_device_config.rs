//! # The function's configuration space is inconsistent, so vfio refuses it
//!
//! ## What it is
//! QEMU rebuilds a device's capabilities for the guest from its configuration space. What this function says of
//! itself cannot be true: the MSI-X table or pending-bit array lies in a BAR that does not exist or outside of it,
//! capabilities overlap, regions lack.
//!
//! Heard as: one function of a card is refused for its layout of MSI-X or BARs.
//!
//! Known by: capability chain, MSI-X table or PBA outside BAR; hardware reports invalid configuration; config space all
//! ff; unknown header type; vfio_bar_quirk.
//!
//! ## Why it happens
//! Firmware bugs of the device; a function that exists only as a stub (the storage function of a converged NIC
//! without its licence); a function in D3 or off the bus, which reads ones; a device that needs a QEMU quirk.
//!
//! ## Confirm
//! `lspci -vvv -s <address>`: "MSI-X: ... Vector table: BAR=4 offset=..." and the "Region" lines beside it.
//! `setpci -s <address> 0.l` must not be ffffffff.
//!
//! ## Refute
//! Table and PBA lie within the size of a BAR that is there.
//!
//! ## Fix
//! Leave this function with the host and assign the others; update the device's firmware; a QEMU that has the
//! quirk; `x-msix-relocation=` for devices whose table only needs to move.
//!
//! ## References
//! QEMU `hw/vfio/pci.c`, `vfio_msix_early_setup()`, `vfio_add_std_cap()`; PCI specification 6.8.2 (MSI-X); Linux
//! `drivers/vfio/pci/vfio_pci_config.c`, `drivers/pci/probe.c` (non-compliant BARs).

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["passthrough"],
    signs: &[
        Sign::proof("hardware reports invalid configuration, MSIX PBA outside of specified BAR"),
        Sign::strong("hardware reports invalid configuration"),
        Sign::strong("Invalid MSI-X relocation BAR"),
        Sign::strong("No automatic MSI-X relocation available for device"),
        Sign::strong("failed to add PCI capability {id}[{size}]@{at}"),
        Sign::strong("Attempt to add PCI capability * overlaps existing capability"),
        Sign::strong("msix_init: Assertion"),
        Sign::strong("unexpected number of io regions"),
        Sign::strong("unexpected number of irqs"),
        Sign::strong("unexpected VGA info"),
        Sign::strong("unexpected info for region"),
        Sign::support("this isn't a PCI device"),
        Sign::strong("device has non-compliant BARs; disabling IO/MEM decoding"),
        Sign::strong("failed to read PCI MSIX TABLE"),
        Sign::strong("failed to read PCI MSIX PBA"),
        Sign::strong("failed reading MSI PCI_CAP_FLAGS"),
        Sign::support("failed to read device config space"),
        Sign::support("PCI config conflict @"),
        Sign::hint("Hardware bug: VF reports bogus INTx pin"),
        Sign::hint("unknown length for PCI cap"),
        Sign::strong("failed to read PCI MSIX FLAGS"),
        Sign::support("vfio: Failed to read BAR"),
        Sign::support("VfioMapRegion"),
        Sign::strong("vfio: too few regions"),
        Sign::strong("vfio: Unexpected size of the"),
        Sign::strong("msi_init failed"),
    ],
    words: &["msi-x", "msix", "pba", "capability", "config space"],
    explains: &[],
    tells: "lspci -vvv",
    remedy: "leave this function to the host, or update the device's firmware",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::DebugSpecialist),
    ..Rule::NEW
};
