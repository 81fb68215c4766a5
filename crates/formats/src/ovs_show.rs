//! Open vSwitch: `ovs-vsctl show`.

use crate::{View, lines::having, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// A port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OvsPort {
    /// Line in the text.
    pub line: u32,
    /// Its name.
    pub name: String,
    /// Its VLAN.
    pub tag: Option<Spanned<String>>,
    /// Types of its interfaces: `internal`, `dpdkvhostuserclient`, `vxlan`.
    pub types: Vec<Spanned<String>>,
    /// What is wrong with its interfaces: `could not open network device vnet3 (No such device)`.
    pub errors: Vec<Spanned<String>>,
}

/// A bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OvsBridge {
    /// Line in the text.
    pub line: u32,
    /// Its name.
    pub name: String,
    /// `netdev` for the userspace data path; none for the kernel's.
    pub datapath: Option<Spanned<String>>,
    /// Its ports.
    pub ports: Vec<OvsPort>,
}

/// The bridges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OvsShow {
    /// In the order of the text.
    pub bridges: Vec<OvsBridge>,
    /// Version of the daemon.
    pub version: Option<Spanned<String>>,
}

impl OvsShow {
    /// The bridge of this name.
    #[must_use]
    pub fn bridge(&self, name: &str) -> Option<&OvsBridge> {
        self.bridges.iter().find(|bridge| bridge.name == name)
    }

    /// The port of this name with its bridge.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<(&OvsBridge, &OvsPort)> {
        self.bridges
            .iter()
            .find_map(|bridge| Some((bridge, bridge.ports.iter().find(|port| port.name == name)?)))
    }
}

impl View for OvsShow {
    const KIND: Kind = Kind::new("ovs_show");
    const SUREST: u8 = 92;
    const MARKS: &[&str] = &["Bridge "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            let line = line.trim();
            let value = |value: &str| Spanned::new(value.trim().trim_matches('"').to_owned(), number);
            let bare = |text: &str| text.trim().trim_matches('"').to_owned();
            if let Some(name) = line.strip_prefix("Bridge ") {
                view.bridges.push(OvsBridge { line: number, name: bare(name), ..OvsBridge::default() });
                continue;
            }
            if let Some(version) = line.strip_prefix("ovs_version: ") {
                view.version = Some(value(version));
                continue;
            }
            let Some(bridge) = view.bridges.last_mut() else {
                // The system's id and its manager stand above.
                let above = line.is_empty()
                    || line.starts_with(['$', '#'])
                    || line.starts_with("Manager ")
                    || line.starts_with("is_connected: ")
                    || line.matches('-').count() == 4;
                if !above {
                    issues.push(Issue::new(number, "not a line of ovs-vsctl show"));
                }
                continue;
            };
            if let Some(name) = line.strip_prefix("Port ") {
                bridge.ports.push(OvsPort { line: number, name: bare(name), ..OvsPort::default() });
                continue;
            }
            if let Some(datapath) = line.strip_prefix("datapath_type: ") {
                bridge.datapath = Some(value(datapath));
                continue;
            }
            if let Some(port) = bridge.ports.last_mut() {
                if let Some(tag) = line.strip_prefix("tag: ") {
                    port.tag = Some(value(tag));
                } else if let Some(kind) = line.strip_prefix("type: ") {
                    port.types.push(value(kind));
                } else if let Some(error) = line.strip_prefix("error: ") {
                    port.errors.push(value(error));
                }
            }
        }
        (view, issues)
    }

    fn recognise(_: &str, head: &str) -> u8 {
        let at_start = |word: &str| {
            having(head, word).any(|line| line.starts_with("    ") && line.trim_start().starts_with(word))
        };
        if at_start("Bridge ") && (at_start("Port ") || at_start("fail_mode:") || at_start("ovs_version:")) {
            92
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridges_ports_and_what_is_wrong_with_them() {
        let (view, issues) = OvsShow::read(include_str!("../tests/samples/ovs_show.txt"));
        assert_eq!(issues, []);
        let (bridge, port) = view.port("vnet3").expect("it is there");
        assert_eq!((bridge.name.as_str(), bridge.line), ("br-int", 2));
        assert_eq!(port.tag, Some(Spanned::new("20".to_owned(), 7)));
        assert_eq!(port.errors[0].value, "could not open network device vnet3 (No such device)");
        assert_eq!(view.version.as_ref().map(|version| version.value.as_str()), Some("3.1.0"));
        assert_eq!(
            view.bridge("br-int").and_then(|bridge| bridge.datapath.as_ref()).map(|path| path.line),
            Some(3)
        );
        assert_eq!(OvsShow::read("odd\n").1.len(), 1);
        assert_eq!(OvsShow::recognise("x", "Bridge over\nPort of\n"), 0);
    }
}
