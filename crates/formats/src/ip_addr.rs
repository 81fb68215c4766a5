//! Network interfaces as iproute2 prints them: `ip addr`, `ip -d link`, `bridge link`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// One interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpLink {
    /// Line of its first line.
    pub line: u32,
    /// Its index.
    pub index: u32,
    /// Its name, without the other end (`@eth0`).
    pub name: String,
    /// Flags: `UP`, `LOWER_UP`, `NO-CARRIER`, `BROADCAST`.
    pub flags: Vec<String>,
    /// MTU.
    pub mtu: Option<u32>,
    /// Bridge or bond that it is a port of.
    pub master: Option<String>,
    /// `UP`, `DOWN`, `UNKNOWN`, `LOWERLAYERDOWN`; empty where not printed.
    pub state: String,
    /// MAC address.
    pub mac: Option<Spanned<String>>,
    /// Addresses with prefix length.
    pub addresses: Vec<Spanned<String>>,
    /// Those of them that end by themselves unless they are renewed: a DHCP server or a router gave them.
    pub leased: Vec<String>,
    /// Kind with `-d`: `bridge`, `tun`, `vlan`, `macvtap`, `openvswitch`; the line.
    pub kind: Option<Spanned<String>>,
    /// Lines of virtual functions (`vf 0 ...`).
    pub vfs: Vec<Spanned<String>>,
}

impl IpLink {
    /// Whether it is administratively up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.flags.iter().any(|flag| flag == "UP")
    }
}

/// The interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpAddr {
    /// In the order of the text.
    pub links: Vec<IpLink>,
}

impl IpAddr {
    /// The interface of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&IpLink> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The ports of a bridge.
    pub fn ports<'a>(&'a self, bridge: &'a str) -> impl Iterator<Item = &'a IpLink> {
        self.links.iter().filter(move |link| link.master.as_deref() == Some(bridge))
    }
}

/// Kinds that `ip -d link` prints at the beginning of a line.
const KINDS: [&str; 12] = [
    "bridge",
    "tun",
    "vlan",
    "macvtap",
    "macvlan",
    "veth",
    "bond",
    "vxlan",
    "openvswitch",
    "dummy",
    "vrf",
    "ipvlan",
];

impl View for IpAddr {
    const KIND: Kind = Kind::new("ip_addr");
    const SUREST: u8 = 90;
    const MARKS: &[&str] = &["mtu"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        for (number, line) in lines(text) {
            if let Some(link) = header(number, line.trim()) {
                view.links.push(link);
            } else if let Some(link) = view.links.last_mut() {
                detail(link, number, line.trim());
            }
        }
        let issues =
            if view.links.is_empty() { vec![Issue::new(0, "no interface was found")] } else { Vec::new() };
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let found = head.lines().any(|line| header(1, line.trim()).is_some_and(|link| link.mtu.is_some()));
        let named = name.starts_with("ip ") || name.starts_with("ip-") || name.starts_with("ip_");
        match (found, named) {
            (true, _) => 90,
            (false, true) => 25,
            _ => 0,
        }
    }
}

/// `3: virbr0@x: <NO-CARRIER,BROADCAST,UP> mtu 1500 qdisc noqueue master br0 state DOWN group default`.
fn header(line: u32, text: &str) -> Option<IpLink> {
    let (index, rest) = text.split_once(": ")?;
    let (name, rest) = rest.split_once(": <")?;
    let (flags, rest) = rest.split_once('>')?;
    let name = name.split('@').next().unwrap_or(name);
    if name.is_empty() || name.contains(' ') {
        return None;
    }
    let mut link = IpLink {
        line,
        index: index.parse().ok()?,
        name: name.to_owned(),
        flags: flags.split(',').map(str::to_owned).collect(),
        ..IpLink::default()
    };
    let mut words = rest.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "mtu" => link.mtu = words.next().and_then(|mtu| mtu.parse().ok()),
            "master" => link.master = words.next().map(str::to_owned),
            "state" => link.state = words.next().unwrap_or_default().to_owned(),
            _ => {}
        }
    }
    Some(link)
}

fn detail(link: &mut IpLink, number: u32, line: &str) {
    let mut words = line.split_whitespace();
    let Some(first) = words.next() else { return };
    let second = words.next();
    match (first, second) {
        ("inet" | "inet6", Some(address)) => {
            link.addresses.push(Spanned::new(address.to_owned(), number));
            // ip-address(8): what was not configured by hand is `dynamic`.
            if words.any(|word| word == "dynamic") {
                link.leased.push(address.to_owned());
            }
        }
        ("vf", Some(_)) => link.vfs.push(Spanned::new(line.to_owned(), number)),
        (start, Some(mac)) if start.starts_with("link/") && mac.contains(':') => {
            link.mac = Some(Spanned::new(mac.to_owned(), number));
        }
        (kind, _) if KINDS.contains(&kind) && link.kind.is_none() => {
            link.kind = Some(Spanned::new(kind.to_owned(), number));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces() {
        let text = "$ ip -d a\n1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default\n    inet 127.0.0.1/8 scope host lo\n    inet 10.0.2.15/24 metric 1024 brd 10.0.2.255 scope global dynamic lo\n2: vnet0@if3: <BROADCAST,MULTICAST> mtu 1500 qdisc noop master virbr0 state DOWN\n    link/ether fe:54:00:aa:bb:cc brd ff:ff:ff:ff:ff:ff\n    tun type tap pi off\n    vf 0     link/ether 00:00:00:00:00:00, spoof checking on\n";
        let (view, issues) = IpAddr::read(text);
        assert_eq!(issues, []);
        let tap = view.get("vnet0").expect("it is there");
        assert_eq!(
            (tap.line, tap.index, tap.mtu, tap.state.as_str(), tap.is_up()),
            (5, 2, Some(1500), "DOWN", false)
        );
        assert_eq!(tap.mac, Some(Spanned::new("fe:54:00:aa:bb:cc".to_owned(), 6)));
        assert_eq!(tap.kind, Some(Spanned::new("tun".to_owned(), 7)));
        assert_eq!(tap.vfs.len(), 1);
        assert_eq!(view.ports("virbr0").count(), 1);
        assert!(view.get("lo").is_some_and(|lo| lo.is_up() && lo.addresses[0].value == "127.0.0.1/8"));
        assert_eq!(view.links[0].leased, ["10.0.2.15/24"]);
        assert_eq!(IpAddr::recognise("x", text), 90);
        assert_eq!(IpAddr::recognise("x", "1: a: <b> c\n"), 0);
    }
}
