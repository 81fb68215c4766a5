//! Network interfaces.

use super::super::argument::Value;
use super::super::network_address::mac;
use super::{ArgvError, Line, boot, place};
use crate::differences::short;
use vmwright_model::machine::{BootDevice, Network, NetworkKind, NetworkModel};

pub(super) fn network(line: &mut Line<'_>, at: usize) -> Result<(), ArgvError> {
    let network = &line.spec.networks[at];
    let item = format!("network.{at}");
    outside(line, network, &item);
    if network.kind == NetworkKind::Hostdev {
        let device = network.parent.as_deref().ok_or_else(|| ArgvError::Beyond(format!("{item}.parent")))?;
        let value = Value::new("vfio-pci").with("host", device).maybe("bootindex", network.boot_order);
        let value = place::pci(line, network.pci.as_ref(), value);
        line.device(&item, value, "a network function of the host, given to the guest");
        return Ok(());
    }
    let id = backend(line, at, network, &item)?;
    let mut value = Value::new(model(line, network)).maybe("netdev", id);
    value.push("mac", mac(&line.spec.name, at, network));
    let virtio = matches!(
        network.model,
        None | Some(
            NetworkModel::Virtio | NetworkModel::VirtioTransitional | NetworkModel::VirtioNonTransitional
        )
    );
    let index = boot::index(line, BootDevice::Network, at, network.boot_order);
    if let Some(queues) = network.queues.filter(|queues| *queues > 1 && virtio) {
        value.push("mq", "on");
        if line.bus == "pci" {
            // One interrupt for each queue of a pair, one for the configuration, one for control.
            value.push("vectors", 2 * queues + 2);
        }
    }
    value = value
        .maybe("rx_queue_size", network.rx_queue_size)
        .maybe("tx_queue_size", network.tx_queue_size)
        .maybe("host_mtu", network.mtu.filter(|_| virtio))
        .maybe("bootindex", index);
    // Without its option ROM: the firmware does not boot from the network, and need not wait for it.
    if line.bus == "pci" && !line.spec.bare && index.is_none() && network.model != Some(NetworkModel::UsbNet)
    {
        value.push("romfile", "");
    }
    let value = if network.model == Some(NetworkModel::UsbNet) {
        place::usb(network.pci.as_ref(), value)
    } else {
        place::pci(line, network.pci.as_ref(), value)
    };
    line.device(&item, value, "the network interface in the guest");
    Ok(())
}

/// What is done to an interface from outside QEMU, and would be missing.
fn outside(line: &mut Line<'_>, network: &Network, item: &str) {
    if network.link == Some(false) {
        line.lost(format!("{item}.link"), "a cable is pulled over the monitor");
    }
    for (key, limit) in [("inbound", &network.inbound), ("outbound", &network.outbound)] {
        if let Some(limit) = limit {
            let limit = serde_json::to_value(limit).unwrap_or_default();
            let why = format!("QEMU has no limit of its own, the tap gets one: {}", short(&limit));
            line.lost(format!("{item}.{key}"), why);
        }
    }
    if let Some(filter) = &network.filter {
        let why = format!("libvirt's filters are rules of the host's firewall: {filter}");
        line.lost(format!("{item}.filter"), why);
    }
}

fn model(line: &Line<'_>, network: &Network) -> String {
    let name = match network.model.unwrap_or(NetworkModel::Virtio) {
        NetworkModel::Virtio => return line.virtio("virtio-net"),
        NetworkModel::VirtioTransitional => return format!("{}-transitional", line.virtio("virtio-net")),
        NetworkModel::VirtioNonTransitional => {
            return format!("{}-non-transitional", line.virtio("virtio-net"));
        }
        NetworkModel::E1000 => "e1000",
        NetworkModel::E1000e => "e1000e",
        NetworkModel::Igb => "igb",
        NetworkModel::Rtl8139 => "rtl8139",
        NetworkModel::Vmxnet3 => "vmxnet3",
        NetworkModel::Ne2kPci => "ne2k_pci",
        NetworkModel::Pcnet => "pcnet",
        NetworkModel::UsbNet => "usb-net",
        NetworkModel::SpaprVlan => "spapr-vlan",
    };
    name.to_owned()
}

