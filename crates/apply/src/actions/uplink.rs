//! Makes a card of the host the port of a bridge, which takes over what the card has; gives it back.

use super::bridge::{Link, hardware_address, ip_batch, links, routes};
use super::{Act, ActionError, World, succeed};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use vmwright_model::Action;
use vmwright_model::plan::{Uplink, UplinkRoute};

/// See [`Action::UplinkAdd`] and [`Action::UplinkRemove`].
pub(super) struct Moved<'a> {
    pub(super) uplink: &'a Uplink,
    /// Whether the card gets everything back.
    pub(super) back: bool,
}

/// The card and the bridge as they are.
struct Now {
    card: Link,
    bridge: Link,
    /// Routes through the card, and through the bridge.
    by_card: BTreeSet<UplinkRoute>,
    by_bridge: BTreeSet<UplinkRoute>,
}

impl Now {
    fn read(uplink: &Uplink) -> Result<Self, ActionError> {
        let mut links = links()?;
        let mut take = |name: &str| {
            let at = links.iter().position(|link| link.ifname == name);
            at.map(|at| links.swap_remove(at)).ok_or_else(|| ActionError::Gone(format!("interface {name}")))
        };
        let (card, bridge) = (take(&uplink.card)?, take(&uplink.bridge)?);
        Ok(Self { by_card: routes(&uplink.card)?, by_bridge: routes(&uplink.bridge)?, card, bridge })
    }

    fn joined(&self) -> bool {
        self.card.master.as_deref() == Some(self.bridge.ifname.as_str())
    }
}

/// The card, where there is no bridge any more: who made that at a boot has taken it away.
struct Alone {
    card: Link,
    by_card: BTreeSet<UplinkRoute>,
}

impl Alone {
    /// [`ActionError::Gone`] where there is no card, drift where there is a bridge.
    fn read(uplink: &Uplink) -> Result<Self, ActionError> {
        let links = links()?;
        if links.iter().any(|link| link.ifname == uplink.bridge) {
            return Err(drift(&uplink.bridge, "away", "there"));
        }
        let card = links.into_iter().find(|link| link.ifname == uplink.card);
        let card = card.ok_or_else(|| ActionError::Gone(format!("interface {}", uplink.card)))?;
        Ok(Self { by_card: routes(&uplink.card)?, card })
    }

    fn must_have_all(&self, uplink: &Uplink) -> Result<(), ActionError> {
        if let Some(master) = &self.card.master {
            return Err(drift(&uplink.card, "a port of nothing", format!("a port of {master}")));
        }
        // NetworkManager gives each card another metric, by those that have one already.
        let without = |route: &UplinkRoute| UplinkRoute { metric: 0, ..route.clone() };
        let (found, wanted): (BTreeSet<_>, Vec<_>) =
            (self.by_card.iter().map(without).collect(), uplink.routes.iter().map(without).collect());
        must_hold(&self.card, &found, &uplink.addresses, &wanted)
    }
}

fn drift(what: &str, expected: impl Into<String>, found: impl Into<String>) -> ActionError {
    ActionError::Drift { what: format!("interface {what}"), expected: expected.into(), found: found.into() }
}

/// That an interface has these addresses and routes, and no others.
fn must_hold(
    link: &Link,
    routes: &BTreeSet<UplinkRoute>,
    addresses: &[String],
    wanted: &[UplinkRoute],
) -> Result<(), ActionError> {
    let told = |all: Vec<String>| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
    let found: BTreeSet<String> = link.address_texts().collect();
    let expected: BTreeSet<String> = addresses.iter().cloned().collect();
    if found != expected {
        let (expected, found) = (told(expected.into_iter().collect()), told(found.into_iter().collect()));
        return Err(drift(
            &link.ifname,
            format!("with addresses {expected}"),
            format!("with addresses {found}"),
        ));
    }
    if *routes != wanted.iter().cloned().collect() {
        let words = |routes: &mut dyn Iterator<Item = &UplinkRoute>| told(routes.map(route_words).collect());
        let (expected, found) = (words(&mut wanted.iter()), words(&mut routes.iter()));
        return Err(drift(&link.ifname, format!("with routes {expected}"), format!("with routes {found}")));
    }
    Ok(())
}

