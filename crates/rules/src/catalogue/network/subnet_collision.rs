//! # The virtual network's subnet overlaps another network
//!
//! ## What it is
//! Two interfaces of the host, or the host's LAN and the guests' network, use overlapping addresses. libvirt refuses to
//! start such a network; where nothing refuses, the host has two routes for one address and answers go the wrong way.
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

use crate::prelude::*;
use std::net::Ipv4Addr;
use vmwright_formats::IpAddr;
use vmwright_formats::lines::lines;

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
    ],
    words: &["same subnet", "overlap", "192.168.122", "nested", "collision"],
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

/// An address of the host's.
struct Network<'r> {
    source: &'r str,
    interface: String,
    address: u32,
    prefix: u32,
    /// It is the aim of a route: a wider one may hold a narrower one.
    routed: bool,
    quote: Option<Evidence>,
}

impl Network<'_> {
    fn overlaps(&self, other: &Self) -> bool {
        let short = self.prefix.min(other.prefix);
        // Two cards in one LAN are no matter of virtual networks.
        (virtual_one(&self.interface) || virtual_one(&other.interface))
            && self.interface != other.interface
            && self.source == other.source
            && (self.prefix == other.prefix || !self.routed && !other.routed)
            && mask(self.address, short) == mask(other.address, short)
    }
}

/// Whether virtual networks have interfaces of this name.
fn virtual_one(name: &str) -> bool {
    let starts =
        ["br", "cni", "docker", "incus", "lx", "mpqemubr", "podman", "tap", "vbox", "virbr", "vm", "vnet"];
    starts.iter().any(|start| name.starts_with(start))
}

fn mask(address: u32, prefix: u32) -> u32 {
    if prefix == 0 { 0 } else { address & (u32::MAX << (32 - prefix.min(32))) }
}

/// Private IPv4 networks as `ip addr`, `ip -br addr` and `ip route` list them; 256 at most.
fn networks<'r>(cx: &'r Context<'_>) -> Vec<Network<'r>> {
    let mut found: Vec<Network<'r>> = Vec::new();
    let mut add = |source: &'r str, interface: &str, routed: bool, listed: &str, quote: Option<Evidence>| {
        let Some((address, prefix)) = listed.split_once('/') else { return };
        let (Ok(address), Ok(prefix)) = (address.parse::<Ipv4Addr>(), prefix.parse::<u32>()) else { return };
        if (8..=30).contains(&prefix) && address.is_private() && found.len() < 256 {
            found.push(Network {
                source,
                interface: interface.to_owned(),
                address: address.into(),
                prefix,
                routed,
                quote,
            });
        }
    };
    for seen in cx.all::<IpAddr>() {
        for link in &seen.links {
            for address in &link.addresses {
                add(seen.text.source, &link.name, false, &address.value, seen.quote(address.line));
            }
        }
    }
    for text in cx.texts() {
        for (number, line) in lines(&text.text) {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some(name), Some("UP" | "DOWN" | "UNKNOWN")) => {
                    let name = name.split('@').next().unwrap_or(name);
                    words
                        .take(8)
                        .for_each(|address| add(text.source, name, false, address, text.quote(number)));
                }
                (Some(to), Some(by @ ("dev" | "via"))) if to.contains('/') => {
                    let name = if by == "dev" { words.next() } else { words.nth(2) };
                    add(text.source, name.unwrap_or(""), true, to, text.quote(number));
                }
                // `/proc/net/route`, in the machine's byte order.
                (Some(name), Some(to)) if to.len() == 8 => {
                    let hex = |word: &str| u32::from_str_radix(word, 16).ok().map(u32::swap_bytes);
                    if let (Some(to), Some(mask)) = (hex(to), words.nth(5).and_then(hex)) {
                        let listed = format!("{}/{}", Ipv4Addr::from(to), mask.count_ones());
                        add(text.source, name, true, &listed, text.quote(number));
                    }
                }
                _ => {}
            }
        }
    }
    found
}
