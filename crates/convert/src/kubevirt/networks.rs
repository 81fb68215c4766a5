//! Network interfaces, and the networks of the same name that they are plugged into.

use super::claims::list;
use super::volumes::{claim, name};
use crate::json::Port;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use vmwright_formats::machine_spec::check;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Address, Network, NetworkKind, NetworkModel};

const MODELS: [(&str, NetworkModel); 7] = [
    ("virtio", NetworkModel::Virtio),
    ("e1000", NetworkModel::E1000),
    ("e1000e", NetworkModel::E1000e),
    ("igb", NetworkModel::Igb),
    ("ne2k_pci", NetworkModel::Ne2kPci),
    ("pcnet", NetworkModel::Pcnet),
    ("rtl8139", NetworkModel::Rtl8139),
];

/// The bridge between an interface and its pod's network (`pkg/network/namescheme`).
const BRIDGE: &str = "k6t-eth0";

/// Whether a machine that says nothing of networks is on its pod's.
const AUTO: &str = "autoattachPodInterface";

/// The networks of an instance.
pub(super) struct Attached {
    /// Those of the document that is read, or those that were kept when it was.
    known: Vec<Value>,
    places: BTreeMap<String, usize>,
    /// Their places by what they lead to.
    leads: BTreeMap<String, VecDeque<usize>>,
    /// Which of them an interface has.
    used: Vec<bool>,
    /// Those that are written, with their places among the known ones; new ones behind these.
    written: Vec<(usize, Value)>,
    /// Whether the pod's own network has its interface.
    pod: bool,
}

impl Attached {
    pub(super) fn of(port: &Port<'_>, spec: &MachineSpec) -> Self {
        let known = match port.raw("networks") {
            Some(Value::Array(networks)) => networks.clone(),
            _ if port.reading() => Vec::new(),
            _ => list(spec, "~networks"),
        };
        let named = known.iter().enumerate();
        let places = named.filter_map(|(at, one)| Some((name(one)?.to_owned(), at))).collect();
        let mut leads: BTreeMap<String, VecDeque<usize>> = BTreeMap::new();
        for (at, lead) in known.iter().enumerate().filter_map(|(at, one)| Some((at, lead(one)?))) {
            leads.entry(lead).or_default().push_back(at);
        }
        let (written, pod) = Default::default();
        Self { used: vec![false; known.len()], known, places, leads, written, pod }
    }

    /// Writes the network of an interface, and gives its name: one that was kept and leads to the same place, else a new
    /// one. None where a cluster has no such network.
    fn write(&mut self, network: &Network) -> Option<String> {
        let lead = match network.kind {
            NetworkKind::User | NetworkKind::Passt => Some(BRIDGE),
            NetworkKind::Bridge | NetworkKind::Macvtap => attachment(network),
            _ => None,
        };
        let kept = lead.and_then(|lead| self.leads.get_mut(lead)).and_then(|places| {
            let at = places.iter().position(|at| leads(&self.known[*at], network))?;
            places.remove(at)
        });
        let value = match kept {
            Some(at) => {
                self.used[at] = true;
                self.known[at].clone()
            }
            None => {
                let (name, source) = match network.kind {
                    NetworkKind::User | NetworkKind::Passt => ("default".to_owned(), ("pod", json!({}))),
                    _ => (
                        format!("net{}", self.written.len()),
                        ("multus", json!({ "networkName": attachment(network)? })),
                    ),
                };
                json!({ "name": name, (source.0): source.1 })
            }
        };
        let is_pod = value.get("pod").is_some();
        if is_pod && self.pod {
            return None;
        }
        self.pod |= is_pod;
        let name = name(&value)?.to_owned();
        self.written.push((kept.unwrap_or(usize::MAX), value));
        Some(name)
    }

    /// The list of the instance: what no interface has is left to the foreign parts.
    pub(super) fn list(&mut self, port: &mut Port<'_>, spec: &mut MachineSpec) {
        let Self { used, written, places, .. } = self;
        claim(port, spec, "networks", written, |value| {
            name(value).and_then(|name| places.get(name)).is_some_and(|at| used[*at])
        });
    }
}

/// A machine that says nothing of networks has one interface.
pub(super) fn implied(port: &Port<'_>, spec: &mut MachineSpec, attached: &Attached) {
    let devices = |key: &str| port.raw("domain")?.get("devices")?.get(key).filter(|value| !value.is_null());
    let none = devices("interfaces").is_none() && attached.known.is_empty();
    if port.reading() && none && devices(AUTO).is_none_or(|on| on != false) {
        spec.networks.push(new());
    }
}