/// A route as `ip route` takes it, without its interface.
fn route_words(route: &UplinkRoute) -> String {
    let UplinkRoute { to, via, metric, proto, src, onlink } = route;
    let mut words = to.clone();
    if let Some(via) = via {
        words.push_str(&format!(" via {via}"));
    }
    if *metric != 0 {
        words.push_str(&format!(" metric {metric}"));
    }
    words.push_str(&format!(" proto {proto}"));
    if let Some(src) = src {
        words.push_str(&format!(" src {src}"));
    }
    if *onlink {
        words.push_str(" onlink");
    }
    words
}

/// Has the bridge listen to routers where the card does, and not where it does not: a new interface does, and would get
/// addresses that nobody asked for (kernel, Documentation/networking/ip-sysctl.rst, `accept_ra`).
fn listen_as(world: &World<'_>, card: &str, bridge: &str) -> Result<(), ActionError> {
    let path = |name: &str| format!("/proc/sys/net/ipv6/conf/{name}/accept_ra");
    // Without IPv6 there are no routers to listen to.
    let Ok(value) = world.system.read(&path(card)) else { return Ok(()) };
    let failed = |source| ActionError::Io { path: path(bridge), what: "write", source };
    world.system.write(&path(bridge), value.trim()).map_err(failed)
}

impl Moved<'_> {
    fn inverse(&self) -> Action {
        let uplink = self.uplink.clone();
        if self.back { Action::UplinkAdd { uplink } } else { Action::UplinkRemove { uplink } }
    }

    /// The card by itself with all that is listed, beside the bridge as vmwright made it.
    fn must_be_apart(&self, now: &Now, world: &World<'_>) -> Result<(), ActionError> {
        let Uplink { card, bridge, addresses, routes } = self.uplink;
        if let Some(master) = &now.card.master {
            return Err(drift(card, "a port of nothing", format!("a port of {master}")));
        }
        let own = hardware_address(world, bridge);
        if !now.bridge.is_bridge() || now.bridge.address != own {
            return Err(drift(
                bridge,
                format!("the bridge that vmwright made, with hardware address {own}"),
                format!("one with hardware address {}", now.bridge.address),
            ));
        }
        if let Some(leased) = now.card.leased().filter(|_| !self.back) {
            return Err(drift(
                card,
                "without addresses that were given for a time",
                format!("with {leased}"),
            ));
        }
        must_hold(&now.bridge, &now.by_bridge, &[], &[])?;
        must_hold(&now.card, &now.by_card, addresses, routes)
    }

    /// The bridge with all that is listed.
    fn must_be_joined(&self, now: &Now) -> Result<(), ActionError> {
        let Uplink { card, bridge, addresses, routes } = self.uplink;
        if !now.joined() {
            let found = now.card.master.as_deref().unwrap_or("nothing");
            return Err(drift(card, format!("a port of {bridge}"), format!("a port of {found}")));
        }
        if now.bridge.address != now.card.address {
            let expected = format!("with hardware address {}, which is that of {card}", now.card.address);
            return Err(drift(bridge, expected, format!("with {}", now.bridge.address)));
        }
        must_hold(&now.card, &now.by_card, &[], &[])?;
        must_hold(&now.bridge, &now.by_bridge, addresses, routes)
    }

    /// The words for `ip` that are left to do. Each is a consequence of what is there now, so that a move which was
    /// left half done is brought to its end, or back.
    fn orders(&self, now: &Now, world: &World<'_>) -> String {
        let Uplink { card, bridge, addresses, routes } = self.uplink;
        let (from, to) = if self.back { (&now.bridge, &now.card) } else { (&now.card, &now.bridge) };
        let by_from = if self.back { &now.by_bridge } else { &now.by_card };
        let mut orders = String::new();
        let mut order = |words: String| orders.push_str(&format!("{words}\n"));
        // The bridge has the card's hardware address while it speaks for it: switches and DHCP servers know that one.
        let mac = if self.back { hardware_address(world, bridge) } else { now.card.address.clone() };
        match self.back {
            false if !now.joined() => order(format!("link set dev {card} master {bridge}")),
            true if now.joined() => order(format!("link set dev {card} nomaster")),
            _ => {}
        }
        if now.bridge.address != mac {
            order(format!("link set dev {bridge} address {mac}"));
        }
        // An IPv6 route outlives the address that it was made for.
        for route in by_from.iter().filter(|route| routes.contains(route)) {
            order(format!("route del {} dev {}", route_words(route), from.ifname));
        }
        let holds = |link: &Link, address: &String| link.address_texts().any(|held| held == *address);
        // With the first address of a network go its further ones (`promote_secondaries` off), so the last goes first; and
        // they come in their order, because what is sent has the first one. No address is ever on neither side: what
        // belongs to it would be lost where this is cut off.
        for address in addresses.iter().rev().filter(|address| holds(to, address)) {
            order(format!("address del {address} dev {}", to.ifname));
        }
        for address in addresses {
            // An IPv6 address was this host's until now: there is nobody to ask for it.
            let more = match [from, to].into_iter().find_map(|link| link.broadcast_of(address)) {
                Some(broadcast) => format!(" broadcast {broadcast}"),
                None if address.contains(':') => " nodad".to_owned(),
                None => String::new(),
            };
            order(format!("address add {address} dev {}{more}", to.ifname));
        }
        for address in addresses.iter().rev().filter(|address| holds(from, address)) {
            order(format!("address del {address} dev {}", from.ifname));
        }
        // What is on the link comes first: next hops of other routes may lie behind it.
        let (near, far): (Vec<_>, Vec<_>) = routes.iter().partition(|route| route.via.is_none());
        for route in near.into_iter().chain(far) {
            order(format!("route replace {} dev {}", route_words(route), to.ifname));
        }
        orders
    }
}

