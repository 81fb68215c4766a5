//! # A MAC, ARP or port-security filter drops the guest's frames
//!
//! ## What it is
//! Something between the guest and the network lets only frames with the expected MAC and IP address pass. Frames of a
//! nested VM, a container bridge, a virtual IP (VRRP, keepalived) or a guest with a changed MAC are dropped silently.
//! Heard as: a bridged or nested VM gets no answer because the network knows only the host's MAC: wireless.
//!
//! Known by: MAC spoofing filter, OpenStack port security, VMware promiscuous or forged transmits, Hetzner or cloud
//! with single MAC; bridge in nested VM gets no ARP reply; nwfilter clean-traffic; only first MAC allowed; provider
//! filters; bridged guest cannot be reached from outside, ARP unanswered; promiscuous; anti-spoof; ebtables rule.
//!
//! ## Why it happens
//! libvirt's `<filterref filter='clean-traffic'/>` or `no-mac-spoofing`; OpenStack and OVN port security without
//! allowed-address-pairs; an outer hypervisor: VMware port groups reject promiscuous mode, MAC changes and forged
//! transmits, Hyper-V needs MAC address spoofing, VirtualBox promiscuous mode "Allow All"; providers (Hetzner, OVH, AWS
//! source/destination check) accept the host's MAC only; a physical switch with port security err-disables the port;
//! Proxmox's firewall with its MAC filter. A wireless card in a bridge is the same case: an access point takes frames of
//! the station's own MAC alone. A macvtap passes no multicast that its guest joins, unless the guest's receive filters
//! are trusted (`trustGuestRxFilters`).
//!
//! ## Confirm
//! `ebtables -t nat -L` (`libvirt-I-vnet0`), `nft list table bridge filter`, `virsh -r nwfilter-binding-list`,
//! `ovn-nbctl lsp-get-port-security <port>`; `tcpdump` on both sides of the suspected hop.
//!
//! ## Refute
//! The frames of the guest's own MAC and address are also missing behind the hop.
//!
//! ## Fix
//! Allow the additional MAC or address at that one port (allowed-address-pairs, the filter's IP parameter, the outer port
//! group), or route or NAT the guests behind the accepted MAC instead of bridging them (always over Wi-Fi).
//!
//! ## References
//! libvirt formatnwfilter.html (clean-traffic, no-mac-spoofing); `src/nwfilter/nwfilter_ebiptables_driver.c`; OVN
//! `ovn-nb(5)` port_security; VMware "Securing standard switch ports"; Hyper-V `Set-VMNetworkAdapter -MacAddressSpoofing`.

