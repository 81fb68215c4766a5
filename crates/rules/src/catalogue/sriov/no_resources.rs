//! # Creating virtual functions fails for lack of MMIO space or bus numbers
//!
//! ## What it is
//! Each virtual function (VF) needs memory space of its own and a place in the bus numbers. The firmware laid out the
//! bus for the physical functions only, and there is no room left where the card sits.
//!
//! Heard as: creating virtual functions fails with no memory or no space though there is plenty.
//!
//! Known by: not enough MMIO resources for SR-IOV; bus number out of range; enabling VFs: cannot allocate memory; can't
//! enable VFs; pci=realloc, above 4G decoding; ARI.
//!
//! ## Why it happens
//! The firmware does not reserve VF BARs (SR-IOV support off, Above 4G decoding off); more VFs are asked for than the
//! driver, its queues or interrupts allow; without ARI only 7 more functions fit on a bus.
//!
//! ## Confirm
//! `dmesg | grep -iE 'SR-IOV|BAR (7|8|9|10)'` after the write to `sriov_numvfs`; `lspci -vv -s <pf>` "Region 0 ...
//! [virtual]" below SR-IOV; `cat /sys/bus/pci/devices/<pf>/sriov_totalvfs`.
//!
//! ## Refute
//! The message speaks of a missing driver or capability: then SR-IOV is not enabled at all.
//!
//! ## Fix
//! SR-IOV support, ARI and Above 4G decoding on in firmware; `pci=realloc` (and `pci=assign-busses` for bus numbers);
//! fewer VFs.
//!
//! ## References
//! Linux `drivers/pci/iov.c` `sriov_enable()`, `sriov_init()`; kernel-parameters.txt (pci=realloc); PCIe
//! specification 9 (SR-IOV) and 6.13 (ARI).

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["sriov", "firmware"],
    signs: &[
        Sign::proof("not enough MMIO resources for SR-IOV"),
        Sign::proof("SR-IOV: IOV BARS not allocated"),
        Sign::proof("can't enable {n} VFs (bus"),
        Sign::proof("SR-IOV: bus number out of range"),
        Sign::strong("from pcibios_sriov_enable()"),
        Sign::strong("pci_enable_sriov failed : -12"),
        Sign::support("BAR 7: no space for [mem size"),
        Sign::support("BAR 8: no space for [mem size"),
        Sign::support("BAR 9: no space for [mem size"),
        Sign::support("BAR 10: no space for [mem size"),
        Sign::support("BAR 7: failed to assign [mem size"),
        Sign::support("BAR 10: failed to assign [mem size"),
        Sign::support("VF BAR {n} [mem *: can't assign; no space"),
        Sign::strong("Limited to {n} VFs due to device resource constraints"),
        Sign::strong("VFs, max VFs supported is"),
        Sign::strong("VFs requested; only {n} enabled"),
        Sign::strong("MSI-X interrupts available for SR-IOV"),
        // ice of kernels before 5.9.
        Sign::strong("Not enough vectors to support {n} VFs"),
        Sign::strong("write error: Cannot allocate memory").and(&["sriov_numvfs"]),
        Sign::support("sriov_numvfs: Cannot allocate memory"),
        Sign::support("write error: Numerical result out of range").and(&["sriov_numvfs"]),
        Sign::support("sriov_numvfs: Numerical result out of range"),
        Sign::support("try booting with pci=realloc").and(&["SR-IOV"]),
        Sign::support("sriov_numvfs: no space left on device"),
        Sign::support("write error: No space left on device").and(&["sriov_numvfs"]),
    ],
    words: &["pci=realloc", "sr-iov", "sriov", "cannot allocate memory", "mmio", "numvfs"],
    explains: &["sriov/not-enabled", "vfio/bar-space"],
    tells: "dmesg",
    remedy: "enable SR-IOV, ARI and Above 4G decoding in firmware, boot with pci=realloc, or ask for fewer VFs",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::HostReboot,
    rank: Rank::Specific,
    needs: &[Need::Command(&["dmesg"])],
    ..Rule::NEW
};