/// The other end of the cable: its id, or none for a card without a cable.
fn backend(
    line: &mut Line<'_>,
    at: usize,
    network: &Network,
    item: &str,
) -> Result<Option<String>, ArgvError> {
    let id = format!("net{at}");
    let named = |kind: &str| Value::new(kind).with("id", &id);
    let extra = line.extra(&format!("{item}.backend"));
    let (value, why) = match network.kind {
        NetworkKind::None => return Ok(None),
        NetworkKind::Hostdev => return Err(ArgvError::Beyond(format!("{item}.kind"))),
        NetworkKind::User => (user(named("user"), network), "QEMU's own network: outgoing connections only"),
        NetworkKind::Passt => {
            let socket = line.handles.networks.get(&at).or(network.socket.as_ref()).cloned();
            if socket.is_none() {
                line.lost(
                    format!("{item}.socket"),
                    "no passt runs for the interface yet: start one, and name its socket",
                );
            }
            let socket = socket.unwrap_or_else(|| format!("/run/passt-{id}.sock"));
            let value =
                named("stream").with("server", "off").with("addr.type", "unix").with("addr.path", socket);
            (value, "the socket of passt")
        }
        NetworkKind::VhostUser => {
            let socket = line.handles.networks.get(&at).or(network.socket.as_ref());
            let socket = socket.ok_or_else(|| ArgvError::Beyond(format!("{item}.socket")))?;
            let mut chardev = Value::new("socket").with("id", &id).with("path", socket);
            if network.server {
                chardev = chardev.with("server", "on").with("wait", "off");
            }
            let chardev = chardev.raw(&line.extra(&format!("{item}.chardev")));
            line.push("-chardev", chardev, "the socket of the switch");
            let queues = network.queues.filter(|queues| *queues > 1);
            (named("vhost-user").with("chardev", &id).maybe("queues", queues), "a switch in user space")
        }
        NetworkKind::Vdpa => {
            let device = network.socket.as_ref().or(network.parent.as_ref());
            let device = device.ok_or_else(|| ArgvError::Beyond(format!("{item}.parent")))?;
            let queues = network.queues.filter(|queues| *queues > 1);
            (
                named("vhost-vdpa").with("vhostdev", device).maybe("queues", queues),
                "a vDPA device of the host",
            )
        }
        NetworkKind::Bridge
        | NetworkKind::Ovs
        | NetworkKind::Macvtap
        | NetworkKind::Tap
        | NetworkKind::Libvirt => (tap(line, at, network, item, named("tap"))?, tap_why(network.kind)),
    };
    line.push("-netdev", value.raw(&extra), why);
    Ok(Some(id))
}

fn tap_why(kind: NetworkKind) -> &'static str {
    match kind {
        NetworkKind::Bridge => "a tap on the bridge, opened by vmwright",
        NetworkKind::Ovs => "a tap on the Open vSwitch bridge, opened by vmwright",
        NetworkKind::Macvtap => "a macvtap, opened by vmwright",
        _ => "a tap of the host",
    }
}

fn user(mut value: Value, network: &Network) -> Value {
    for forward in &network.forwards {
        let protocol = if forward.udp { "udp" } else { "tcp" };
        let address = forward.address.as_deref().unwrap_or("127.0.0.1");
        value.push("hostfwd", format!("{protocol}:{address}:{}-:{}", forward.host, forward.guest));
    }
    value
}

fn tap(
    line: &mut Line<'_>,
    at: usize,
    network: &Network,
    item: &str,
    value: Value,
) -> Result<Value, ArgvError> {
    let handles = line.handles;
    let list = |numbers: &[i32]| numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(":");
    let vhost = match network.vhost {
        None if handles.vhosts.contains_key(&at) => Some(true),
        vhost => vhost,
    };
    if let Some(taps) = handles.taps.get(&at).filter(|taps| !taps.is_empty()) {
        let value = value.with(if taps.len() > 1 { "fds" } else { "fd" }, list(taps)).switch("vhost", vhost);
        let vhosts = handles.vhosts.get(&at).filter(|_| vhost == Some(true));
        return Ok(value.maybe(
            if taps.len() > 1 { "vhostfds" } else { "vhostfd" },
            vhosts.map(|numbers| list(numbers)),
        ));
    }
    let value = match (network.kind, &network.tap) {
        (NetworkKind::Tap, Some(tap)) => {
            value.with("ifname", tap).with("script", "no").with("downscript", "no")
        }
        (NetworkKind::Tap, None) if handles.to_run() => return Err(ArgvError::Beyond(format!("{item}.tap"))),
        (NetworkKind::Libvirt, _) if handles.to_run() => {
            return Err(ArgvError::Beyond(format!("{item}.kind")));
        }
        _ if handles.to_run() => return Err(ArgvError::NoTap(at)),
        (kind, tap) => {
            let name = network.bridge.as_deref().or(network.name.as_deref()).or(network.parent.as_deref());
            line.lost(
                format!("{item}.kind"),
                format!(
                    "QEMU takes a tap: one on {} `{}` has to be there under this name",
                    kind.name(),
                    name.unwrap_or_default()
                ),
            );
            let tap = tap.clone().unwrap_or_else(|| format!("tap{at}"));
            value.with("ifname", tap).with("script", "no").with("downscript", "no")
        }
    };
    let queues = network.queues.filter(|queues| *queues > 1);
    Ok(value.maybe("queues", queues).switch("vhost", vhost))
}
