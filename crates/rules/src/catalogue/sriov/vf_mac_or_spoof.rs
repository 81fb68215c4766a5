//! # The virtual function's MAC, VLAN, trust or spoof check drops the guest's traffic
//!
//! ## What it is
//! The physical function's driver polices its virtual functions (VFs): the MAC that may send, the VLANs, promiscuous
//! mode. What the guest does is not allowed, and the card drops the frames without a word to the guest.
//!
//! Heard as: a VF in the guest has a link but its bridge, VLAN, virtual IP or changed MAC gets no traffic.
//!
//! Known by: VF has no traffic; spoofed packet detected; MAC all zeros or changed by the guest; trust off; vlan on VF;
//! admin MAC; link-state of VF.
//!
//! ## Why it happens
//! The guest changes the VF's MAC or bridges other MACs over it (containers, nested VMs, VRRP, bonding) while spoof
//! checking is on and trust is off; it uses a VLAN that the VF was not given; the VF has an all-zero MAC.
//!
//! ## Confirm
//! `ip link show <pf>`: the VF's MAC, "vlan", "spoof checking", "trust", "link-state"; `dmesg` on the host for "Spoofed
//! packets", "not trusted"; `ethtool -S <pf> | grep -i spoof`.
//!
//! ## Refute
//! The guest sends from the VF's own MAC and VLAN, and the counters stand still.
//!
//! ## Fix
//! `ip link set <pf> vf <n> mac <mac>`, `vlan <id>`, `trust on`, `spoofchk off` for what the guest may do; libvirt
//! `<mac>`, `<vlan>` and `trustGuestRxFilters`. Trust lets the guest see others' frames: decide it, don't default to it.
//!
//! ## References
//! Linux `drivers/net/ethernet/intel/{igb,ixgbe,i40e,ice}/` (`*_virtchnl*.c`, `ixgbe_sriov.c`); ip-link(8);
//! libvirt `src/util/virnetdev.c`, `virNetDevSetVfConfig()`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["sriov", "network", "security"],
    signs: &[
        Sign::proof("Spoofed packets detected"),
        Sign::proof("Spoof event(s) detected on VF"),
        Sign::proof("attempted to override administratively set MAC address"),
        Sign::proof("attempting to override administratively set MAC address"),
        Sign::proof("attempted to override administratively set VLAN"),
        Sign::proof("requested MACVLAN filter but is administratively denied"),
        Sign::proof("requested MAC filter but is administratively denied"),
        Sign::proof("VF is not trusted, switch the VF to trusted"),
        Sign::strong("is attempting to configure promiscuous mode"),
        Sign::strong("Enabling VF promisc requires PF in promisc"),
        Sign::strong("Malicious Driver Detection event * VF"),
        Sign::strong("doesn't have any VLAN id"),
        Sign::strong("Failed to add MAC filter, error IAVF"),
        Sign::strong("Failed to add VLAN filter, error IAVF"),
        Sign::strong("Cannot set interface MAC to {mac} for ifname {pf} vf"),
        Sign::strong("Cannot set interface vlanid to {vlan} for ifname {pf} vf"),
        Sign::strong("Cannot set interface MAC/vlanid to {what} for ifname {pf} vf"),
        Sign::support("is not bound to a net driver, so its MAC address cannot be set"),
        Sign::support("because the PF is not online"),
        Sign::support("vf {n} * link/ether 00:00:00:00:00:00"),
        Sign::support("vf {n} MAC 00:00:00:00:00:00"),
        Sign::support("spoof checking on").and(&["trust off", "traffic"]),
        Sign::support("spoof checking on").and(&["trust off", "bridge"]),
        Sign::hint("spoof checking on"),
        Sign::hint("spoofchk on"),
        Sign::support("tx_spoof_packets"),
        Sign::hint("MAC address not assigned by administrator"),
        Sign::strong("VF is not trusted"),
        // What a complaint makes of a configuration.
        Sign::support("spoof checking on")
            .said(&[
                "no network",
                "ping",
                "reach",
                "traffic",
                "bridge",
                "vrrp",
                "virtual ip",
                "failover",
                "mac",
            ])
            .or_near(),
        Sign::support("trust off").said(&["promisc", "multicast", "vlan", "mac", "vrrp"]).or_near(),
        Sign::strong("The PF device for VF {v} has no network device name"),
        Sign::strong("admin MAC can only be set for SR-IOV VFs"),
        Sign::strong("vlan can only be set for SR-IOV VFs"),
        Sign::strong("couldn't find IFLA_VF_INFO for VF"),
        Sign::strong("Could not find vf/instanceId"),
        Sign::support("failed opcode {n}, retval"),
        Sign::support("attempted to send invalid"),
    ],
    words: &["spoof", "trust", "vf mac", "vlan", "vf", "virtual function", "bridge", "no traffic"],
    explains: &["network/port-security-drop"],
    tells: "ip -d link show <pf>",
    remedy: "set the VF's MAC and VLAN on the host, and trust or spoof check off only where the guest needs it",
    applicability: Applicability::NeedsApproval,
    rank: Rank::Specific,
    escalation: Some(Agent::SecurityEngineer),
    needs: &[Need::Command(&["dmesg"])],
    ..Rule::NEW
};
