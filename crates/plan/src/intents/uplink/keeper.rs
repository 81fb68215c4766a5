//! What sets a card up at boot, and how it is told of a bridge.

mod netplan;
mod network_manager;

pub(super) use netplan::CLOUD;

use super::{Network, Wanted};
use crate::canonical::sha256;
use crate::header;
use vmwright_formats::links::Link;
use vmwright_model::Action;

/// With it, ifupdown knows `bridge_ports` (Debian's bridge-utils, bridge-utils-interfaces(5)).
pub(super) const BRIDGE_UTILS: &str = "/lib/bridge-utils/ifupdown.sh";
/// ifupdown2 knows it by itself.
pub(super) const IFUPDOWN2: &str = "/usr/share/ifupdown2";

/// The first of systemd-networkd's files that fits an interface is taken, by name (systemd.network(5)).
const FIRST: &str = "/etc/systemd/network/05-vmwright-";

/// What sets the card up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Keeper<'n> {
    /// systemd-networkd, by this file.
    Networkd(&'n str),
    /// netplan, which writes for systemd-networkd or NetworkManager.
    Netplan,
    /// NetworkManager, by this file with this text.
    NetworkManager(&'n str, &'n str),
    /// ifupdown, by this file.
    Ifupdown(&'n str),
    /// Something else, or nothing.
    Other,
}

impl<'n> Keeper<'n> {
    pub(super) fn find(network: &Network<'n>, card: &Link) -> Self {
        let number = card.get("ifindex").map_or("", |number| number.value);
        // What systemd-networkd itself says of it (sd-network, `NETWORK_FILE`).
        let state = network.texts.get(format!("/run/systemd/netif/links/{number}").as_str());
        let file = state.and_then(|text| text.lines().find_map(|line| line.strip_prefix("NETWORK_FILE=")));
        if file.is_some_and(|file| file.contains("-netplan-")) {
            return Self::Netplan;
        }
        if let Some((path, _)) = file.and_then(|file| network.texts.get_key_value(file)) {
            return Self::Networkd(path);
        }
        let profile = network_manager::profile(network, number);
        if let Some((path, text)) = profile.and_then(|uuid| network_manager::keyfile(network, uuid)) {
            return Self::NetworkManager(path, text);
        }
        let stanza =
            |text: &str| text.lines().any(|line| iface(line).is_some_and(|(name, _)| name == card.name));
        let below = |path: &str| path.starts_with("/etc/network/interfaces");
        if let Some((path, _)) = network.texts.iter().find(|(path, text)| below(path) && stanza(text)) {
            return Self::Ifupdown(path);
        }
        match network.texts.keys().any(|path| path.starts_with("/etc/netplan/")) {
            true => Self::Netplan,
            false => Self::Other,
        }
    }

    /// The steps that have the bridge set up at boot; or why there are none, and what a person does instead.
    pub(super) fn keep(
        &self,
        network: &Network<'_>,
        bridge: &str,
        card: &Link,
    ) -> Result<Vec<Wanted>, String> {
        let name = card.name.as_str();
        match self {
            Self::Networkd(path) => {
                let mac = card.get("address").map(|mac| mac.value);
                networkd(path, network.texts[path], bridge, name, mac)
            }
            Self::Ifupdown(path) => {
                if !network.present.contains(BRIDGE_UTILS) && !network.present.contains(IFUPDOWN2) {
                    return Err(format!(
                        "{path} sets {name} up by ifupdown, which makes bridges with the package bridge-utils: install it first"
                    ));
                }
                let text = network.texts[path];
                let made = ifupdown(text, bridge, name).map_err(|why| format!("{path}: {why}"))?;
                let why = format!("ifupdown makes {bridge} at boot, with what {name} had");
                let from_sha256 = sha256(text.as_bytes());
                Ok(vec![(Action::FileWrite { path: (*path).to_owned(), from_sha256, text: made }, why)])
            }
            Self::Netplan => netplan::keep(network, bridge, card),
            Self::NetworkManager(path, text) => network_manager::keep((path, text), network.id, bridge, card),
            Self::Other => Err(format!(
                "it was not found what sets {name} up at boot; make the bridge there too (NetworkManager without a profile that is kept: `nmcli connection add type bridge ifname {bridge}`, and {name} as its `bridge-slave`)"
            )),
        }
    }
}

/// Files for systemd-networkd: the bridge is set up as the card was, and the card is its port.
fn networkd(
    path: &str,
    text: &str,
    bridge: &str,
    card: &str,
    mac: Option<&str>,
) -> Result<Vec<Wanted>, String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let first = FIRST.rsplit('/').next().unwrap_or(FIRST);
    if name < first {
        return Err(format!("{path} goes before any file that vmwright writes; make the bridge there"));
    }
    let keys = text.lines().filter_map(|line| line.split_once('=')).map(|(key, _)| key.trim());
    if let Some(key) = keys.into_iter().find(|key| {
        matches!(
            *key,
            "Bridge" | "Bond" | "VRF" | "VLAN" | "MACVLAN" | "MACVTAP" | "IPVLAN" | "VXLAN" | "Tunnel"
        )
    }) {
        return Err(format!("{path} has `{key}=`, which a person has to divide between {card} and {bridge}"));
    }
    let mac = mac.map(|mac| format!("MACAddress={mac}\n")).unwrap_or_default();
    let netdev = format!("[NetDev]\nName={bridge}\nKind=bridge\n{mac}");
    let port = format!("[Match]\nName={card}\n\n[Network]\nBridge={bridge}\n");
    let set_up = format!("[Match]\nName={bridge}\n{}", without_match(text));
    let made = [
        (format!("{bridge}.netdev"), netdev, format!("systemd-networkd makes {bridge} at boot")),
        (format!("{bridge}.network"), set_up, format!("it sets {bridge} up as {path} has {card} set up")),
        (format!("{card}.network"), port, format!("it makes {card} a port of {bridge}")),
    ];
    let file = |(name, text, why): (String, String, String)| {
        let path = format!("{FIRST}{name}");
        (Action::FileCreate { path, text: header::with(&text), mode: 0o644 }, why)
    };
    Ok(made.into_iter().map(file).collect())
}

