//! The network interfaces of a VM, as its guest and its VMM tell them.

use crate::scope::{Guest, Session, Vmm};
use serde_json::{Value, json};
use std::net::IpAddr;
use vmwright_model::MachineSpec;
use vmwright_model::machine::Network;

/// The most interfaces and addresses that are looked at: what a guest says has no end of its own.
const MOST: usize = 256;

/// An interface as the guest sees it. Untrusted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    /// Lower case, with colons.
    pub(crate) mac: Option<String>,
    /// Addresses with the length of their network part.
    pub(crate) addresses: Vec<(IpAddr, u64)>,
}

impl Interface {
    /// The address that the host would use: IPv4 first, never one that only counts on the link.
    pub(crate) fn reachable(&self) -> Option<IpAddr> {
        let mut found: Vec<IpAddr> = self.usable().map(|(ip, _)| ip).collect();
        found.sort_by_key(IpAddr::is_ipv6);
        found.first().copied()
    }

    /// The first address of the other family than this one's, with the length of its network part.
    pub(crate) fn of_the_other_family(&self, than: IpAddr) -> Option<(IpAddr, u64)> {
        self.usable().find(|(ip, _)| ip.is_ipv4() != than.is_ipv4())
    }

    /// Addresses that count beyond the link.
    fn usable(&self) -> impl Iterator<Item = (IpAddr, u64)> {
        let usable = |(ip, _): &(IpAddr, u64)| match ip {
            IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
            IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
        };
        self.addresses.iter().copied().filter(usable)
    }

    /// Addresses as one text.
    pub(crate) fn addresses_text(&self) -> String {
        let texts: Vec<String> = self.addresses.iter().map(|(ip, prefix)| format!("{ip}/{prefix}")).collect();
        if texts.is_empty() { "none".to_owned() } else { texts.join(" ") }
    }
}

/// What the guest says, by `guest-network-get-interfaces`.
pub(crate) fn of_guest(session: &Session<'_>) -> Result<Vec<Interface>, String> {
    listed(&session.ask("guest-network-get-interfaces")?)
}

/// The same of any guest.
pub(crate) fn told(guest: &dyn Guest) -> Result<Vec<Interface>, String> {
    let answer =
        guest.execute("guest-network-get-interfaces", json!({})).map_err(|error| error.to_string())?;
    listed(&answer)
}

fn listed(answer: &Value) -> Result<Vec<Interface>, String> {
    parse(answer).ok_or_else(|| "guest-network-get-interfaces: the answer is no list".to_owned())
}

fn parse(answer: &Value) -> Option<Vec<Interface>> {
    let interface = |entry: &Value| {
        let addresses =
            entry.get("ip-addresses").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let address = |entry: &Value| {
            let ip = entry.get("ip-address")?.as_str()?.parse().ok()?;
            Some((ip, entry.get("prefix").and_then(Value::as_u64)?))
        };
        Some(Interface {
            name: entry.get("name")?.as_str()?.to_owned(),
            mac: entry.get("hardware-address").and_then(Value::as_str).map(str::to_ascii_lowercase),
            addresses: addresses.iter().take(MOST).filter_map(address).collect(),
        })
    };
    Some(answer.as_array()?.iter().take(MOST).filter_map(interface).collect())
}

/// The address of the specification with its prefix.
pub(crate) fn specified(network: &Network) -> Option<(IpAddr, u64)> {
    let (ip, prefix) = network.address.as_deref()?.split_once('/')?;
    Some((ip.parse().ok()?, prefix.parse().ok()?))
}

/// Whether two addresses are of one network whose part of an address has this length.
pub(crate) fn of_one_network(one: IpAddr, other: IpAddr, prefix: u64) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    };
    let ((one, length), (other, other_length)) = (bits(one), bits(other));
    let Some(hosts) = u32::try_from(prefix).ok().and_then(|prefix| u32::checked_sub(length, prefix)) else {
        return false;
    };
    length == other_length && one.checked_shr(hosts).unwrap_or(0) == other.checked_shr(hosts).unwrap_or(0)
}

