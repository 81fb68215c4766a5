//! A bridge with a card of the host as its way out, so that VMs are in the LAN as the host is.
//!
//! What the card has moves to the bridge: at once where it was set by hand, and at the next boot where it came from a
//! DHCP server or a router, whose answers go to the card until then. The program that sets the card up at boot is told
//! as well, where it is one that is known here.

mod keeper;

use super::{IntentError, Wanted, made};
use keeper::Keeper;
use std::collections::{BTreeMap, BTreeSet};
use vmwright_formats::ip_addr::{IpAddr, IpLink};
use vmwright_formats::ip_route::Route;
use vmwright_formats::links::{Link, Links};
use vmwright_model::plan::{Uplink, UplinkRoute};
use vmwright_model::{Action, Disruption, Need, Plan};

/// What has to be read of a host.
pub const UPLINK_NEEDS: &[Need] = &[
    Need::Glob("/run/systemd/netif/links/*"),
    Need::Glob("/run/systemd/network/*.network"),
    Need::Glob("/etc/systemd/network/*.network"),
    Need::Glob("/usr/lib/systemd/network/*.network"),
    Need::File("/etc/network/interfaces"),
    Need::Glob("/etc/network/interfaces.d/*"),
    Need::Glob("/etc/netplan/*.yaml"),
    Need::File(keeper::CLOUD),
    Need::Glob("/run/NetworkManager/devices/*"),
    Need::Glob("/etc/NetworkManager/system-connections/*"),
    Need::Exists(keeper::BRIDGE_UTILS),
    Need::Exists(keeper::IFUPDOWN2),
];

/// What is known of a host's network, as far as a bridge asks.
#[derive(Debug)]
pub struct Network<'n> {
    /// The host's id.
    pub id: &'n str,
    /// Its interfaces.
    pub links: &'n Links,
    /// Their addresses.
    pub addresses: &'n IpAddr,
    /// Its routes of both families.
    pub routes: Vec<&'n Route>,
    /// The texts of [`UPLINK_NEEDS`], by path.
    pub texts: BTreeMap<&'n str, &'n str>,
    /// The files of [`UPLINK_NEEDS`] that are there.
    pub present: BTreeSet<&'n str>,
}

/// The plan that makes `bridge` with `card` as its way out; with `reboot` from the next boot, which it ends with.
///
/// # Errors
/// [`IntentError`]: the card cannot be a port, or what it has cannot be moved so; it is so already.
pub fn bridge(network: &Network<'_>, bridge: &str, card: &str, reboot: bool) -> Result<Plan, IntentError> {
    let link = free_card(network, bridge, card)?;
    let address = network.addresses.get(card);
    let address =
        address.ok_or_else(|| IntentError::Cannot(format!("the addresses of {card} were not read")))?;
    let uplink = uplink(network, bridge, card, address)?;
    let leased = leased(network, address);
    let keeper = Keeper::find(network, link);
    let mut left = Vec::new();
    let mut steps: Vec<Wanted> = Vec::new();
    match &leased {
        Some(what) if !reboot => {
            return Err(IntentError::Cannot(format!(
                "{what}, and a bridge gets its own only from whoever sets it up at boot: plan it with --reboot"
            )));
        }
        Some(_) => left.push(format!(
            "{bridge} asks for its addresses by its own name: a server that does not go by hardware addresses may give it others than {card} had"
        )),
        None if !reboot => {
            let why = format!("{bridge} is the switch that VMs are plugged into");
            steps.push((Action::BridgeAdd { name: bridge.to_owned(), address: None }, why));
            let why = format!("what is plugged into {bridge} is in the network of {card}, and so is the host");
            steps.push((Action::UplinkAdd { uplink }, why));
        }
        None => {}
    }
    match keeper.keep(network, bridge, link) {
        Ok(kept) => steps.extend(kept),
        Err(why) if reboot => return Err(IntentError::Cannot(why)),
        Err(why) => left.push(format!("until the next boot: {why}")),
    }
    if reboot {
        let why = format!("{bridge} is set up by the boot, and {card} without addresses");
        steps.push((Action::Reboot { left: None }, why));
    }
    left.push(format!("VMs get into it by its name: `bridge = \"{bridge}\"` in a specification, `<source bridge='{bridge}'/>` in a domain"));
    let steps = steps.into_iter().map(|(action, why)| (action, why, Disruption::None)).collect();
    let mut plan = made(network.id, None, format!("give {card} to a bridge {bridge}"), steps);
    plan.left = left;
    Ok(plan)
}

