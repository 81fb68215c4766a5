//! VLANs of bridge ports: `bridge vlan`, `bridge vlan show`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// A VLAN, or a range, on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortVlan {
    /// Line in the text.
    pub line: u32,
    /// The port.
    pub port: String,
    /// First and last id; the same for one.
    pub ids: (u16, u16),
    /// Whether frames without a tag belong to it.
    pub pvid: bool,
    /// Whether it leaves without a tag.
    pub untagged: bool,
}

/// The VLANs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BridgeVlan {
    /// In the order of the text.
    pub vlans: Vec<PortVlan>,
}

impl BridgeVlan {
    /// The VLANs of a port.
    pub fn of<'a>(&'a self, port: &'a str) -> impl Iterator<Item = &'a PortVlan> {
        self.vlans.iter().filter(move |vlan| vlan.port == port)
    }
}

impl View for BridgeVlan {
    const KIND: Kind = Kind::new("bridge_vlan");
    const SUREST: u8 = 92;
    const MARKS: &[&str] = &["vlan"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        let mut port = String::new();
        for (number, line) in lines(text) {
            if line.trim().is_empty() || line.starts_with(['$', '#']) || is_head(line) {
                continue;
            }
            let mut rest = line.trim();
            if !line.starts_with(char::is_whitespace) {
                let (name, behind) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
                name.clone_into(&mut port);
                rest = behind.trim();
                // A port without any.
                if rest.is_empty() || rest == "None" {
                    continue;
                }
            }
            match vlan(number, &port, rest) {
                Some(vlan) if !port.is_empty() => view.vlans.push(vlan),
                _ => issues.push(Issue::new(number, "not a VLAN of a port")),
            }
        }
        (view, issues)
    }

    fn recognise(_: &str, head: &str) -> u8 {
        match head.lines().take(5).any(is_head) && Self::read(head).1.len() < 3 {
            true => 92,
            false => 0,
        }
    }
}

fn is_head(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    matches!(words[..], ["port", "vlan-id" | "vlan" | "vlan-ids", ..])
}

/// `1 PVID Egress Untagged`, `100-200`.
fn vlan(line: u32, port: &str, text: &str) -> Option<PortVlan> {
    let mut words = text.split_whitespace();
    let ids = words.next()?;
    let (first, last) = ids.split_once('-').unwrap_or((ids, ids));
    Some(PortVlan {
        line,
        port: port.to_owned(),
        ids: (first.parse().ok()?, last.parse().ok()?),
        pvid: text.contains("PVID"),
        untagged: text.contains("Untagged"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vlans_of_ports() {
        let (view, issues) = BridgeVlan::read(include_str!("../tests/samples/bridge_vlan.txt"));
        assert_eq!(issues, []);
        let ids: Vec<_> = view.of("vnet0").map(|vlan| (vlan.ids, vlan.pvid, vlan.untagged)).collect();
        assert_eq!(ids, [((1, 1), true, true), ((100, 200), false, false)]);
        let old = "port\tvlan ids\nbr0\t 1 PVID Egress Untagged\n\neth0\tNone\nodd x\n";
        let (view, issues) = BridgeVlan::read(old);
        assert_eq!((view.vlans.len(), issues.len()), (1, 1));
        assert_eq!(BridgeVlan::recognise("x", "port of call\n"), 0);
    }
}