fn new() -> Network {
    Network { model: Some(NetworkModel::Virtio), ..Network::of(NetworkKind::User) }
}

pub(super) fn interfaces(port: &mut Port<'_>, spec: &mut MachineSpec, attached: &mut Attached) {
    port.list("interfaces", "/network", &mut spec.networks, new, |port, network| {
        interface(port, network, attached)
    });
    if attached.written.is_empty() {
        port.put(AUTO, false);
    }
    port.implied(AUTO, true);
}

fn interface(port: &mut Port<'_>, network: &mut Network, attached: &mut Attached) -> bool {
    if port.reading() {
        let Some(at) =
            port.raw("name").and_then(Value::as_str).and_then(|name| attached.places.get(name)).copied()
        else {
            return false;
        };
        let Some(seen) = seen(port, &attached.known[at]) else { return false };
        if attached.used[at] {
            return false;
        }
        attached.used[at] = true;
        *network = Network { model: Some(NetworkModel::Virtio), ..seen };
        if network.kind != NetworkKind::User {
            port.tell(
                "name",
                "what its network leads to only the cluster knows; the name of the network stands for it",
            );
        }
    } else {
        let binding = match network.kind {
            NetworkKind::User => ("masquerade", json!({})),
            NetworkKind::Passt => ("binding", json!({ "name": "passt" })),
            NetworkKind::Bridge | NetworkKind::Ovs | NetworkKind::Libvirt => ("bridge", json!({})),
            NetworkKind::Macvtap => ("binding", json!({ "name": "macvtap" })),
            _ => return false,
        };
        let Some(name) = attached.write(network) else { return false };
        port.put("name", name);
        port.put(binding.0, binding.1);
    }
    port.text("macAddress", "mac", &mut network.mac);
    let mut model = network.model.filter(|model| port.reading() || *model != NetworkModel::Virtio);
    port.word("model", &MODELS, &mut model);
    port.implied("model", "virtio");
    network.model = model.or(Some(NetworkModel::Virtio));
    port.number("bootOrder", 1..=1024, &mut network.boot_order);
    port.word("state", &[("up", true), ("down", false)], &mut network.link);
    let mut pci = network.pci.as_ref().and_then(|address| address.pci.clone());
    port.text("pciAddress", "pci-address", &mut pci);
    if port.reading() {
        network.pci = pci.map(|pci| Address { pci: Some(pci), ..Address::default() });
    }
    true
}

/// The interface that the VMM has; none where what it leads to is a device of the node.
fn seen(port: &Port<'_>, network: &Value) -> Option<Network> {
    let plugin = port.raw("binding").and_then(|binding| binding.get("name")?.as_str());
    let has = |key: &str| port.raw(key).is_some();
    let kind = match plugin {
        Some("passt") => NetworkKind::Passt,
        Some("macvtap") => NetworkKind::Macvtap,
        Some(_) => return None,
        None if has("passt") || has("passtBinding") => NetworkKind::Passt,
        None if has("macvtap") => NetworkKind::Macvtap,
        None if has("bridge") => NetworkKind::Bridge,
        None if has("masquerade") || has("slirp") => NetworkKind::User,
        None => return None,
    };
    let mut seen = Network::of(kind);
    match kind {
        NetworkKind::Bridge => seen.bridge = Some(lead(network)?),
        NetworkKind::Macvtap => seen.parent = Some(lead(network)?),
        _ => {}
    }
    Some(seen)
}

/// What stands for what a network leads to: the last part of its name, where an interface could have it.
fn lead(network: &Value) -> Option<String> {
    if network.get("pod").is_some() {
        return Some(BRIDGE.to_owned());
    }
    let name = network.get("multus")?.get("networkName")?.as_str()?;
    let last = name.rsplit('/').next().unwrap_or(name);
    check("interface", last).is_ok().then(|| last.to_owned())
}

/// Whether a network leads where an interface does.
fn leads(network: &Value, interface: &Network) -> bool {
    match interface.kind {
        NetworkKind::User | NetworkKind::Passt => network.get("pod").is_some(),
        NetworkKind::Bridge => lead(network) == interface.bridge,
        NetworkKind::Macvtap => lead(network) == interface.parent,
        _ => false,
    }
}

/// The name of the attachment that a cluster would have to have.
fn attachment(network: &Network) -> Option<&str> {
    let own = match network.kind {
        NetworkKind::Macvtap => &network.parent,
        NetworkKind::Libvirt => &network.name,
        _ => &network.bridge,
    };
    own.as_deref()
}