/// A file of systemd-networkd without the sections that say which interface it is for.
fn without_match(text: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with('[') {
            inside = line.trim() == "[Match]";
        }
        if !inside {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The interface and the family of a line `iface eth0 inet static`.
fn iface(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_whitespace();
    (words.next()? == "iface").then_some(())?;
    Some((words.next()?, words.next().unwrap_or("")))
}

/// A text of interfaces(5) in which the bridge has what the card had.
fn ifupdown(text: &str, bridge: &str, card: &str) -> Result<String, String> {
    let mut made = String::new();
    let (mut ours, mut first) = (false, true);
    for (number, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let names = words.contains(&card);
        match words.first().copied() {
            Some("iface") => {
                ours = words.get(1) == Some(&card);
                if !ours {
                    made.push_str(line);
                } else if words.get(3) == Some(&"manual") {
                    return Err(format!(
                        "line {}: {card} has no addresses there; {bridge} is made elsewhere",
                        number + 1
                    ));
                } else {
                    if std::mem::take(&mut first) {
                        made.push_str(&format!("iface {card} inet manual\n\n"));
                        made.push_str(&format!("{}\n", line.replacen(card, bridge, 1)));
                        made.push_str(&format!(
                            "    bridge_ports {card}\n    bridge_stp off\n    bridge_fd 0"
                        ));
                    } else {
                        made.push_str(&line.replacen(card, bridge, 1));
                    }
                }
            }
            // A bridge does not appear by itself, as a card does: it is made.
            Some("allow-hotplug") if words == ["allow-hotplug", card] => {
                made.push_str(&format!("auto {bridge}"))
            }
            Some("auto" | "allow-auto") if names => {
                let renamed = words.iter().map(|word| if *word == card { bridge } else { word });
                made.push_str(&renamed.collect::<Vec<_>>().join(" "));
            }
            Some(word) if !word.starts_with('#') && (names || ours && word.starts_with("bridge")) => {
                return Err(format!(
                    "line {}: a person has to say what becomes of `{}`",
                    number + 1,
                    line.trim()
                ));
            }
            _ => made.push_str(line),
        }
        made.push('\n');
    }
    Ok(made)
}
