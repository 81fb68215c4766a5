//! Network interfaces.

use super::Reader;
use super::bag::Bag;
use crate::Effect;
use vmwright_model::machine::{Forward, Network, NetworkKind, NetworkModel};

impl Reader {
    pub(super) fn card(&mut self, model: NetworkModel, bag: &mut Bag) -> Option<String> {
        let (mut network, rest) = match bag.take("netdev") {
            Some(id) => {
                let mut netdev = self.take("-netdev", &id)?;
                netdev.take("id");
                let kind = netdev.take("type")?;
                let network = self.cable(&kind, &mut netdev)?;
                (network, netdev)
            }
            None => (Network::of(NetworkKind::None), Bag::empty("-netdev")),
        };
        network.model = Some(model);
        network.mac = bag.take("mac");
        network.boot_order = bag.small("bootindex");
        network.rx_queue_size = bag.small("rx_queue_size");
        network.tx_queue_size = bag.small("tx_queue_size");
        network.mtu = bag.small("host_mtu");
        let pairs = network.queues.unwrap_or(1);
        if pairs > 1 {
            bag.drop_default("mq", &["on"]);
            bag.drop_default("vectors", &[&(2 * pairs + 2).to_string()]);
        }
        network.pci =
            if model == NetworkModel::UsbNet { self.buses.usb(bag) } else { self.buses.address(bag) };
        let item = format!("network.{}", self.spec.networks.len());
        if network.kind == NetworkKind::Tap && network.tap.is_none() {
            self.remark(
                Effect::Lost,
                format!("{item}.tap"),
                "the line names the tap by a number that was open then",
            );
        }
        let chardev = self.network_chardev.take();
        self.spec.networks.push(network);
        self.keep_rest(&format!("{item}.backend"), &rest);
        if let Some(chardev) = chardev {
            self.keep_rest(&format!("{item}.chardev"), &chardev);
        }
        Some(item)
    }

    /// The other end of a cable, as `-netdev`, `-nic` and `-net` say it.
    pub(super) fn cable(&mut self, kind: &str, bag: &mut Bag) -> Option<Network> {
        self.network_chardev = None;
        let mut network;
        match kind {
            "user" => {
                network = Network::of(NetworkKind::User);
                let mut left = Vec::new();
                for text in bag.all("hostfwd") {
                    match forward(&text) {
                        Some(forward) => network.forwards.push(forward),
                        None => left.push(text),
                    }
                }
                for text in left {
                    bag.put("hostfwd", text);
                }
            }
            "tap" => {
                network = Network::of(NetworkKind::Tap);
                network.tap = bag.take("ifname");
                let fds = bag.take("fds").or_else(|| bag.take("fd"));
                bag.take("vhostfd");
                bag.take("vhostfds");
                network.queues = match &fds {
                    Some(fds) => u32::try_from(fds.split(':').count()).ok().filter(|count| *count > 1),
                    None => bag.small("queues"),
                };
                network.vhost = bag.flag("vhost");
                bag.drop_default("script", &["no", ""]);
                bag.drop_default("downscript", &["no", ""]);
                if let Some(bridge) = bag.take("br") {
                    network.kind = NetworkKind::Bridge;
                    network.bridge = Some(bridge);
                }
            }
            "bridge" => {
                network = Network::of(NetworkKind::Bridge);
                network.bridge = Some(bag.take("br").unwrap_or_else(|| "br0".to_owned()));
            }
            "vhost-user" => {
                network = Network::of(NetworkKind::VhostUser);
                let id = bag.take("chardev")?;
                let mut chardev =
                    self.take("-chardev", &id).filter(|chardev| chardev.get("backend") == Some("socket"))?;
                chardev.take("backend");
                chardev.take("id");
                network.socket = Some(chardev.take("path")?);
                network.server = chardev.flag("server").unwrap_or(false);
                chardev.drop_default("wait", &["off"]);
                network.queues = bag.small("queues");
                self.network_chardev = Some(chardev);
            }
            "vhost-vdpa" => {
                network = Network::of(NetworkKind::Vdpa);
                network.socket = Some(bag.take("vhostdev")?);
                network.queues = bag.small("queues");
            }
            "stream" if bag.get("addr.type") == Some("unix") => {
                bag.take("addr.type");
                network = Network::of(NetworkKind::Passt);
                network.socket = Some(bag.take("addr.path")?);
                bag.drop_default("server", &["off"]);
            }
            _ => return None,
        }
        Some(network)
    }
}

/// `tcp:127.0.0.1:2222-:22`.
fn forward(text: &str) -> Option<Forward> {
    let (host, guest) = text.split_once('-')?;
    let mut parts = host.splitn(2, ':');
    let protocol = parts.next()?;
    let (address, port) = parts.next()?.rsplit_once(':')?;
    // An address of the guest has no place in the specification, except QEMU's own first one.
    let (guest_address, guest) = guest.rsplit_once(':')?;
    if !guest_address.is_empty() && guest_address != "10.0.2.15" {
        return None;
    }
    let udp = match protocol {
        "udp" => true,
        "tcp" | "" => false,
        _ => return None,
    };
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).map(u32::from);
    // An absent address is every address of the host.
    let address = if address.is_empty() { "0.0.0.0" } else { address };
    Some(Forward { host: number(port)?, guest: number(guest)?, address: Some(address.to_owned()), udp })
}

pub(super) fn model(name: &str) -> Option<NetworkModel> {
    let virtio = name.strip_prefix("virtio-net");
    Some(match (name, virtio) {
        ("virtio", _) | (_, Some("" | "-pci" | "-device" | "-ccw")) => NetworkModel::Virtio,
        (_, Some("-pci-transitional")) => NetworkModel::VirtioTransitional,
        (_, Some("-pci-non-transitional")) => NetworkModel::VirtioNonTransitional,
        ("e1000" | "e1000-82540em", _) => NetworkModel::E1000,
        ("e1000e", _) => NetworkModel::E1000e,
        ("igb", _) => NetworkModel::Igb,
        ("rtl8139", _) => NetworkModel::Rtl8139,
        ("vmxnet3", _) => NetworkModel::Vmxnet3,
        ("ne2k_pci", _) => NetworkModel::Ne2kPci,
        ("pcnet", _) => NetworkModel::Pcnet,
        ("usb-net", _) => NetworkModel::UsbNet,
        ("spapr-vlan", _) => NetworkModel::SpaprVlan,
        _ => return None,
    })
}
