//! # The virtual network's subnet overlaps another network
//!
//! ## What it is
//! Two interfaces of the host, or the host's LAN and the guests' network, use overlapping addresses. libvirt refuses to
//! start such a network; where nothing refuses, the host has two routes for one address and answers go the wrong way.
//!
//! Heard as: a nested hypervisor or VPN uses the same addresses as the virtual network, 192.168.122.0; no route
//! out.
//!
//! Known by: network is already in use by interface; overlapping 192.168.122.0/24; nested libvirt default network; VPN
//! or LAN has the same range; routes conflict; nested network uses the same range; cannot reach LAN or VPN hosts; route
//! points into virbr; change ip range; address conflict.
//!
//! ## Why it happens
//! The hypervisor is itself a guest on 192.168.122.0/24 (nested libvirt: both use the default); the VPN, the office LAN
//! or Docker (172.17.0.0/16 and up) uses the same private range; two tools (LXD, minikube, multipass) chose the same.
//!
//! ## Confirm
//! `ip -br -4 addr` and `ip route`: two interfaces whose networks contain each other's address;
//! `virsh -r net-dumpxml <net>` shows the range.
//!
//! ## Refute
//! Every route's network is disjoint; an inactive network's own bridge (`virbr0`) is merely left over.
//!
//! ## Fix
//! Give the virtual network a range that nobody uses (`<ip address=.../>` with its `<range>`) and start it again.
//!
//! ## References
//! libvirt `src/network/bridge_driver_linux.c`, `networkCheckRouteCollision`; formatnetwork.html "Addressing"; RFC 1918;
//! Docker `default-address-pools`.

#[path = "state/ranges.rs"]
mod ranges;

use crate::prelude::*;
use ranges::{defined, networks};

pub const RULE: Rule = Rule {
    tags: &["network", "boot"],
    needs: &[Need::File("/proc/net/route")],
    signs: &[
        // libvirt names the interface: a physical one is a collision, a bridge of its own is left over.
        Sign::strong("Network is already in use by interface en"),
        Sign::strong("Network is already in use by interface eth"),
        Sign::strong("Network is already in use by interface wl"),
        Sign::strong("Network is already in use by interface docker"),
        Sign::strong("Network is already in use by interface br"),
        Sign::strong("Network is already in use by interface lx"),
        Sign::strong("Network is already in use by interface tun"),
        Sign::strong("Network is already in use by interface wg"),
        Sign::strong("Network is already in use by interface bond"),
        Sign::strong("Network is already in use by interface vbox"),
        Sign::strong("Network is already in use by interface vmnet"),
        Sign::strong("Network is already in use by interface cni"),
        Sign::strong("Network is already in use by interface podman"),
        Sign::strong("Network is already in use by interface incus"),
        Sign::strong("Network is already in use by interface mpqemubr"),
        Sign::support("Network is already in use by interface"),
        Sign::strong("Network is already in use by interface virbr")
            .unless(&["start network default", "network 'default'"]),
        Sign::strong("Route address '{address}' conflicts with IP address for"),
        Sign::strong("Pool overlaps with other one on this address space"),
        Sign::strong("could not find an available, non-overlapping IPv4 address pool"),
        Sign::strong("subnet * overlaps with"),
        Sign::strong("network {name} conflicts with"),
        Sign::strong("bridge '{b}' has an invalid netmask or IP address"),
        Sign::strong("Failed to automatically find an unused IPv4 subnet"),
        Sign::strong("VM subnet {subnet} conflicts with an existing route"),
        Sign::strong("No available VM subnet found in"),
        Sign::strong("IP address {a} is assigned to parent managed network device"),
        Sign::strong("does not match with network name"),
        Sign::strong("Network {n} exists but does not have dhcp"),
    ],
    words: &[
        "same subnet",
        "overlap",
        "192.168.122",
        "nested",
        "collision",
        "which runs in",
        "inside a vm",
        "inside my vm",
        "in a vm",
    ],
    explains: &["libvirt/default-network-inactive"],
    tells: "ip -br -4 addr",
    remedy: "give the virtual network an address range that no other network of the host uses",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let nets = networks(cx);
    draft = if nets.len() > 1 { draft.looked() } else { draft };
    let nested = ["nested", "which runs in", "inside a vm", "inside my vm", "in a vm"]
        .iter()
        .any(|word| cx.said(word));
    for network in nets.iter().filter(|_| nested) {
        let Some((quote, name)) = defined(cx, network) else { continue };
        draft = draft
            .because(Strength::Support, quote, "the network inside has this range")
            .because(Strength::Support, network.quote.clone(), "so has the one that the VM is in")
            .title(format!("{name} has the range of the network that its own host is in"));
        return vec![draft.verdict()];
    }
    let mut pairs =
        nets.iter().enumerate().flat_map(|(at, one)| nets[at + 1..].iter().map(move |other| (one, other)));
    if let Some((one, other)) = pairs.find(|(one, other)| one.overlaps(other)) {
        draft = draft
            .because(Strength::Support, one.quote.clone(), "this interface has the range")
            .because(Strength::Support, other.quote.clone(), "another has a range that overlaps it")
            .about(Subject::new(SubjectKind::Interface, &other.interface))
            .title(format!("{} and {} have overlapping networks", one.interface, other.interface));
    }
    vec![draft.verdict()]
}
