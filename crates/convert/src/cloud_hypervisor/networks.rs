//! Network interfaces.

use super::{disks, pci};
use crate::json::{Port, bucket};
use serde_json::Value;
use std::net::IpAddr;
use vmwright_formats::machine_spec::check;
use vmwright_model::machine::{Bandwidth, Network, NetworkKind, NetworkModel};

pub(super) fn networks(port: &mut Port<'_>, networks: &mut Vec<Network>) {
    let vdpa =
        networks.iter().position(|network| network.kind == NetworkKind::Vdpa).unwrap_or(networks.len());
    let mut devices = networks.split_off(vdpa);
    let new = || Network { model: Some(NetworkModel::Virtio), ..Network::of(NetworkKind::Tap) };
    let mut number = 0;
    port.list("net", "/network", networks, new, |port, network| {
        let said = interface(port, network, number);
        number += 1;
        said
    });
    let new = || Network { model: Some(NetworkModel::Virtio), ..Network::of(NetworkKind::Vdpa) };
    port.list("vdpa", "/network", &mut devices, new, |port, network| {
        pci::device(port, &mut None, &mut network.pci);
        port.text("path", "network-parent", &mut network.parent);
        disks::number(port, "num_queues", 1, 1..=256, &mut network.queues);
        network.parent.is_some()
    });
    networks.append(&mut devices);
}

fn interface(port: &mut Port<'_>, network: &mut Network, number: usize) -> bool {
    if !port.reading()
        && !matches!(
            network.kind,
            NetworkKind::Tap | NetworkKind::Bridge | NetworkKind::Ovs | NetworkKind::VhostUser
        )
    {
        return false;
    }
    pci::device(port, &mut None, &mut network.pci);
    let mut served = network.kind == NetworkKind::VhostUser;
    port.flag("vhost_user", &mut served);
    if served {
        if port.reading() {
            network.kind = NetworkKind::VhostUser;
        }
        port.text("vhost_socket", "socket-path", &mut network.socket);
        let mut server = network.server.then_some(true);
        port.word("vhost_mode", &[("Server", true), ("Client", false)], &mut server);
        network.server = server.unwrap_or(false);
    } else {
        tap(port, network, number);
    }
    port.implied("vhost_mode", "Client");
    port.text("mac", "mac", &mut network.mac);
    port.number("mtu", 68..=65535, &mut network.mtu);
    queues(port, network);
    let mut limit = network.inbound.clone().or(network.outbound.clone());
    port.option("rate_limiter_config", &mut limit, Bandwidth::default, |port, limit| {
        let mut bytes = Some(limit.bytes).filter(|bytes| *bytes > 0);
        bucket(port, "bandwidth", &mut bytes);
        bucket(port, "ops", &mut limit.packets);
        limit.bytes = bytes.unwrap_or(0);
        bytes.is_some()
    });
    if port.reading() {
        // The same one for both ways.
        (network.inbound, network.outbound) = (limit.clone(), limit);
    }
    for on in ["offload_tso", "offload_ufo", "offload_csum"] {
        port.implied(on, true);
    }
    if served { network.socket.is_some() } else { network.tap.is_some() }
}

/// The tap, which Cloud Hypervisor makes where it has no name, and the host's address on it.
fn tap(port: &mut Port<'_>, network: &mut Network, number: usize) {
    port.text("tap", "interface", &mut network.tap);
    if port.reading() {
        if network.tap.is_none() {
            network.tap = Some(format!("vmtap{number}"));
            port.tell(
                "tap",
                format!("Cloud Hypervisor makes a tap of its own; `vmtap{number}` is its usual name"),
            );
        }
        let ip =
            |key: &str| port.raw(key).and_then(Value::as_str).and_then(|text| text.parse::<IpAddr>().ok());
        if let (Some(ip), Some(length)) = (ip("ip"), ip("mask").and_then(prefix)) {
            let address = format!("{ip}/{length}");
            network.host_address = check("address", &address).is_ok().then_some(address);
        }
    } else if let Some((ip, length)) =
        network.host_address.as_deref().and_then(|address| address.split_once('/'))
        && let (Ok(IpAddr::V4(ip)), Ok(length @ 1..=32)) = (ip.parse(), length.parse::<u32>())
    {
        port.put("ip", ip.to_string());
        port.put("mask", std::net::Ipv4Addr::from(u32::MAX << (32 - length)).to_string());
    }
}

/// The length of a prefix whose mask this is.
fn prefix(mask: IpAddr) -> Option<u32> {
    let IpAddr::V4(mask) = mask else { return None };
    let bits = u32::from(mask);
    (bits.leading_ones() + bits.trailing_zeros() == 32).then_some(bits.leading_ones())
}

/// Two queues are a pair.
fn queues(port: &mut Port<'_>, network: &mut Network) {
    let pair = |value: &Value| {
        let number = value.as_u64().filter(|number| number.is_multiple_of(2))?;
        u32::try_from(number / 2).ok().filter(|pairs| (1..=256).contains(pairs))
    };
    if port.raw("num_queues").is_none_or(|number| number != 2) {
        port.by("num_queues", &mut network.queues, pair, |pairs| Some((pairs * 2).into()));
    }
    port.implied("num_queues", 2);
    let mut size = network.rx_queue_size.or(network.tx_queue_size);
    disks::number(port, "queue_size", 256, 64..=1024, &mut size);
    if port.reading() {
        (network.rx_queue_size, network.tx_queue_size) = (size, size);
    }
}
