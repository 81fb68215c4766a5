//! # The PF is driven by vfio-pci and the virtual function needs its token
//!
//! ## What it is
//! Where the physical function (PF) is itself held by vfio-pci (a user-space driver, a VM), its owner could spy on the
//! virtual functions (VFs). The kernel therefore wants both sides to present one secret UUID, the VF token.
//!
//! Heard as: a virtual function cannot be opened: permission denied while the physical one is with vfio-pci.
//!
//! Known by: VF token; PF bound to vfio-pci; error getting device from group: Permission denied; vf-token UUID; DPDK on
//! PF.
//!
//! ## Why it happens
//! DPDK drives the PF through vfio-pci with `enable_sriov=1`, and the VM's `vfio-pci` argument has no or another
//! `vf-token`; or a token is given though the PF is on its host driver.
//!
//! ## Confirm
//! `dmesg | grep 'VF token'`; `readlink /sys/bus/pci/devices/<vf>/physfn/driver`.
//!
//! ## Refute
//! The PF is on its host driver and no token is given.
//!
//! ## Fix
//! `-device vfio-pci,host=<vf>,vf-token=<uuid>` (QEMU 8.1 and later) with the UUID that the PF's user set (DPDK:
//! `--vfio-vf-token`); or put the PF on its host driver.
//!
//! ## References
//! Linux `drivers/vfio/pci/vfio_pci_core.c` `vfio_pci_validate_vf_token()` (since 5.7); QEMU `hw/vfio/pci.c`
//! (vf-token); DPDK Linux guide, "VFIO with VF token".

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["sriov", "passthrough", "security"],
    signs: &[
        Sign::proof("VF token required to access device"),
        Sign::proof("Incorrect VF token provided for device"),
        Sign::proof("VF token incorrectly provided"),
        Sign::strong("error getting device from group {group}: Permission denied"),
        Sign::support("error getting device {device} from group {group}: Permission denied"),
        Sign::hint("vf-token"),
        Sign::support("getting a vfio_dev_fd for {device} failed").and(&["VF token"]),
        Sign::hint("enable_sriov=1"),
    ],
    words: &["vf token", "vf-token", "uuid", "dpdk", "physical function"],
    explains: &["vfio/group-permission", "vfio/wrong-driver"],
    tells: "dmesg",
    remedy: "give the VF the token that the PF's user set (vf-token=<uuid>), or put the PF on its host driver",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    rank: Rank::Specific,
    needs: &[Need::Command(&["dmesg"])],
    ..Rule::NEW
};