/// The interface with that MAC address.
pub(crate) fn find<'a>(interfaces: &'a [Interface], mac: Option<&str>) -> Option<&'a Interface> {
    interfaces.iter().find(|interface| mac.is_some() && interface.mac.as_deref() == mac)
}

/// MAC addresses of the VM's network devices, in the order in which QEMU lists them, by `query-rx-filter`: those
/// of virtio devices.
pub(crate) fn macs_of_vmm(session: &Session<'_>) -> Result<Vec<String>, String> {
    macs_of(session.scope.vmm)
}

/// The same of any VMM.
pub(crate) fn macs_of(vmm: &dyn Vmm) -> Result<Vec<String>, String> {
    let answer = vmm.query("query-rx-filter")?;
    let list = answer.as_array().ok_or("query-rx-filter: the answer is no list")?;
    Ok(list.iter().filter_map(|entry| Some(entry.get("main-mac")?.as_str()?.to_ascii_lowercase())).collect())
}

/// The MAC addresses by which a VM's guest is known, as far as its specification or its VMM tells them.
pub fn macs(spec: &MachineSpec, vmm: &dyn Vmm) -> Vec<String> {
    let told = macs_of(vmm);
    let networks = spec.networks.iter().enumerate();
    networks.filter_map(|(index, network)| expected_mac(network, index, &told)).collect()
}

/// The MAC address that the network at `index` of the specification should have in the guest: the one that is
/// written there, or else the one that the VMM gave to the device at that place.
pub(crate) fn expected_mac(
    network: &Network,
    index: usize,
    vmm: &Result<Vec<String>, String>,
) -> Option<String> {
    network
        .mac
        .as_ref()
        .map(|mac| mac.to_ascii_lowercase())
        .or_else(|| vmm.as_ref().ok()?.get(index).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_read_and_nonsense_is_left_out() {
        let answer = json!([
            { "name": "lo", "ip-addresses": [{ "ip-address": "127.0.0.1", "prefix": 8 }] },
            { "name": "eth0", "hardware-address": "52:54:00:AA:00:01", "ip-addresses": [
                { "ip-address": "fe80::1", "prefix": 64 },
                { "ip-address": "fd00::1", "prefix": 64 },
                { "ip-address": "not an address", "prefix": 24 },
                { "ip-address": "10.0.0.5", "prefix": 24 },
            ] },
            { "hardware-address": "no name" },
            7,
        ]);
        let found = parse(&answer).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].reachable(), None);
        assert_eq!(found[1].mac.as_deref(), Some("52:54:00:aa:00:01"));
        assert_eq!(found[1].reachable(), Some("10.0.0.5".parse().unwrap()));
        assert_eq!(found[1].addresses_text(), "fe80::1/64 fd00::1/64 10.0.0.5/24");
        assert_eq!(
            found[1].of_the_other_family("10.0.0.5".parse().unwrap()),
            Some(("fd00::1".parse().unwrap(), 64))
        );
        assert_eq!(
            found[1].of_the_other_family("fd00::1".parse().unwrap()),
            Some(("10.0.0.5".parse().unwrap(), 24))
        );
        assert_eq!(parse(&json!({})), None);
    }

    #[test]
    fn networks_are_told_by_their_part_of_an_address() {
        let of = |one: &str, other: &str, prefix| {
            of_one_network(one.parse().unwrap(), other.parse().unwrap(), prefix)
        };
        assert!(of("10.0.0.1", "10.0.0.2", 24) && !of("10.0.1.1", "10.0.0.2", 24));
        assert!(of("fd00::1", "fd00::2", 64) && !of("fd01::1", "fd00::2", 64));
        assert!(of("1.2.3.4", "5.6.7.8", 0) && of("fd00::1", "::1", 0) && !of("fd00::1", "10.0.0.1", 0));
        assert!(!of("10.0.0.1", "10.0.0.1", 33) && of("10.0.0.1", "10.0.0.1", 32));
    }
}
