//! Routes: `ip route`, `ip -6 route`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Line in the text.
    pub line: u32,
    /// `default`, or a network with prefix.
    pub destination: String,
    /// Next hop.
    pub via: Option<String>,
    /// Interface.
    pub dev: Option<String>,
    /// Whether the interface is down (`linkdown`).
    pub down: bool,
    /// Metric; smaller wins.
    pub metric: u32,
    /// Who made it: `kernel`, `static`, `dhcp`, `ra`; `boot` where it is not told.
    pub proto: String,
    /// The address that packets are sent from.
    pub src: Option<String>,
    /// Whether the next hop is taken as on the link.
    pub onlink: bool,
    /// The table that it is in, where that is not the main one.
    pub table: Option<String>,
    /// Whether it is for this host itself, for all, or for nobody, and not for a network (`local`, `broadcast`,
    /// `unreachable` and their like).
    pub special: bool,
}

/// The routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpRoute {
    /// In the order of the text.
    pub routes: Vec<Route>,
}

impl IpRoute {
    /// Default routes, the one that is taken first in front.
    #[must_use]
    pub fn defaults(&self) -> Vec<&Route> {
        let mut found: Vec<&Route> =
            self.routes.iter().filter(|route| route.destination == "default").collect();
        found.sort_by_key(|route| route.metric);
        found
    }
}

impl View for IpRoute {
    const KIND: Kind = Kind::new("ip_route");
    const SUREST: u8 = 90;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            // The hops of a route of several begin with blanks.
            if line.trim().is_empty() || line.starts_with(['$', '#', ' ', '\t']) {
                continue;
            }
            match route(number, line) {
                Some(route) => view.routes.push(route),
                None => issues.push(Issue::new(number, "not a route")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        match crate::lines::most(head, (2, 3), |line| route(1, line.trim()).is_some()) > 0 {
            true => 90,
            false
                if name.starts_with("ip route")
                    || name.starts_with("ip_route")
                    || name.starts_with("route") =>
            {
                20
            }
            false => 0,
        }
    }
}

/// What `ip neigh` says of an address behind an interface, and `ip route` never: its lines begin alike (ip-neighbour(8)).
const NEIGHBOUR: [&str; 11] = [
    "lladdr",
    "proxy",
    "router",
    "PERMANENT",
    "NOARP",
    "REACHABLE",
    "STALE",
    "INCOMPLETE",
    "DELAY",
    "PROBE",
    "FAILED",
];

/// `192.0.2.0/24 dev virbr0 proto kernel scope link src 192.0.2.1 metric 5 linkdown`.
fn route(line: u32, text: &str) -> Option<Route> {
    const KINDS: [&str; 6] = ["unreachable", "blackhole", "prohibit", "broadcast", "local", "multicast"];
    // First this: few lines of another text begin as an address or one of these words does.
    let begins = |first: char| first.is_ascii_hexdigit() || ".:/ubplm".contains(first);
    if !text.starts_with(begins) {
        return None;
    }
    let mut words = text.split_whitespace().peekable();
    let special = words.next_if(|word| KINDS.contains(word)).is_some();
    let destination = words.next()?;
    let is_network = destination == "default"
        || destination.contains(['.', ':'])
            && destination.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:/".contains(&byte));
    // Before anything is kept: nearly every line of every text is asked whether it is a route.
    if !is_network {
        return None;
    }
    let mut route = Route {
        line,
        destination: destination.to_owned(),
        via: None,
        dev: None,
        down: false,
        metric: 0,
        // iproute2 leaves out what it makes itself (ip-route(8)).
        proto: "boot".to_owned(),
        src: None,
        onlink: false,
        table: None,
        special,
    };
    while let Some(word) = words.next() {
        match word {
            word if NEIGHBOUR.contains(&word) => return None,
            "via" => route.via = words.next().map(str::to_owned),
            "dev" => route.dev = words.next().map(str::to_owned),
            "metric" => route.metric = words.next()?.parse().ok()?,
            "linkdown" => route.down = true,
            "onlink" => route.onlink = true,
            "proto" => route.proto = words.next()?.to_owned(),
            "src" => route.src = words.next().map(str::to_owned),
            "table" => route.table = words.next().map(str::to_owned),
            _ => {}
        }
    }
    (route.dev.is_some() || route.via.is_some() || text.contains("proto")).then_some(route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_no_routes() {
        let text = "192.0.2.1 dev eth0 lladdr 52:55:0a:00:02:02 REACHABLE\n\
                    fe80::2 dev eth0 lladdr 52:56:00:00:00:02 router STALE\n192.0.2.9 dev eth0 FAILED\n";
        assert_eq!(IpRoute::recognise("ip neigh show", text), 0);
        assert!(IpRoute::read(text).0.routes.is_empty());
    }

    #[test]
    fn routes() {
        let (view, issues) = IpRoute::read(include_str!("../tests/samples/ip_route.txt"));
        assert_eq!(issues, []);
        let first = view.defaults()[0];
        assert_eq!(
            (first.via.as_deref(), first.dev.as_deref(), first.metric),
            (Some("198.51.100.1"), Some("eth0"), 100)
        );
        assert!(view.routes[2].down);
        let policy = "local 10.0.0.7 dev eth0 table local proto kernel scope host src 10.0.0.7\n10.1.0.0/16 via 10.0.0.9 dev eth0 onlink\n";
        let (view, _) = IpRoute::read(policy);
        assert!(view.routes[0].special && view.routes[0].table.as_deref() == Some("local"));
        assert_eq!((view.routes[0].proto.as_str(), view.routes[0].src.as_deref()), ("kernel", Some("10.0.0.7")));
        assert!(!view.routes[1].special && view.routes[1].onlink && view.routes[1].proto == "boot");
        let (view, issues) =
            IpRoute::read("fe80::/64 dev eth0 proto kernel metric 256 pref medium\ndefault\n");
        assert_eq!((view.routes.len(), issues.len()), (1, 1));
        assert_eq!(IpRoute::recognise("x", "default is the name\n"), 0);
    }
}
