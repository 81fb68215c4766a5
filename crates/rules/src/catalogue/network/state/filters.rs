//! What a whole rule set of the host does with the guests' frames.

use crate::prelude::*;
use vmwright_formats::{IptablesSave, NftRuleset};

/// What the host does with what a guest asks of it, DHCP and DNS.
pub(crate) enum Input {
    /// It drops what no rule accepts, and none accepts this; the line of the policy.
    Drops(Option<Evidence>),
    /// A rule accepts it; its line.
    Accepts(Option<Evidence>),
}

/// The input chains that drop by policy. Chains of another table cannot take back what one drops.
pub(crate) fn input(cx: &Context<'_>) -> Option<Input> {
    let mut dropped = None;
    let mut accepted = None;
    for seen in cx.all::<NftRuleset>() {
        for chain in seen.at("input").filter(|chain| chain.drops()) {
            let table =
                seen.chains.iter().filter(|own| own.table == chain.table && own.family == chain.family);
            let found = table.flat_map(|own| &own.rules).find(|rule| accepts(&rule.value));
            match found {
                Some(rule) => accepted = accepted.or(Some(seen.quote(rule.line))),
                None => dropped = dropped.or(chain.policy.as_ref().map(|policy| seen.quote(policy.line))),
            }
        }
    }
    for seen in cx.all::<IptablesSave>() {
        let mut policies =
            seen.chains.iter().filter(|chain| chain.table == "filter" && chain.name == "INPUT");
        let Some(policy) = policies.find(|chain| chain.policy == "DROP") else { continue };
        match seen.rules.iter().find(|rule| rule.table == "filter" && accepts(&rule.text)) {
            Some(rule) => accepted = accepted.or(Some(seen.quote(rule.line))),
            None => dropped = dropped.or(Some(seen.quote(policy.line))),
        }
    }
    dropped.map(Input::Drops).or(accepted.map(Input::Accepts))
}

/// A rule of iptables or nftables that accepts a virtual bridge or the ports of DHCP, or goes to libvirt's own chain.
fn accepts(rule: &str) -> bool {
    let accept = rule.contains("ACCEPT") || rule.contains("accept");
    let bridge = rule.contains("virbr");
    let dhcp = rule.contains("dport 67") || rule.contains("dport { 53, 67") || rule.contains("bootps");
    accept && (bridge || dhcp) || rule.contains("jump LIBVIRT_INP") || rule.contains("-j LIBVIRT_INP")
}

/// A rule that lets frames cross a bridge, whatever the policy of FORWARD.
pub(crate) fn bridge_accepted(cx: &Context<'_>) -> Option<Evidence> {
    cx.texts_with(["ccept", "ACCEPT"]).find_map(|text| {
        let (number, _) = text.lines_with(["ccept", "ACCEPT"]).find(|(_, line)| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let after = |option: &str| {
                let at = words.iter().position(|word| *word == option)?;
                words.get(at + 1).map(|name| name.trim_matches('"'))
            };
            let (from, to) = (after("-i").or(after("iifname")), after("-o").or(after("oifname")));
            // libvirt and Docker let their own bridges through, which says nothing of others.
            let own = |name: &str| ["virbr", "docker", "br-"].iter().any(|begin| name.starts_with(begin));
            let same = from.is_some_and(|name| !own(name)) && from == to;
            (same || line.contains("physdev-is-bridged")) && line.to_ascii_lowercase().contains("accept")
        })?;
        text.quote(number)
    })
}