/// How long systemd-networkd may take to set a card up by another file. Addresses that it asks for take longer; those are
/// nothing that a bridge has taken over.
const SETTLES: Duration = Duration::from_secs(15);
/// Between two looks at what it says.
const LOOK: Duration = Duration::from_millis(200);

/// What systemd-networkd says of an interface, where `sd_network_link_get_network_file` of systemd reads it: by which file
/// it has set that up, and whether it is done.
struct Managed {
    file: PathBuf,
    settled: bool,
}

impl Managed {
    /// None where it manages no such interface, or does not run.
    fn read(link: &Link) -> Option<Self> {
        Self::of(&fs::read_to_string(format!("/run/systemd/netif/links/{}", link.ifindex)).ok()?)
    }

    fn of(said: &str) -> Option<Self> {
        let value = |key: &str| said.lines().find_map(|line| line.strip_prefix(key));
        let settled = !matches!(value("ADMIN_STATE="), Some("pending" | "initialized" | "configuring"));
        Some(Self { file: value("NETWORK_FILE=")?.into(), settled })
    }

    /// Whether its file is gone, which it has not taken in.
    fn is_stale(&self) -> bool {
        !self.file.exists()
    }

    /// Whether netplan has made its file, which it does at each boot and where it is asked to.
    fn is_netplans(&self) -> bool {
        self.file.to_string_lossy().contains("-netplan-")
    }
}

/// Whether NetworkManager has made an interface, as it says itself (`nm_config_device_state_write`, `nm-owned`).
fn is_network_managers(link: &Link) -> bool {
    let said = fs::read_to_string(format!("/run/NetworkManager/devices/{}", link.ifindex));
    said.is_ok_and(|said| said.lines().any(|line| line == "nm-owned=true"))
}