/// The card, if it can become a port of a bridge that is not there yet.
fn free_card<'n>(network: &Network<'n>, bridge: &str, card: &str) -> Result<&'n Link, IntentError> {
    let cannot = |why: String| Err(IntentError::Cannot(why));
    let Some(link) = network.links.of(card) else {
        let names: Vec<&str> = network.links.links.iter().map(|link| link.name.as_str()).take(20).collect();
        return cannot(format!("there is no interface {card}; there are {}", names.join(", ")));
    };
    if let Some(master) = link.get("master") {
        if master.value == bridge {
            return Err(IntentError::Nothing(format!("{card} is a port of {bridge}")));
        }
        return cannot(format!("{card} is a port of {}", master.value));
    }
    if network.links.of(bridge).is_some() {
        return cannot(format!("there is an interface {bridge} already"));
    }
    let kind = link.get("devtype").map_or("", |kind| kind.value);
    let not = match kind {
        _ if card == "lo" => Some("the host's way to itself"),
        _ if link.is_tap() => Some("a tap device"),
        "bridge" => Some("a bridge"),
        // An access point takes frames from its stations' own addresses alone (IEEE 802.11, three-address frames).
        "wlan" => Some("wireless: an access point takes no frames of others behind it. Route or use NAT"),
        _ => None,
    };
    if let Some(what) = not {
        return cannot(format!("{card} is {what}"));
    }
    // Both want each frame that the card takes, and the kernel gives it to one (`netdev_rx_handler_register()`).
    let stands_on = |link: &&Link| {
        link.get("devtype").is_some_and(|kind| matches!(kind.value, "macvlan" | "macvtap" | "ipvlan"))
            && link.get("lower").is_some_and(|lower| lower.value == card)
    };
    match network.links.links.iter().find(stands_on) {
        Some(user) => cannot(format!("{} stands on {card}, which cannot serve a bridge besides", user.name)),
        None => Ok(link),
    }
}

/// What was given to the card for a time, if anything.
fn leased(network: &Network<'_>, address: &IpLink) -> Option<String> {
    let card = &address.name;
    if let Some(leased) = address.leased.first() {
        return Some(format!("{card} has {leased} from a DHCP server or a router"));
    }
    let route = network.routes.iter().find(|route| {
        route.dev.as_deref() == Some(card) && matches!(route.proto.as_str(), "dhcp" | "ra" | "redirect")
    })?;
    Some(format!("{card} has its route to {} from a DHCP server or a router", route.destination))
}

/// What moves.
fn uplink(network: &Network<'_>, bridge: &str, card: &str, address: &IpLink) -> Result<Uplink, IntentError> {
    let mut routes = Vec::new();
    for route in &network.routes {
        let main = route.table.as_deref().is_none_or(|table| table == "main");
        if route.dev.is_none() && route.via.is_none() && !route.special && main {
            return Err(IntentError::Cannot(format!("the route to {} has several ways", route.destination)));
        }
        if route.dev.as_deref() != Some(card) || route.special || route.proto == "kernel" {
            continue;
        }
        if !main {
            let table = route.table.as_deref().unwrap_or_default();
            return Err(IntentError::Cannot(format!(
                "the route to {} through {card} is in table {table}: rules choose by it, and they name {card}",
                route.destination
            )));
        }
        routes.push(UplinkRoute {
            to: network_of(route),
            via: route.via.clone(),
            metric: route.metric,
            proto: route.proto.clone(),
            src: route.src.clone(),
            onlink: route.onlink,
        });
    }
    routes.sort();
    let addresses = address.addresses.iter().map(|address| address.value.clone());
    // The kernel gives each interface its own.
    let addresses = addresses.filter(|address| !address.starts_with("fe80:")).collect();
    Ok(Uplink { card: card.to_owned(), bridge: bridge.to_owned(), addresses, routes })
}

/// Where a route leads, with prefix length.
fn network_of(route: &Route) -> String {
    let six = [Some(&route.destination), route.via.as_ref(), route.src.as_ref()]
        .into_iter()
        .flatten()
        .any(|text| text.contains(':'));
    match (route.destination.as_str(), six) {
        ("default", false) => "0.0.0.0/0".to_owned(),
        ("default", true) => "::/0".to_owned(),
        (network, _) if network.contains('/') => network.to_owned(),
        (host, six) => format!("{host}/{}", if six { 128 } else { 32 }),
    }
}

#[cfg(test)]
mod tests;
