//! The IPv4 ranges of a host's interfaces, routes and virtual networks.

use crate::prelude::*;
use std::net::Ipv4Addr;
use vmwright_formats::IpAddr;

/// An address of the host's.
pub(crate) struct Network<'r> {
    /// Name of the text.
    pub source: &'r str,
    pub interface: String,
    pub address: u32,
    pub prefix: u32,
    /// It is the aim of a route: a wider one may hold a narrower one.
    pub routed: bool,
    pub quote: Option<Evidence>,
}

impl Network<'_> {
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
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

/// What stands in each line of `/proc/net/route`: two columns that the kernel no longer fills (Linux,
/// `fib_route_seq_show()` in `net/ipv4/fib_trie.c`).
const ROUTE: &str = "\t0\t0\t";

/// Private IPv4 networks as `ip addr`, `ip -br addr` and `ip route` list them; 256 at most.
pub(crate) fn networks<'r>(cx: &'r Context<'_>) -> Vec<Network<'r>> {
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
    for (text, number, line) in cx.lines_with([" UP ", " DOWN ", " UNKNOWN ", " dev ", " via ", ROUTE]) {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some(name), Some("UP" | "DOWN" | "UNKNOWN")) => {
                let name = name.split('@').next().unwrap_or(name);
                words.take(8).for_each(|address| add(text.source, name, false, address, text.quote(number)));
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
    found
}

/// The definition of a libvirt network that has an uplink's range: `<ip address='192.168.122.1' netmask=`.
pub(crate) fn defined<'r>(cx: &'r Context<'_>, uplink: &Network<'_>) -> Option<(Option<Evidence>, &'r str)> {
    let outside = !virtual_one(&uplink.interface);
    cx.texts_with("<network").filter(|_| outside).find_map(|text| {
        let (number, _) = text.lines_with("<ip address=").find(|(_, line)| {
            let address = line
                .trim()
                .strip_prefix("<ip address=")
                .and_then(|rest| rest.get(1..)?.split(['\'', '"']).next());
            let address = address.and_then(|address| address.parse::<Ipv4Addr>().ok()).map(u32::from);
            address.is_some_and(|address| mask(address, uplink.prefix) == mask(uplink.address, uplink.prefix))
        })?;
        let name = text.as_str().split_once("<name>").and_then(|(_, rest)| rest.split('<').next());
        Some((text.quote(number), name.unwrap_or("the network")))
    })
}
