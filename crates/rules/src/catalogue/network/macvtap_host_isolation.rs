//! # macvtap: host and guest cannot reach each other by design
//!
//! ## What it is
//! A guest on a macvtap (libvirt `<interface type='direct'>`, virt-manager "Macvtap device", Proxmox-like macvlan)
//! sends straight to the physical card. The lower device never loops frames back to the host's own stack, so the
//! guest reaches the whole LAN and the internet, but not its host, and the host not the guest.
//!
//! Heard as: the guest reaches the internet and every other machine, but not the very host that it runs on, its
//! shares or ssh, and the host cannot reach the guest.
//!
//! Known by: guest cannot ping its own host but everybody else can; direct interface, bridge mode macvtap; host to VM
//! unreachable; macvlan.
//!
//! ## Why it happens
//! It is how the driver works: in mode `bridge` the macvtaps of one card see each other, the card's own address
//! is not among them. Mode `vepa` needs a switch that sends frames back out of the port they came from (reflective
//! relay), which common switches do not; `private` lets not even guests talk. Wi-Fi cards refuse foreign MACs at all.
//!
//! ## Confirm
//! `virsh -r dumpxml <vm> | grep -A3 "type='direct'"`; `ip -d link show type macvtap`. Host to guest ping fails, a third
//! machine's ping succeeds.
//!
//! ## Refute
//! Other machines of the LAN do not reach the guest either, or the guest sits on a bridge.
//!
//! ## Fix
//! Put guests on a Linux bridge with the card as its port, or give the guest a second card on an isolated network
//! for host traffic, or give the host a macvlan interface of its own on the same card and move its address there.
//!
//! ## References
//! libvirt formatdomain "Direct attachment to physical interface"; libvirt wiki "Guest can reach outside network, but
//! can't reach host (macvtap)"; Linux `drivers/net/macvlan.c` (`macvlan_queue_xmit`), `ip-link(8)`.

use crate::prelude::*;
use vmwright_formats::{DomainXml, QemuArgs};

/// How users name the two ends, and what does not work between them.
const HOST: [&str; 4] = [" host", "hypervisor", "server itself", "the nas"];
const TALK: [&str; 8] =
    ["reach", " ping", " ssh ", "connect", "communicat", "talk to", "see each other", "access"];

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["network"],
    rank: Rank::Specific,
    signs: &[
        Sign::strong("can't reach host (macvtap)"),
        Sign::support("macvtap").and(&["reach the host"]),
        Sign::support("macvtap").and(&["ping the host"]),
        Sign::support("macvtap").and(&["from the host"]),
        Sign::support("macvlan").and(&["ping the host"]),
        Sign::support("macvlan").and(&["reach the host"]),
        Sign::support("mode vepa"),
        Sign::support("mode='vepa'"),
        Sign::support("macvtap * mode private"),
        Sign::strong("macvtap").said(&[
            "very host",
            "the host it runs on",
            "host that runs it",
            "own host",
            "host itself",
            "from the host",
            "the host cannot",
        ]),
        Sign::support("type=*direct")
            .said(&["very host", "host itself", "from the host", "but not the host", "own host"])
            .or_near(),
    ],
    words: &[
        " host",
        "hypervisor",
        "server itself",
        "the nas",
        "reach",
        " ping",
        " ssh ",
        "connect",
        "communicat",
        "talk to",
        "see each other",
        "access",
    ],
    tells: "virsh -r dumpxml VM",
    remedy: "put the guests on a bridge, or add a second card on an isolated network for traffic with the host",
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let said = |words: &[&str]| words.iter().any(|word| cx.said(word));
    let host = said(&HOST) && said(&TALK);
    for seen in cx.all::<DomainXml>() {
        let interfaces = seen.domains.iter().flat_map(|domain| &domain.devices.interfaces);
        let is =
            |text: &Option<Spanned<String>>, what: &str| text.as_ref().is_some_and(|text| text.value == what);
        let mut direct = interfaces.filter(|card| is(&card.interface_type, "direct"));
        let Some(card) = direct.next() else { continue };
        let reflects = ["passthrough", "bridge"];
        let mode = card.source_mode.as_ref().filter(|mode| !reflects.contains(&mode.value.as_str()));
        let quote = seen.quote(card.line);
        draft = match (host, mode) {
            (true, _) => draft.because(Strength::Strong, quote, "the card is a macvtap"),
            (false, Some(mode)) => draft.because(
                Strength::Support,
                seen.quote(mode.line),
                "guests on one card need a reflective relay",
            ),
            (false, None) => draft.because(Strength::Hint, quote, "the card is a macvtap"),
        };
        return vec![draft.verdict()];
    }
    // A libvirt network of macvtaps, and a command line that is handed one.
    let network = cx.texts_with("<forward ").filter(|_| host).find_map(|text| {
        let forwards = |line: &str| line.contains("'bridge'") || line.contains("\"bridge\"");
        let (number, _) = text.lines_with("<forward ").find(|(_, line)| forwards(line))?;
        text.holds(" dev=").then(|| text.quote(number)).flatten()
    });
    draft = draft.because(Strength::Strong, network, "the network hands out macvtaps");
    if host && !draft.has(Strength::Support) {
        // Notes of the set-up.
        let said = ["macvtap", "macvlan", "direct attachment", "type=direct"];
        let note = cx.texts_of(&["text", "environment"]).find_map(|text| {
            let (number, _) = text.lines_with(said).next()?;
            text.quote(number)
        });
        draft = draft.because(Strength::Strong, note, "the guests are on macvtaps");
    }
    if host {
        let quote = cx.all::<QemuArgs>().iter().find_map(|seen| {
            let found = seen.commands.iter().flat_map(|command| &command.options).find(|one| {
                one.value
                    .as_deref()
                    .is_some_and(|value| value.contains("macvtap") || value.contains("/dev/tap"))
            })?;
            seen.quote(found.value_line)
        });
        draft = draft.because(Strength::Strong, quote, "the card is a macvtap");
    }
    vec![draft.verdict()]
}
