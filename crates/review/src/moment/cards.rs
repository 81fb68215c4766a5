//! The guest's network cards: behind a move or a restore it has the MAC and the addresses that it is meant to have.

use super::{Ground, Seen};
use crate::aspects::Aspects;
use crate::gates::component;
use crate::interfaces::{self, Interface, specified};
use crate::quote;
use crate::scope::Guest;
use std::net::IpAddr;
use vmwright_model::MachineSpec;

/// An interface of a guest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Card {
    pub(crate) interface: Interface,
    /// Whether its cable is plugged in; none where the kernel does not tell, as of an interface that is down.
    pub(crate) cable: Option<bool>,
}

pub(super) fn look(guest: &dyn Guest) -> Result<Vec<Card>, String> {
    let card = |interface: Interface| {
        let carrier = component(&interface.name).map(|name| format!("/sys/class/net/{name}/carrier"));
        let cable =
            carrier.and_then(|path| guest.file_read(&path, 2).ok()).map(|text| text.starts_with(b"1"));
        Card { interface, cable }
    };
    Ok(interfaces::told(guest)?.into_iter().map(card).collect())
}

/// The card with that MAC address.
pub(crate) fn find<'a>(cards: &'a [Card], mac: &str) -> Option<&'a Card> {
    cards.iter().find(|card| card.interface.mac.as_deref() == Some(mac))
}

/// Whether the guest has the MAC address of each network of the specification, and there the address of the specification, or
/// else those that it had before.
pub(super) fn judge(
    (before, after): (&Seen, &Seen),
    ground: &Ground,
    spec: &MachineSpec,
    when: &str,
    aspects: &mut Aspects,
) {
    aspects.about("MAC and address");
    if spec.networks.is_empty() {
        aspects.none("the machine has no network");
    }
    for (index, network) in spec.networks.iter().enumerate() {
        let label = format!("{when}: network {index}");
        if ground.several && network.kind.leads_in() && spec.review.side_by_side == Some(true) {
            aspects.none(format!(
                "{label}: guests that run side by side are meant to differ there (`review.side_by_side`)"
            ));
            continue;
        }
        let Some(mac) = interfaces::expected_mac(network, index, &ground.macs) else {
            aspects
                .unknown(format!("{label}: its MAC address is not known, so its interface cannot be told"));
            continue;
        };
        let now = match &after.cards {
            Ok(now) => now,
            Err(why) => {
                aspects.unknown(format!("{label}: {}", quote::line(why)));
                continue;
            }
        };
        let had = before.cards.as_ref().ok().and_then(|cards| find(cards, &mac));
        let Some(own) = find(now, &mac) else {
            let before = if had.is_some() { "it had one before" } else { "it had none before either" };
            aspects.fail(format!("{label}: the guest has no interface with MAC address {mac}; {before}"));
            continue;
        };
        let wanted = match (specified(network), had) {
            (Some(address), _) => vec![address],
            (None, Some(had)) => lasting(&had.interface),
            (None, None) => {
                aspects.unknown(format!("{label}: which addresses the guest had before is not known"));
                continue;
            }
        };
        let lacking: Vec<_> = wanted.iter().filter(|one| !own.interface.addresses.contains(one)).collect();
        for address in &lacking {
            let (ip, prefix) = address;
            let told = format!(
                "{label}: the guest does not have {ip}/{prefix} there, but {}",
                own.interface.addresses_text()
            );
            match (had.is_some_and(|had| had.interface.addresses.contains(address)), own.cable) {
                (true, Some(false)) => {
                    aspects.unknown(format!("{told}; it had it before, and gave it up with its cable, which a copy's card is without"));
                }
                (true, _) => aspects.fail(format!("{told}; it had it before")),
                (false, _) => aspects.fail(format!("{told}; it did not have it before either")),
            }
        }
        if lacking.is_empty() {
            aspects.pass();
        }
    }
}

/// Addresses that stay when nothing happens: one that only counts on the link is made anew by the kernel.
pub(crate) fn lasting(interface: &Interface) -> Vec<(IpAddr, u64)> {
    let stays = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    };
    interface.addresses.iter().filter(|(ip, _)| stays(ip)).copied().collect()
}

/// Each card with a MAC address and its addresses, as one text.
pub(crate) fn text(seen: &Seen) -> String {
    let cards = match &seen.cards {
        Ok(cards) => cards,
        Err(why) => return quote::line(why),
    };
    // The loopback's is all zeros.
    let told = |card: &Card| {
        let mac = card.interface.mac.as_deref().filter(|mac| *mac != "00:00:00:00:00:00")?;
        Some(format!("{mac} {}", card.interface.addresses_text()))
    };
    let all: Vec<String> = cards.iter().filter_map(told).collect();
    if all.is_empty() { "none".to_owned() } else { quote::line(&all.join(", ")) }
}
