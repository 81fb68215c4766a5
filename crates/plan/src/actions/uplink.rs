//! A card of the host as the way out of a bridge.

use super::bridge::interface_fault;
use super::{Facts, Fault, Phase, quoted};
use crate::describe::Words;
use crate::lint::parse_address;
use crate::target::Target;
use std::net::IpAddr;
use vmwright_model::Action;
use vmwright_model::plan::{Uplink, UplinkRoute};

/// See [`Action::UplinkAdd`] and [`Action::UplinkRemove`].
pub(super) struct Moved<'a> {
    pub(super) uplink: &'a Uplink,
    /// Whether the card gets everything back.
    pub(super) back: bool,
}

impl Facts for Moved<'_> {
    fn target(&self) -> Target {
        Target::Interface(self.uplink.card.clone())
    }

    fn words(&self) -> Words {
        let Uplink { card, bridge, .. } = self.uplink;
        let free = format!("card {card}{}, in no bridge", with(self.uplink));
        let taken = format!("bridge {bridge}{}, with port {card}", with(self.uplink));
        let joins = format!(
            "makes {card} a port of {bridge}, which takes over its hardware address{}",
            has(self.uplink)
        );
        let leaves = format!("takes {card} out of {bridge}, and gives it back its addresses and routes");
        match self.back {
            false => Words { expects: free, does: joins, undone_by: leaves },
            true => Words { expects: taken, does: leaves, undone_by: joins },
        }
    }

    fn phase(&self) -> Phase {
        if self.back { Phase::Interface } else { Phase::Port }
    }

    fn needs(&self) -> Option<Target> {
        (!self.back).then(|| Target::Interface(self.uplink.bridge.clone()))
    }

    fn may_lock_out(&self) -> bool {
        true
    }

    fn follows(&self, earlier: &Action) -> bool {
        match earlier {
            Action::UplinkAdd { uplink } => self.back && uplink == self.uplink,
            Action::UplinkRemove { uplink } => !self.back && uplink == self.uplink,
            _ => false,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let Uplink { card, bridge, addresses, routes } = self.uplink;
        let mut faults: Vec<Fault> =
            [card, bridge].into_iter().filter_map(|name| interface_fault(name)).collect();
        if card == bridge {
            faults.push(Fault::Value(format!("{} is no port of itself", quoted(card))));
        }
        let wrong = addresses.iter().filter(|address| parse_address(address).is_none());
        faults.extend(wrong.map(|address| {
            Fault::Value(format!("{} is not an address with prefix length", quoted(address)))
        }));
        faults.extend(routes.iter().filter_map(route_fault));
        faults
    }
}

/// What is wrong with a route: its words go to `ip`.
fn route_fault(route: &UplinkRoute) -> Option<Fault> {
    let address = |text: &str| text.parse::<IpAddr>().is_ok();
    let wrong = if parse_address(&route.to).is_none() {
        &route.to
    } else if let Some(via) = route.via.as_ref().filter(|via| !address(via)) {
        via
    } else if let Some(src) = route.src.as_ref().filter(|src| !address(src)) {
        src
    } else if route.proto.is_empty() || !route.proto.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        &route.proto
    } else {
        return None;
    };
    Some(Fault::Value(format!("{} is no part of a route", quoted(wrong))))
}

fn with(uplink: &Uplink) -> String {
    match uplink.addresses.is_empty() {
        true => " without address".to_owned(),
        false => format!(" with {}", uplink.addresses.join(", ")),
    }
}

fn has(uplink: &Uplink) -> String {
    let routes = uplink.routes.iter().map(|route| match &route.via {
        Some(via) => format!("the route to {} by {via}", route.to),
        None => format!("the route to {}", route.to),
    });
    uplink.addresses.iter().cloned().chain(routes).map(|what| format!(", {what}")).collect()
}
