//! Network interfaces.

use super::address;
use super::port::Port;
use vmwright_model::machine::{Bandwidth, Forward, MacvtapMode, Network, NetworkKind, NetworkModel};

const MODELS: &[(&str, NetworkModel)] = &[
    ("virtio", NetworkModel::Virtio),
    ("virtio-transitional", NetworkModel::VirtioTransitional),
    ("virtio-non-transitional", NetworkModel::VirtioNonTransitional),
    ("e1000", NetworkModel::E1000),
    ("e1000e", NetworkModel::E1000e),
    ("igb", NetworkModel::Igb),
    ("rtl8139", NetworkModel::Rtl8139),
    ("vmxnet3", NetworkModel::Vmxnet3),
    ("ne2k_pci", NetworkModel::Ne2kPci),
    ("pcnet", NetworkModel::Pcnet),
    ("usb-net", NetworkModel::UsbNet),
    ("spapr-vlan", NetworkModel::SpaprVlan),
];

pub(super) fn networks(port: &mut Port<'_>, networks: &mut Vec<Network>) {
    port.list(
        "interface",
        networks,
        || Network::of(NetworkKind::None),
        |port, network| {
            if !port.reading() {
                port.put("type", kind_name(network.kind));
            } else if let Some(kind) = kind(port) {
                network.kind = kind;
            } else {
                return false;
            }
            port.child("mac", |port| port.text("address", "mac", &mut network.mac));
            let fits = source(port, network);
            rest(port, network);
            // A card that the specification does not know is none of its cards.
            let model = port.node().child("model").and_then(|model| model.attribute("type"));
            let known = model.is_none_or(|name| MODELS.iter().any(|known| known.0 == name));
            fits && (known || !port.reading())
        },
    );
}

fn kind_name(kind: NetworkKind) -> &'static str {
    match kind {
        NetworkKind::User | NetworkKind::Passt => "user",
        NetworkKind::Bridge | NetworkKind::Ovs => "bridge",
        NetworkKind::Tap => "ethernet",
        NetworkKind::Macvtap => "direct",
        NetworkKind::VhostUser => "vhostuser",
        NetworkKind::Vdpa => "vdpa",
        NetworkKind::Libvirt => "network",
        NetworkKind::Hostdev => "hostdev",
        NetworkKind::None => "null",
    }
}

fn kind(port: &Port<'_>) -> Option<NetworkKind> {
    let child = |name: &str| port.node().child(name).and_then(|node| node.attribute("type"));
    Some(match port.raw("type")?.as_str() {
        "user" if child("backend") == Some("passt") => NetworkKind::Passt,
        "user" => NetworkKind::User,
        "bridge" if child("virtualport") == Some("openvswitch") => NetworkKind::Ovs,
        "bridge" => NetworkKind::Bridge,
        "ethernet" => NetworkKind::Tap,
        "direct" => NetworkKind::Macvtap,
        "vhostuser" => NetworkKind::VhostUser,
        "vdpa" => NetworkKind::Vdpa,
        "network" => NetworkKind::Libvirt,
        "hostdev" => NetworkKind::Hostdev,
        "null" => NetworkKind::None,
        _ => return None,
    })
}

const MODES: &[(&str, MacvtapMode)] = &[
    ("vepa", MacvtapMode::Vepa),
    ("bridge", MacvtapMode::Bridge),
    ("private", MacvtapMode::Private),
    ("passthrough", MacvtapMode::Passthrough),
];

/// What it is plugged into. False where what is read leads nowhere.
fn source(port: &mut Port<'_>, network: &mut Network) -> bool {
    match network.kind {
        NetworkKind::Bridge | NetworkKind::Ovs => {
            port.child("source", |port| port.text("bridge", "interface", &mut network.bridge));
            if network.kind == NetworkKind::Ovs {
                port.child("virtualport", |port| port.put("type", "openvswitch"));
            }
            network.bridge.is_some()
        }
        NetworkKind::Libvirt => {
            port.child("source", |port| {
                port.text("network", "line", &mut network.name);
                port.text("bridge", "interface", &mut network.bridge);
            });
            network.name.is_some()
        }
        NetworkKind::Macvtap => {
            port.child("source", |port| {
                port.text("dev", "network-parent", &mut network.parent);
                port.word("mode", MODES, &mut network.macvtap);
            });
            network.parent.is_some()
        }
        NetworkKind::Vdpa => {
            port.child("source", |port| port.text("dev", "network-parent", &mut network.parent));
            network.parent.is_some()
        }
        NetworkKind::VhostUser => {
            port.child("source", |port| {
                port.put("type", "unix");
                port.text("path", "socket-path", &mut network.socket);
                let mut server = (!port.reading()).then_some(network.server);
                port.word("mode", &[("server", true), ("client", false)], &mut server);
                network.server = server.unwrap_or(false);
            });
            network.socket.is_some()
        }
        NetworkKind::Hostdev => {
            port.put("managed", "yes");
            port.child("source", |port| {
                port.child("address", |port| {
                    port.put("type", "pci");
                    if port.raw("type").as_deref() == Some("pci") {
                        address::pci(port, &mut network.parent);
                    }
                });
            });
            network.parent.is_some()
        }
        NetworkKind::Passt => {
            port.child("backend", |port| port.put("type", "passt"));
            true
        }
        NetworkKind::User | NetworkKind::None => true,
        // Without a name libvirt makes a tap of its own, which nothing is plugged into yet.
        NetworkKind::Tap => {
            !port.reading() || port.node().child("target").is_some_and(|node| node.attribute("dev").is_some())
        }
    }
}

