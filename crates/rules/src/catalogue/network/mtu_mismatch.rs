//! # MTUs differ along the path
//!
//! ## What it is
//! Each hop must carry the largest frame that the guest sends. Where a bridge, tap, tunnel, VPN or physical card
//! has a smaller MTU than the guest's interface, large frames vanish, while pings and handshakes work.
//!
//! Heard as: ping and small requests work, large downloads, TLS, ssh or apt stall or hang half way; jumbo frames,
//! tunnel, VXLAN, VPN.
//!
//! Known by: ssh hangs after login, small pings pass and large do not; jumbo frames, VXLAN, WireGuard or VPN overhead;
//! TLS handshake stalls; fragmentation needed; mtu 9000 against 1500.
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
use vmwright_formats::IpAddr;

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["network", "performance"],
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
        Sign::support("fragmentation needed"),
        Sign::hint("TLS handshake timeout"),
        Sign::strong("is bigger than the bridge MTU"),
        Sign::strong("Failed setting MTU "),
        Sign::strong("larger than the bridge MTU"),
        Sign::support("mtu must be less than or equal"),
        Sign::strong("netdev {n}: MTU"),
        Sign::strong("is smaller than the IP minimum MTU"),
        Sign::strong("MTU not supported by the backend"),
        Sign::strong("Too big size {n} max_packet_len"),
        Sign::strong("dropping oversized"),
        // What a complaint says of it.
        Sign::strong("large packets * dropped"),
        Sign::strong("large packets * lost"),
        Sign::strong("large packets * disappear"),
    ],
    words: &[
        "large",
        "small",
        "stall",
        " hang",
        "large packet",
        "large transfer",
        "ssh hangs",
        "hangs on large",
        "jumbo",
        "ping works",
        "small packets",
        "tls handshake",
        "freez",
        "stuck",
        "big packet",
        "bulk",
        "image pull",
        "overlay",
    ],
    tells: "ip -d link show",
    remedy: "give the bridge, its ports and the guests' interfaces the same MTU, not larger than the path's",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let said = cx.asked(RULE.words);
    if let Some((one, other)) = unequal(cx).filter(|_| said) {
        draft = draft.because(Strength::Support, one, "an interface has this MTU").because(
            Strength::Support,
            other,
            "another on the way has a smaller or larger one",
        );
    }
    for seen in cx.all::<IpAddr>() {
        draft = draft.looked();
        let unequal = seen.links.iter().find_map(|port| {
            let bridge = seen.get(port.master.as_deref()?)?;
            // Open vSwitch's ports have one master in common, which is no bridge.
            (port.mtu != bridge.mtu && bridge.name != "ovs-system").then_some((
                port,
                bridge,
                port.mtu?,
                bridge.mtu?,
            ))
        });
        if let Some((port, bridge, mtu, other)) = unequal {
            draft = draft
                .because(Strength::Hint, seen.quote(port.line), "the port has this MTU")
                .because(Strength::Support, seen.quote(bridge.line), "its bridge has another")
                .about(Subject::new(SubjectKind::Interface, &port.name))
                .title(format!("{} has MTU {mtu} and its bridge {} {other}", port.name, bridge.name));
            break;
        }
    }
    vec![draft.verdict()]
}

/// The lines of two MTUs that differ, in any text; the loopback's is of no interest.
fn unequal(cx: &Context<'_>) -> Option<(Option<Evidence>, Option<Evidence>)> {
    let mut first: Option<(u32, Option<Evidence>)> = None;
    for (text, number, line) in cx.lines_with(["mtu", "MTU"]) {
        // One line of notes may name both ends.
        for rest in line.split("mtu").skip(1).chain(line.split("MTU").skip(1)) {
            let digits = rest.trim_start_matches([' ', '=', ':', '\'', '"']);
            let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
            let mtu = digits[..end].parse().ok().filter(|mtu| (576..65_536).contains(mtu));
            match (mtu, &first) {
                (Some(mtu), Some((other, quote))) if *other != mtu => {
                    return Some((quote.clone(), text.quote(number)));
                }
                (Some(mtu), None) => first = Some((mtu, text.quote(number))),
                _ => {}
            }
        }
    }
    None
}
