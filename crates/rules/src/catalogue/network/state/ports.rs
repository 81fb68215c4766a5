//! What VMs' definitions say of the ports behind which their cards are.

use crate::prelude::*;
use vmwright_formats::DomainXml;

/// The first card with a network filter.
pub(crate) fn filtered(cx: &Context<'_>) -> Option<Evidence> {
    cx.all::<DomainXml>().iter().find_map(|seen| {
        let cards = seen.domains.iter().flat_map(|domain| &domain.devices.interfaces);
        let filter = cards.filter_map(|card| card.filter.as_ref()).next()?;
        seen.quote(filter.line)
    })
}

/// A macvtap that hears only what is for its own MAC, because the guest's receive filters are not trusted.
pub(crate) fn deaf(cx: &Context<'_>) -> Option<Evidence> {
    cx.all::<DomainXml>().iter().filter(|seen| !seen.text.holds("trustGuestRxFilters")).find_map(|seen| {
        let cards = seen.domains.iter().flat_map(|domain| &domain.devices.interfaces);
        let mut direct =
            cards.filter(|one| one.interface_type.as_ref().is_some_and(|kind| kind.value == "direct"));
        seen.quote(direct.next()?.line)
    })
}