fn rest(port: &mut Port<'_>, network: &mut Network) {
    if network.kind == NetworkKind::Passt {
        forwards(port, &mut network.forwards);
    }
    if matches!(
        network.kind,
        NetworkKind::Ovs | NetworkKind::Libvirt | NetworkKind::Hostdev | NetworkKind::Macvtap
    ) {
        vlan(port, network);
    }
    let has_tap = matches!(
        network.kind,
        NetworkKind::Bridge
            | NetworkKind::Ovs
            | NetworkKind::Tap
            | NetworkKind::Macvtap
            | NetworkKind::Libvirt
    );
    if has_tap {
        port.child("target", |port| {
            port.text("dev", "interface", &mut network.tap);
            // libvirt takes a tap that is there already only when it is told so.
            if network.kind == NetworkKind::Tap {
                port.put("managed", "no");
            }
        });
    }
    port.child("model", |port| port.word("type", MODELS, &mut network.model));
    port.child("driver", |port| {
        if has_tap {
            port.word("name", &[("vhost", true), ("qemu", false)], &mut network.vhost);
        }
        port.number("queues", 1..=256, &mut network.queues);
        port.number("rx_queue_size", 64..=1024, &mut network.rx_queue_size);
        port.number("tx_queue_size", 64..=1024, &mut network.tx_queue_size);
    });
    port.child("bandwidth", |port| {
        port.option("inbound", &mut network.inbound, Bandwidth::default, bandwidth);
        port.option("outbound", &mut network.outbound, Bandwidth::default, bandwidth);
    });
    port.child("filterref", |port| port.text("filter", "line", &mut network.filter));
    port.child("link", |port| port.word("state", &[("up", true), ("down", false)], &mut network.link));
    port.child("port", |port| port.yes_no("isolated", &mut network.isolated));
    port.child("mtu", |port| port.number("size", 68..=65535, &mut network.mtu));
    port.child("boot", |port| port.number("order", 1..=1024, &mut network.boot_order));
    address::of(port, &mut network.pci);
}

/// libvirt counts in KiB, the specification in bytes.
fn bandwidth(port: &mut Port<'_>, bandwidth: &mut Bandwidth) {
    let kib = |port: &mut Port<'_>, name: &str, field: &mut Option<u64>| {
        port.by(
            name,
            field,
            |text| text.parse::<u64>().ok()?.checked_mul(1024).filter(|bytes| i64::try_from(*bytes).is_ok()),
            |bytes| Some((bytes / 1024).to_string()),
        );
    };
    let mut average = (!port.reading() && bandwidth.bytes > 0).then_some(bandwidth.bytes);
    kib(port, "average", &mut average);
    bandwidth.bytes = average.unwrap_or(0);
    kib(port, "peak", &mut bandwidth.peak);
    kib(port, "burst", &mut bandwidth.burst);
}

fn vlan(port: &mut Port<'_>, network: &mut Network) {
    port.child("vlan", |port| {
        let mut tags: Vec<u32> = network.vlan.into_iter().chain(network.trunk.iter().copied()).collect();
        let mut trunk = (!port.reading() && !network.trunk.is_empty()).then_some(true);
        port.word("trunk", &[("yes", true)], &mut trunk);
        port.list(
            "tag",
            &mut tags,
            || 0,
            |port, tag| {
                let mut id = (!port.reading()).then_some(*tag);
                port.number("id", 1..=4094, &mut id);
                *tag = id.unwrap_or(0);
                id.is_some()
            },
        );
        if port.reading() {
            match tags.as_slice() {
                [one] if trunk.is_none() => network.vlan = Some(*one),
                _ => network.trunk = tags,
            }
        }
    });
}

fn forwards(port: &mut Port<'_>, forwards: &mut Vec<Forward>) {
    let forward = || Forward { host: 0, guest: 0, address: None, udp: false };
    port.list("portForward", forwards, forward, |port, forward| {
        let mut udp = (!port.reading()).then_some(forward.udp);
        port.word("proto", &[("tcp", false), ("udp", true)], &mut udp);
        forward.udp = udp.unwrap_or(false);
        port.text("address", "ip", &mut forward.address);
        let ranges = port.node().children().filter(|node| node.name == "range").count();
        let (mut host, mut guest) = (None, None);
        if !port.reading() {
            host = Some(forward.host);
            guest = Some(forward.guest).filter(|guest| *guest != forward.host);
        }
        port.child("range", |port| {
            port.number("start", 1..=65535, &mut host);
            port.number("to", 1..=65535, &mut guest);
        });
        forward.host = host.unwrap_or(0);
        forward.guest = guest.or(host).unwrap_or(0);
        !port.reading() || (host.is_some() && ranges == 1)
    });
}
