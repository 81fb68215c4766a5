//! VLAN tags of ports and of the guests behind them.

use crate::prelude::*;

/// An access port of a VLAN, and a guest that has a VLAN interface of the same number on its card.
pub(crate) fn tagged_twice(cx: &Context<'_>) -> Option<(Option<Evidence>, Option<Evidence>)> {
    let find = |word: &'static str, what: &dyn Fn(&str) -> Option<String>| {
        // A listing with the switch's own interfaces is the host's, not a guest's.
        let mut lines = cx.lines_with(word).filter(|(text, ..)| !text.holds("ovs-system"));
        lines.find_map(|(text, number, line)| Some((what(line.trim())?, text.quote(number))))
    };
    let (vlan, port) = find("tag: ", &|line| line.strip_prefix("tag: ").map(str::to_owned))?;
    let (_, guest) = find("@", &|line| {
        let (name, _) = line.split_once('@')?;
        (name.rsplit_once('.')?.1 == vlan).then(|| vlan.clone())
    })?;
    Some((port, guest))
}
