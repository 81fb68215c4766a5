//! The host's network interfaces, as vmwright's probe writes them from `/sys/class/net`:
//! `<name> <bridge|bridge-port|tap|physical|virtual> <operstate>`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// What an interface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceClass {
    /// A Linux bridge (`/sys/class/net/X/bridge` exists).
    Bridge,
    /// A port of one (`brport` exists).
    BridgePort,
    /// A tap or tun (`tun_flags` exists).
    Tap,
    /// One with a device behind it (`device` exists).
    Physical,
    /// Anything else.
    Virtual,
}

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Line in the text.
    pub line: u32,
    /// Its name.
    pub name: String,
    /// What it is.
    pub class: InterfaceClass,
    /// `operstate` as the kernel says it: `up`, `down`, `unknown`, `lowerlayerdown`, ...
    pub state: String,
}

/// The host's interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// In the order of the text.
    pub interfaces: Vec<Interface>,
}

impl Interfaces {
    /// The interface of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.name == name)
    }
}

impl View for Interfaces {
    const KIND: Kind = Kind::new("interfaces");
    const SUREST: u8 = 90;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            if line.trim().is_empty() {
                continue;
            }
            match interface(number, line) {
                Some(interface) => view.interfaces.push(interface),
                None => issues.push(Issue::new(number, "not a line of the interface probe")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let mut all = head.lines().filter(|line| !line.trim().is_empty()).take(8).peekable();
        if all.peek().is_some() && all.all(|line| interface(1, line).is_some()) {
            return 90;
        }
        if name == "interfaces" { 20 } else { 0 }
    }
}

fn interface(line: u32, text: &str) -> Option<Interface> {
    let mut words = text.split_whitespace();
    let (name, class, state) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let class = match class {
        "bridge" => InterfaceClass::Bridge,
        "bridge-port" => InterfaceClass::BridgePort,
        "tap" => InterfaceClass::Tap,
        "physical" => InterfaceClass::Physical,
        "virtual" => InterfaceClass::Virtual,
        _ => return None,
    };
    Some(Interface { line, name: name.to_owned(), class, state: state.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read() {
        let (view, issues) = Interfaces::read("lo virtual unknown\nvmw0 bridge down\nx y\n");
        assert_eq!(issues, [Issue::new(3, "not a line of the interface probe")]);
        let bridge = view.get("vmw0").expect("it is there");
        assert_eq!((bridge.line, bridge.class, bridge.state.as_str()), (2, InterfaceClass::Bridge, "down"));
        assert_eq!(view.get("br0"), None);
        assert_eq!(Interfaces::recognise("x", "lo virtual unknown\n"), 90);
        assert_eq!(Interfaces::recognise("interfaces", "auto lo\niface lo inet loopback\n"), 20);
    }
}