#[path = "state/ports.rs"]
mod ports;
#[path = "state/wireless.rs"]
mod wireless;

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["network", "security"],
    signs: &[
        Sign::strong("-j libvirt-I-{tap} * DROP"),
        Sign::strong("I-vnet{tap}-mac * -j DROP"),
        Sign::strong("-s ! {mac} -j DROP"),
        Sign::support("I-vnet{tap}-mac"),
        Sign::support("I-vnet{tap}-arp-mac"),
        Sign::hint("filter='clean-traffic'"),
        Sign::strong("forged transmits"),
        Sign::strong("forgedTransmits"),
        Sign::strong("promiscuous mode: reject"),
        Sign::strong("MacAddressSpoofing*: Off"),
        Sign::strong("PSECURE_VIOLATION"),
        Sign::strong("psecure-violation error detected"),
        Sign::strong("Security violation occurred, caused by MAC address"),
        Sign::support("port_security_enabled*True"),
        Sign::support("port_security_enabled: true"),
        Sign::support("port_security * : [\""),
        Sign::strong("ls_in_port_sec_l2 * drop"),
        Sign::strong("ls_in_port_sec * drop"),
        Sign::strong("ls_in_check_port_sec * drop"),
        Sign::strong("ls_in_apply_port_sec * drop"),
        Sign::strong("neutron-openvswi-s{port} * DROP"),
        // neutron's Open vSwitch agent: its tables against forged ARP and forged MACs.
        Sign::strong("table=24,*arp_spa=").and(&["table=24,*actions=drop"]),
        Sign::strong("table=25,*dl_src=").and(&["keepalived"]),
        Sign::support("Drop traffic without an IP/MAC allow rule"),
        Sign::strong("FILTER_ARP_{port} * DROP"),
        Sign::strong("\"macspoofchk\": true").and(&["nested"]),
        Sign::support("\"macspoofchk\": true"),
        Sign::support("allowed-address-pairs"),
        Sign::support("allowed_address_pairs"),
        Sign::strong("is using different MAC addresses"),
        Sign::support("MAC address* not allowed"),
        Sign::support("enable MAC address spoofing"),
        Sign::support("applyDHCPOnlyRules failed"),
        Sign::support("source/destination check"),
        Sign::hint("nwfilter-binding"),
        // A VF's own anti-spoofing is a matter of SR-IOV.
        Sign::support("spoofed packets detected").against(),
        // OpenNebula, Proxmox, Incus and prose.
        Sign::support("FILTER_MAC_SPOOFING*YES"),
        Sign::support("FILTER_IP_SPOOFING*YES"),
        Sign::support("macfilter: 1"),
        Sign::support("ipfilter: 1"),
        Sign::support("security.mac_filtering: \"true\""),
        Sign::support("security.ipv4_filtering: \"true\""),
        Sign::support("spoofing protection"),
        Sign::support("spoofing filter"),
        Sign::support("no-mac-spoofing"),
        Sign::support("no-ip-spoofing"),
        Sign::support("no-arp-spoofing"),
        // OVN knows the addresses that were given out, and answers for no other.
        Sign::support("ovn.kubernetes.io/logical_switch").said(&["keepalived", "virtual ip", "vrrp", " vip"]),
        Sign::support("SourceDestCheck*true"),
        Sign::support("promiscuous mode*reject"),
        Sign::strong("MAC changes*reject"),
        // A wireless card cannot be a port of a bridge: brctl, bridge(8), iw.
        Sign::strong("can't add wl{card} to bridge {bridge}: Operation not supported"),
        Sign::strong("Device does not allow enslaving to a bridge").unless(&["openvswitch"]),
        Sign::support("set 4addr on").and(&["command failed"]),
    ],
    words: &[
        "port security",
        "spoof",
        "promiscuous",
        "nested",
        "nested vm",
        "virtual ip",
        "keepalived",
        "second ip",
        "additional ip",
        "another ip",
        "multicast",
        "vrrp",
        "carp",
        "containers",
        "second card",
        "inside my vm",
        "wi-fi",
        "wifi",
        "wireless",
        "wlan",
        "bridge",
        "self-assigned",
    ],
    explains: &["ovs/flow-drop"],
    tells: "virsh -r nwfilter-binding-list",
    remedy: "allow the guest's additional MAC or address at the filter that drops it, or route instead of bridging",
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // A filter is a setting like any other; with a complaint of another address behind the port it is the cause.
    let moved = ["virtual ip", "keepalived", "spoof", "nested", "second ip", "additional ip", "another ip"]
        .iter()
        .any(|word| cx.said(word));
    if let Some(quote) = ports::filtered(cx) {
        let strength = if moved { Strength::Strong } else { Strength::Hint };
        draft = draft.because(strength, Some(quote), "a filter lets only the known addresses pass");
    }
    if let Some(quote) = wireless::bridged(cx) {
        let said = cx.asked(&["wi-fi", "wifi", "wireless", "wlan", "self-assigned", "bridge"]);
        let strength = if said { Strength::Strong } else { Strength::Hint };
        draft = draft
            .because(strength, Some(quote), "an access point takes frames of the station's own MAC alone")
            .title("the guests are bridged over a wireless card, which carries no other MAC than its own");
    }
    let groups = cx.asked(&["multicast", "vrrp", "carp", "keepalived", "promiscuous"]);
    let macvtap = ports::deaf(cx).filter(|_| groups);
    draft =
        draft.because(Strength::Strong, macvtap, "the macvtap passes only what is for the card's own MAC");
    vec![draft.verdict()]
}
