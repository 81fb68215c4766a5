//! The messages of the rule beside: the topology gives no isolation (no ACS), so the group spans unrelated devices.

use super::SHARED;
use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    Sign::proof("is behind a switch lacking ACS and cannot be assigned"),
    Sign::strong("Warning: PCIe ACS overrides enabled"),
    Sign::strong("cannot disable ACS redirect for this hardware as it does not have ACS capabilities"),
    Sign::hint("pcie_acs_override="),
    Sign::support("ACS override"),
    Sign::support("lacks ACS"),
    Sign::support("no ACS support"),
    Sign::strong("IOMMU group").said(SHARED).or_near(),
    Sign::strong("no available reset mechanism").said(&[
        "loses its network",
        "host loses",
        "lose the network",
        "loses the nic",
        "my nic",
    ]),
];
