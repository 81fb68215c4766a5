//! # libvirt's firewall backend is not usable or has changed
//!
//! ## What it is
//! libvirt writes NAT and filter rules for its networks through a backend: iptables (the only one up to 10.3) or
//! nftables (10.4 and later, chosen first). If the programs or kernel modules of the backend do not work, no
//! network starts; if the backend changes with an update, rules that other tools made for it no longer fit.
//! Heard as: since libvirt was updated guests have no DHCP or internet.
//!
//! Known by: failed to apply firewall rules, iptables or nft not found; internal error: Failed to initialize a valid
//! firewall backend; rules vanish after firewalld reload; firewall_backend.
//!
//! ## Why it happens
//! `iptables`, `ip6tables` or `nft` is not installed (minimal hosts, containers); legacy and nft variants of iptables
//! are mixed and their modules clash; the modules of the running kernel are gone after an update without a reboot;
//! firewalld is not running or was started after libvirt and lacks the zone `libvirt`; an update moved libvirt to
//! nftables, whose accept no longer overrides a drop in ufw's, Docker's or the distribution's tables.
//!
//! ## Confirm
//! `grep firewall_backend /etc/libvirt/network.conf`; `iptables -V`; `nft list ruleset | grep libvirt_network`;
//! `libvirtd --version`; the daemon's journal at `virsh net-start`.
//!
//! ## Refute
//! The network starts, and its rules stand in the place where the host's firewall expects them.
//!
//! ## Fix
//! Install what the backend needs, reboot after a kernel update, or set `firewall_backend = "iptables"` (or
//! `"nftables"`) in network.conf and restart the network daemon. Restart libvirt after firewalld.
//!
//! ## References
//! libvirt `src/network/bridge_driver_conf.c`, `network_nftables.c`, `src/util/virfirewall.c`, `virfirewalld.c`; NEWS of
//! 10.4.0; firewall.html.

use crate::prelude::*;
use vmwright_formats::changes::libvirt_change;

#[path = "messages/libvirt_firewall_backend.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["network", "firewall", "libvirt"],
    rank: Rank::Specific,
    needs: &[Need::File("/etc/libvirt/network.conf")],
    signs: messages::SIGNS,
    words: &[
        "firewall backend",
        "nftables",
        "iptables",
        "after upgrad",
        "after updat",
        "firewalld",
        "ufw",
        "since the update",
    ],
    explains: &[
        "libvirt/default-network-inactive",
        "network/firewall-blocks-dhcp",
        "network/guest-address-missing",
    ],
    tells: "/etc/libvirt/network.conf",
    remedy: "make the backend's program and modules work, or choose the other firewall_backend in network.conf",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::ServiceRestart,
    check,
    ..Rule::NEW
};

/// The program, as people write it.
const LIBVIRT: [&str; 3] = ["libvirt", "Libvirt", "LIBVIRT"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // Since 10.4 the first choice is nftables. A version alone says nothing: a firewall that drops must be seen too.
    let drops = [
        "hook input priority filter; policy drop",
        "nixos-fw",
        "Chain INPUT (policy DROP",
        "Default: deny (incoming)",
        "firewall enabled",
        "hook forward priority filter; policy drop",
        "-P FORWARD DROP",
        "ufw",
        "firewalld",
    ];
    let said = [
        "dhcp",
        "network",
        "no internet",
        "cannot reach the internet",
        "no address",
        "ip address",
        "no ip address",
    ]
    .iter()
    .any(|word| cx.stands(word));
    if said && drops.iter().any(|sign| cx.stands(sign)) {
        for text in cx.texts_with(LIBVIRT) {
            let found = text.lines_with(LIBVIRT).find(|(_, line)| {
                let line = line.to_ascii_lowercase();
                let version = line.split("libvirt").skip(1).any(since_nftables);
                version || line.contains("libvirt_network")
            });
            if let Some((number, _)) = found {
                let quote = text.quote(number);
                draft = draft.because(Strength::Strong, quote, "this libvirt makes its rules with nftables");
                break;
            }
        }
    }
    vec![draft.verdict()]
}

/// Whether a text that follows the word "libvirt" names a version of 10.4 or later: the first word with digits, or
/// one of several versions of a comparison.
fn since_nftables(rest: &str) -> bool {
    let words = rest.split(|letter: char| letter.is_whitespace() || ",;()".contains(letter));
    let versions = words.filter_map(|word| {
        let word = word.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        let mut parts = word.split(|letter: char| !letter.is_ascii_digit()).map(str::parse::<u32>);
        let major = parts.next()?.ok()?;
        // libvirt has been released under 12 until 2026; a bare number may be anything else.
        match parts.next() {
            Some(Ok(minor)) => Some((major, minor)),
            _ => None,
        }
    });
    let Some(change) = libvirt_change("nftables") else { return false };
    versions.take(3).any(|(major, minor)| change.version <= [major, minor] && major < 40)
}
