//! # The host's firewall drops the guests' DHCP or DNS
//!
//! ## What it is
//! On a virtual network the host itself is the guests' DHCP and DNS server: their requests arrive at the bridge
//! (UDP 67, UDP and TCP 53) and must pass the host's INPUT rules. If another firewall drops them, guests get no
//! address or cannot resolve names, though dnsmasq runs and the bridge is up.
//!
//! Heard as: guests get no address since the firewall was switched on, ufw, firewalld or nftables on the host.
//!
//! Known by: no DHCP offer; firewalld zone libvirt, ufw, nftables input drop; DHCPDISCOVER repeated; guest gets 169.254
//! address; static address works; DNS timed out; guest without lease, discover seen in tcpdump without reply; ufw,
//! firewalld, nftables reject; DNS of guest dead; dnsmasq listening but never receives.
//!
//! ## Why it happens
//! ufw, a hand-made nftables ruleset, or a distribution's default (NixOS, Fedora zones) has an INPUT policy of drop.
//! With nftables every base chain must accept: libvirt's own accept in one table does not help against a drop in
//! another. A reload of the firewall after libvirt's start flushes libvirt's rules.
//!
//! ## Confirm
//! `nft list ruleset` or `iptables -S INPUT`: policy drop and no accept for the bridge before it; `dmesg` shows
//! blocked frames with `IN=virbr0 ... DPT=67`; `tcpdump -ni virbr0 port 67` shows requests without answers, and the
//! journal of dnsmasq no DHCPDISCOVER.
//!
//! ## Refute
//! dnsmasq logs DHCPDISCOVER and DHCPOFFER for the guest's MAC: then the way back or the guest is at fault.
//!
//! ## Fix
//! Accept UDP 67, UDP/TCP 53 (and 547 for IPv6) from the bridge, or make it a trusted interface
//! (`networking.firewall.trustedInterfaces`, `ufw allow in on virbr0`, firewalld zone `libvirt`), then restart the network.
//!
//! ## References
//! libvirt firewall.html, formatnetwork.html; `src/network/network_nftables.c`, `network_iptables.c`; nftables wiki
//! "Configuring chains" (several base chains on a hook); ufw(8); firewalld.zone(5).

#[path = "state/filters.rs"]
pub(crate) mod filters;

use crate::prelude::*;
use filters::{Input, input};

/// How the firewalls log a frame that they dropped, and how a ruleset that drops by default reads.
/// What people say of a guest without an address.
const DHCP: &[&str] = &["dhcp", "no address", "no ip", "lease", "no ipv4"];

pub const RULE: Rule = Rule {
    tags: &["network", "firewall"],
    signs: &[
        Sign::proof("[UFW BLOCK] IN={bridge} *DPT=67"),
        Sign::proof("[UFW BLOCK] IN={bridge} *DPT=53"),
        Sign::proof("refused connection: IN={bridge} *DPT=67"),
        Sign::proof("refused packet: IN={bridge} *DPT=67"),
        Sign::proof("refused packet: IN={bridge} *DPT=53"),
        Sign::strong("IN=virbr{n} *SPT=68 DPT=67"),
        Sign::strong("IN=virbr{n} *DPT=53"),
        Sign::strong("IN={bridge} *PROTO=UDP SPT=68 DPT=67"),
        Sign::strong("filter_IN_{zone}_REJECT: IN=virbr"),
        Sign::strong("hook input priority filter; policy drop").and(&["virbr"]),
        Sign::strong("hook input priority 0; policy drop").and(&["virbr"]),
        Sign::support("hook input priority filter; policy drop"),
        Sign::support("hook input priority 0; policy drop"),
        Sign::support("Chain INPUT (policy DROP"),
        Sign::support("-P INPUT DROP"),
        Sign::support("Default: deny (incoming)").unless(&["Address already in use"]),
        Sign::hint("Status: active").and(&["deny (incoming)"]),
        Sign::support("ufw * active").and(&["dhcp"]).unless(&["Address already in use"]),
        Sign::support("No DHCPOFFERS received").and(&["policy drop"]),
        Sign::hint("No DHCPOFFERS received"),
        Sign::hint("No lease, failing"),
        Sign::hint("DHCPDISCOVER on {nic} to 255.255.255.255"),
        Sign::hint("udhcpc: no lease"),
        Sign::hint("DHCP timed out"),
        Sign::hint("nixos-fw"),
        Sign::support("firewall enabled"),
        Sign::strong("FINAL_REJECT: IN=virbr"),
        // tcpdump on the bridge: the server is asked, and nobody answers.
        Sign::support("BOOTP/DHCP, Request from").unless(&["BOOTP/DHCP, Reply"]),
        Sign::hint("0.0.0.0.68 > 255.255.255.255.67").unless(&["BOOTP/DHCP, Reply"]),
        Sign::strong("rpfilter drop: IN={bridge} "),
        Sign::strong("DROP* IN={bridge} *SPT=68 DPT=67"),
        Sign::strong("REJECT* IN={bridge} *SPT=68 DPT=67"),
        Sign::strong("[UFW BLOCK] IN={bridge} *SPT=68"),
        Sign::support("[UFW BLOCK] IN=virbr"),
        Sign::support("refused connection: IN=virbr"),
        Sign::strong("DHCPOFFER({bridge}) {ip} {mac}").against(),
        Sign::strong("DHCPACK({bridge}) {ip} {mac}").against(),
        // What a complaint makes of a configuration.
        Sign::support("Status: active").said(DHCP),
        Sign::support("policy drop").said(DHCP),
        Sign::support("Chain INPUT (policy DROP").said(DHCP),
        Sign::support("target: DROP").said(DHCP),
    ],
    words: &["no ip address", "dhcp lease", "firewall", "nftables", "no address", "name resolution"],
    check,
    explains: &["network/guest-address-missing"],
    tells: "nft list ruleset",
    remedy: "accept DHCP and DNS from the virtual bridge in the host's firewall and restart the network",
    applicability: Applicability::NeedsApproval,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let said = cx.asked(RULE.words);
    draft = match input(cx) {
        Some(Input::Accepts(rule)) => {
            draft.looked().despite(Strength::Strong, rule, "the guests' DHCP is accepted")
        }
        Some(Input::Drops(policy)) if said => {
            draft.because(Strength::Strong, policy, "no rule accepts what the guests ask of the host")
        }
        _ => draft,
    };
    let asked = cx.stands("BOOTP/DHCP, Request from") && !cx.stands("BOOTP/DHCP, Reply");
    // `firewall-cmd --get-active-zones` or `--list-all`: the bridge in another zone than libvirt's.
    for text in cx.texts_with("interfaces:") {
        let mut zone = "";
        for (number, line) in text.lines().take(20_000) {
            if !line.starts_with([' ', '\t']) {
                zone = line.split_whitespace().next().unwrap_or("");
            }
            let Some((_, interfaces)) = line.split_once("interfaces:") else { continue };
            // Bridges of other networks have any name: there a request without an answer must be seen too.
            let ours = interfaces.contains("virbr") || asked && interfaces.split_whitespace().count() > 1;
            if ours && ["public", "drop", "block", "external", "home", "work"].contains(&zone) {
                let quote = text.quote(number);
                draft = draft
                    .because(Strength::Strong, quote, "the bridge is in a zone that does not allow DHCP")
                    .title(format!("the virtual bridge is in firewalld's zone {zone}"));
                return vec![draft.verdict()];
            }
        }
    }
    vec![draft.verdict()]
}
