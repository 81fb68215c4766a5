//! Network interfaces.

use super::Book;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Network, NetworkKind};

/// Keys that belong to some kinds alone.
fn belongs(key: &str, kind: NetworkKind) -> bool {
    use NetworkKind::{Bridge, Hostdev, Libvirt, Macvtap, Ovs, Passt, Tap, User, Vdpa, VhostUser};
    match key {
        "bridge" => matches!(kind, Bridge | Ovs | Libvirt),
        "host_address" => matches!(kind, Bridge | Ovs | Tap),
        "parent" => matches!(kind, Macvtap | Hostdev | Vdpa | Passt),
        "macvtap" => kind == Macvtap,
        "name" => kind == Libvirt,
        "socket" | "server" => kind == VhostUser,
        "tap" => matches!(kind, Bridge | Ovs | Tap | Macvtap | Libvirt),
        "vlan" | "trunk" => matches!(kind, Ovs | Libvirt | Hostdev | Macvtap),
        "forward" => matches!(kind, User | Passt),
        "vhost" => !matches!(kind, User | Passt | VhostUser | Vdpa | Hostdev),
        _ => true,
    }
}

const KEYS: [&str; 12] = [
    "bridge",
    "host_address",
    "parent",
    "macvtap",
    "name",
    "socket",
    "server",
    "tap",
    "vlan",
    "trunk",
    "forward",
    "vhost",
];

/// The key without which a kind leads nowhere, and what it is.
fn needed(kind: NetworkKind) -> Option<(&'static str, &'static str)> {
    match kind {
        NetworkKind::Bridge | NetworkKind::Ovs => Some(("bridge", "must name one")),
        NetworkKind::Macvtap => Some(("parent", "must name an interface of the host")),
        NetworkKind::Hostdev => Some(("parent", "must name a network function of the host")),
        NetworkKind::Vdpa => Some(("parent", "must name a vDPA device of the host")),
        NetworkKind::Libvirt => Some(("name", "must name a network")),
        NetworkKind::VhostUser => Some(("socket", "must say where")),
        NetworkKind::Tap => Some(("tap", "must name one")),
        NetworkKind::User | NetworkKind::Passt | NetworkKind::None => None,
    }
}

pub(super) fn check(book: &mut Book<'_>, spec: &MachineSpec) {
    for (at, network) in spec.networks.iter().enumerate() {
        one(book, &format!("network.{at}"), network);
    }
    let macs = spec.networks.iter().enumerate();
    // A passed-through function has the address of the card that stands in for it while the machine moves.
    let own = macs.filter(|(_, network)| network.kind != NetworkKind::Hostdev);
    book.told_once(own.filter_map(|(at, network)| {
        Some((format!("network.{at}.mac"), network.mac.as_ref()?.to_ascii_lowercase()))
    }));
    let devices = spec.host_devices.iter().enumerate();
    book.told_once(
        devices.map(|(at, one)| (format!("host_device.{at}.device"), one.device.to_ascii_lowercase())),
    );
}

fn one(book: &mut Book<'_>, key: &str, network: &Network) {
    let kind = format!("{key}.kind");
    if let Some((needed, what)) = needed(network.kind) {
        let needed = format!("{key}.{needed}");
        if !book.given(&needed) {
            let what = format!("`{kind}` is `{}`, so `{needed}` {what}", network.kind.name());
            book.tell(key, &[&kind], what);
        }
    }
    for name in KEYS {
        let given = format!("{key}.{name}");
        if !belongs(name, network.kind) && book.given(&given) {
            let what = format!("`{given}` is given, but `{kind}` is `{}`", network.kind.name());
            book.tell(&given, &[&kind], what);
        }
    }
    for (name, size) in [("rx_queue_size", network.rx_queue_size), ("tx_queue_size", network.tx_queue_size)] {
        if let Some(size) = size.filter(|size| !size.is_power_of_two()) {
            let queue = format!("{key}.{name}");
            book.tell(&queue, &[], format!("`{queue}` is {size}, not a power of two"));
        }
    }
}