/// Has systemd-networkd take in that the files are gone by which it has set these interfaces up, and NetworkManager that its
/// profiles are others: behind a boot they would plug the card in again as soon as it is unplugged, and give the bridge its
/// routes back. NetworkManager takes a bridge away that it has made, and netplan's files follow those that it reads.
fn let_go(uplink: &Uplink, world: &World<'_>, links: [&Link; 2]) -> Result<(), ActionError> {
    let waits =
        |is: fn(&Managed) -> bool| links.into_iter().filter_map(Managed::read).any(|managed| is(&managed));
    let settle = |busy: &dyn Fn() -> bool| {
        let begin = Instant::now();
        while busy() && begin.elapsed() < SETTLES {
            std::thread::sleep(LOOK);
        }
    };
    if links.into_iter().any(is_network_managers) {
        succeed(world, "nmcli", &["connection", "reload"])?;
        let given_back = || Alone::read(uplink).is_ok_and(|alone| alone.must_have_all(uplink).is_ok());
        settle(&|| !given_back());
        return Ok(());
    }
    let made = waits(Managed::is_netplans);
    if made {
        succeed(world, "netplan", &["generate"])?;
    }
    if waits(Managed::is_stale) {
        succeed(world, "networkctl", &["reload"])?;
        // What netplan makes for the card has its old name, and gives it everything back: what is done here meanwhile would be
        // done twice.
        let given_back = || {
            Now::read(uplink).is_ok_and(|now| {
                !now.joined() && must_hold(&now.card, &now.by_card, &uplink.addresses, &uplink.routes).is_ok()
            })
        };
        settle(&|| waits(|managed| !managed.settled || managed.is_stale()) || made && !given_back());
    }
    Ok(())
}

impl Act for Moved<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        let now = Now::read(self.uplink)?;
        if self.back {
            self.must_be_joined(&now)?
        } else {
            self.must_be_apart(&now, world)?
        }
        Ok(self.inverse())
    }

    fn resume(&self, world: &World<'_>) -> Result<Action, ActionError> {
        let now = Now::read(self.uplink)?;
        let Uplink { card, bridge, addresses, .. } = self.uplink;
        if let Some(other) = now.card.master.as_deref().filter(|master| master != bridge) {
            return Err(drift(
                card,
                format!("a port of {bridge} or of nothing"),
                format!("a port of {other}"),
            ));
        }
        let known = [hardware_address(world, bridge), now.card.address.clone()];
        if !now.bridge.is_bridge() || !known.contains(&now.bridge.address) {
            let expected =
                format!("the bridge that vmwright made, with hardware address {}", known.join(" or "));
            return Err(drift(bridge, expected, format!("one with {}", now.bridge.address)));
        }
        let held = now.card.address_texts().chain(now.bridge.address_texts());
        if let Some(other) = held.into_iter().find(|held| !addresses.contains(held)) {
            return Err(drift(bridge, "with no address but those that were moved", format!("with {other}")));
        }
        Ok(self.inverse())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        // What takes a move back may find it half done.
        let found = if self.back { self.resume(world)? } else { self.expect(world)? };
        if found != *undo {
            return Err(ActionError::OtherUndo);
        }
        let mut now = Now::read(self.uplink)?;
        if self.back {
            let_go(self.uplink, world, [&now.card, &now.bridge])?;
            if Alone::read(self.uplink).is_ok_and(|alone| alone.must_have_all(self.uplink).is_ok()) {
                return Ok(());
            }
            now = Now::read(self.uplink)?;
        }
        if !self.back {
            listen_as(world, &self.uplink.card, &self.uplink.bridge)?;
        }
        ip_batch(&self.orders(&now, world))
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        if let Some(alone) = Alone::read(self.uplink).ok().filter(|_| self.back) {
            return alone.must_have_all(self.uplink);
        }
        let now = Now::read(self.uplink)?;
        if self.back { self.must_be_apart(&now, world) } else { self.must_be_joined(&now) }
    }
}

#[cfg(test)]
mod tests {
    use super::Managed;
    use std::path::Path;

    #[test]
    fn networkd_tells_by_which_file_it_has_set_a_card_up() {
        let said = "# This is private data. Do not parse.\nADMIN_STATE=configured\nOPER_STATE=enslaved\n\
                    NETWORK_FILE=/etc/systemd/network/10-card.network\nDNS=\n";
        let told = Managed::of(said).expect("it manages the card");
        assert!(told.settled && told.file == Path::new("/etc/systemd/network/10-card.network"));
        let busy = said.replace("=configured", "=configuring");
        assert!(!Managed::of(&busy).expect("it still does").settled);
        assert!(Managed::of("ADMIN_STATE=unmanaged\nOPER_STATE=routable\n").is_none());
    }
}
