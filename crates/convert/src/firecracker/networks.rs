//! Network interfaces.

use crate::json::{Port, bucket};
use vmwright_model::machine::{Bandwidth, Network, NetworkKind, NetworkModel};

pub(super) fn networks(port: &mut Port<'_>, networks: &mut Vec<Network>) {
    let new = || Network { model: Some(NetworkModel::Virtio), ..Network::of(NetworkKind::Tap) };
    let mut number = 0;
    port.list("network-interfaces", "/network", networks, new, |port, network| {
        if !port.reading() {
            // What is no tap of the host Firecracker cannot be plugged into.
            let tap = matches!(network.kind, NetworkKind::Tap | NetworkKind::Bridge | NetworkKind::Ovs);
            if !tap || network.tap.is_none() {
                return false;
            }
            port.put("iface_id", format!("eth{number}"));
            number += 1;
        }
        port.text("host_dev_name", "interface", &mut network.tap);
        port.text("guest_mac", "mac", &mut network.mac);
        port.number("mtu", 68..=65535, &mut network.mtu);
        port.option("rx_rate_limiter", &mut network.inbound, Bandwidth::default, limit);
        port.option("tx_rate_limiter", &mut network.outbound, Bandwidth::default, limit);
        network.tap.is_some()
    });
}

fn limit(port: &mut Port<'_>, limit: &mut Bandwidth) -> bool {
    let mut bytes = Some(limit.bytes).filter(|bytes| *bytes > 0);
    bucket(port, "bandwidth", &mut bytes);
    bucket(port, "ops", &mut limit.packets);
    limit.bytes = bytes.unwrap_or(0);
    // The specification knows no limit of packets alone.
    bytes.is_some()
}
