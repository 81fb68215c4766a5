//! Network interfaces as vmwright's probe writes them from sysfs: `<name> <fact> <value>`, one fact a line.

use crate::facts::Facts;
use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// One interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Facts and their values, in the order of the text.
    pub facts: Facts,
}

impl std::ops::Deref for Link {
    type Target = Facts;
    fn deref(&self) -> &Facts {
        &self.facts
    }
}

impl Link {
    /// Its MTU in bytes.
    #[must_use]
    pub fn mtu(&self) -> Option<Spanned<u32>> {
        let found = self.get("mtu")?;
        Some(Spanned::new(found.parse().ok()?, found.line))
    }

    /// Whether it is a bridge.
    #[must_use]
    pub fn is_bridge(&self) -> bool {
        self.get("devtype").is_some_and(|kind| kind.value == "bridge")
    }

    /// Whether it is a tap or tun device.
    #[must_use]
    pub fn is_tap(&self) -> bool {
        self.get("tun_flags").is_some()
    }

    /// Whether it is administratively up (`IFF_UP` of `linux/if.h`).
    #[must_use]
    pub fn is_up(&self) -> Option<bool> {
        let flags = u32::from_str_radix(self.get("flags")?.strip_prefix("0x")?, 16).ok()?;
        Some(flags & 1 == 1)
    }
}

/// The interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// In the order of the text.
    pub links: Vec<Link>,
}

impl Links {
    /// The interface of this name.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The ports of a bridge, bond or OVS system.
    pub fn ports<'a>(&'a self, master: &'a str) -> impl Iterator<Item = &'a Link> {
        self.links.iter().filter(move |link| link.get("master").is_some_and(|own| own.value == master))
    }
}

/// Facts that nearly every interface has.
const USUAL: [&str; 6] = ["operstate", "mtu", "address", "flags", "ifindex", "tx_queue_len"];

impl View for Links {
    const KIND: Kind = Kind::new("links");
    const SUREST: u8 = 94;
    const MARKS: &[&str] = &USUAL;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            if line.trim().is_empty() {
                continue;
            }
            let mut words = line.trim_end().splitn(3, ' ');
            let (Some(name), Some(fact), Some(value)) = (words.next(), words.next(), words.next()) else {
                issues.push(Issue::new(number, "not a line of the probe of links"));
                continue;
            };
            if view.links.last().is_none_or(|last| last.name != name) {
                view.links.push(Link { name: name.to_owned(), facts: Facts::default() });
            }
            if let Some(link) = view.links.last_mut() {
                link.facts.push(fact, value, number);
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let usual = |line: &str| {
            let mut words = line.split(' ');
            words.nth(1).is_some_and(|fact| USUAL.contains(&fact)) && words.count() == 1
        };
        let (hits, all) = crate::lines::share(head, usual);
        match hits > 2 && hits * 3 >= all {
            true => 94,
            false if name == "links" => 30,
            false => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_have_their_types() {
        let (view, issues) = Links::read(include_str!("../tests/samples/links.txt"));
        assert_eq!(issues, []);
        let bridge = view.of("br0").expect("it is there");
        assert!(bridge.is_bridge() && bridge.is_up() == Some(true));
        let tap = view.ports("br0").next().expect("a port");
        assert_eq!(
            (tap.name.as_str(), tap.is_tap(), tap.mtu().map(|mtu| mtu.value)),
            ("vnet0", true, Some(1450))
        );
        assert_eq!(tap.get("tap-owner").map(|owner| owner.value), Some("libvirt-qemu"));
        assert_eq!(Links::read("x y\n").1, [Issue::new(1, "not a line of the probe of links")]);
        assert_eq!(Links::recognise("x", "the mtu is\nan odd one\n"), 0);
    }
}
