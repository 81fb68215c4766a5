//! # MTUs differ along the path
//!
//! ## What it is
//! Each hop must carry the largest frame that the guest sends. Where a bridge, tap, tunnel, VPN or physical card
//! has a smaller MTU than the guest's interface, large frames vanish, while pings and handshakes work.
//!
//! ## Why it happens
//! Jumbo frames were switched on at one end only; the underlay carries VXLAN, GENEVE or WireGuard and has 50 to 80
//! bytes less for the guest (cloud hosts with MTU 1450 or 1460); a Linux bridge takes the smallest MTU of its ports
//! when one joins; ICMP "fragmentation needed" is filtered, so that the sender never learns.
//!
//! ## Confirm
//! `ip link | grep mtu` on host and guest; `ping -M do -s 1472 <peer>` (1472 + 28 bytes = 1500): "Message too long"
//! names the limit, silence means a hop drops it.
//!
//! ## Refute
//! `ping -M do` of full size passes in both directions.
//!
//! ## Fix
//! One MTU for bridge, ports and guests: `<mtu size=.../>` in the interface or network of libvirt, `host_mtu=` of
//! virtio-net; in clouds the underlay's MTU minus the tunnel. Clamping the TCP MSS hides it for TCP only.
//!
//! ## References
//! Linux `net/bridge/br_if.c` (`br_mtu_auto_adjust`), `Documentation/networking/bridge.rst`; libvirt
//! formatdomain "MTU configuration"; RFC 1191, RFC 4821; Open vSwitch FAQ "Jumbo frames".

use crate::prelude::*;
use vmwright_formats::lines::lines;

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["network", "performance"],
    needs: &[Need::Command(&["ip", "-d", "link", "show"])],
    signs: &[
        Sign::strong("Message too long, mtu={mtu}"),
        Sign::strong("Frag needed and DF set"),
        Sign::strong("local error: message too long"),
        Sign::strong("need to frag (mtu {mtu})"),
        Sign::strong("unreachable - need to frag"),
        Sign::strong("Packet too big: mtu={mtu}"),
        Sign::support("ICMP6, packet too big"),
        Sign::strong("dropped over-mtu packet: {size} > {mtu}"),
        Sign::strong("failed to set mtu of device `{tap}' to {mtu}"),
        Sign::strong("Cannot set interface MTU on '{name}': Invalid argument"),
        Sign::strong("Interface {name} MTU ({mtu}) setup error"),
        Sign::support("mtu greater than device maximum"),
        Sign::support("Failed setting tap MTU"),
        Sign::strong("MTU mismatch"),
        Sign::strong("MTU is * than * bridge"),
        Sign::hint("Failed to set MTU"),
    ],
    words: &["large packet", "ssh hangs", "hangs on large", "jumbo", "ping works", "small packets", "tls handshake"],
    tells: "ip -d link show",
    remedy: "give the bridge, its ports and the guests' interfaces the same MTU, not larger than the path's",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let links = links(cx);
    for port in &links {
        let (Some(mtu), Some(master)) = (port.mtu, port.master.as_ref()) else { continue };
        let Some(bridge) = links.iter().find(|one| one.name == *master) else { continue };
        // A port's larger MTU behind a smaller bridge drops what the bridge sends to it in neither case, but
        // guests that use it do lose frames; more than one such port adds nothing.
        if let Some(other) = bridge.mtu.filter(|other| *other != mtu && *master != "ovs-system") {
            draft = draft
                .because(Strength::Hint, port.quote.clone(), "the port has this MTU")
                .because(Strength::Support, bridge.quote.clone(), "its bridge has another")
                .about(Subject::new(SubjectKind::Interface, &port.name))
                .title(format!("{} has MTU {mtu} and its bridge {master} {other}", port.name));
            break;
        }
    }
    vec![draft.verdict()]
}

/// A host's interface as `ip link` or `ip addr` lists it.
pub(crate) struct Link {
    /// Name, without `@lower`.
    pub name: String,
    /// Whether the flag UP is set.
    pub up: bool,
    /// MTU, in bytes.
    pub mtu: Option<u32>,
    /// Bridge or bond.
    pub master: Option<String>,
    /// Whether the line is whole: it has an MTU, so that an absent master is none.
    pub whole: bool,
    /// The line.
    pub quote: Option<Evidence>,
}

/// Interfaces in any text, as `ip link`, `ip addr` and `ip -br link` write them; 1024 at most.
pub(crate) fn links(cx: &Context<'_>) -> Vec<Link> {
    let mut found = Vec::new();
    for text in cx.texts() {
        for (number, line) in lines(&text.text) {
            if found.len() >= 1024 {
                return found;
            }
            let Some((before, rest)) = line.split_once('<') else { continue };
            let Some((flags, after)) = rest.split_once('>') else { continue };
            let words: Vec<&str> = before.split_whitespace().collect();
            let name = match words[..] {
                // `5: tap0@if4: <...> mtu 1500 ... master br0 state UP`
                [.., index, name] if index.strip_suffix(':').is_some_and(|at| at.parse::<u32>().is_ok()) => name,
                // `tap0  UP  fe:54:00:00:00:01 <...>`
                [name, "UP" | "DOWN" | "UNKNOWN" | "LOWERLAYERDOWN", _] => name,
                _ => continue,
            };
            let value = |key: &str| {
                let mut words = after.split_whitespace();
                words.find(|word| *word == key)?;
                words.next()
            };
            let name = name.trim_end_matches(':').split('@').next().unwrap_or(name);
            let mtu = value("mtu").and_then(|mtu| mtu.parse().ok());
            found.push(Link {
                name: name.to_owned(),
                up: flags.split(',').any(|flag| flag == "UP"),
                mtu,
                master: value("master").map(str::to_owned),
                whole: mtu.is_some(),
                quote: text.quote(number),
            });
        }
    }
    found
}
