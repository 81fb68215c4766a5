//! # Open vSwitch's flow tables drop the traffic, or the port carries the wrong VLAN tag
//!
//! ## What it is
//! The port is up and in the bridge, but OVS discards the frames: no flow matches, a flow says drop, or the VLAN tag of the
//! port is not the one of the network.
//!
//! Heard as: only VMs with a VLAN tag or one VM on the bridge has no network or DHCP; wrong tag, trunk or flow.
//!
//! Known by: tag or trunks wrong on port; VLAN mismatch; ofproto/trace says drop; dump-flows n_packets drop; no normal
//! action; fail_mode secure without controller; no traffic between VMs on same switch; one VLAN only; access against
//! trunk; learned MAC on wrong port; OpenFlow controller gone; security group flows; packet counters rise in a drop
//! rule.
//!
//! ## Why it happens
//! `fail_mode: secure` and no controller leaves empty tables; a flow of a controller (Neutron, OVN, ODL) still names an old port
//! number or MAC; the access port has another `tag=`, or a trunk does not list the VLAN; a guest sends tagged frames
//! on an access port; Neutron marks a port that it could not bind with the dead VLAN 4095; `mod-port no-flood`.
//!
//! ## Confirm
//! `ovs-ofctl dump-flows <bridge>` twice: counters of a drop grow; `ovs-appctl ofproto/trace <bridge> in_port=...` ends in
//! `Datapath actions: drop`; `ovs-vsctl --columns=name,tag,trunks,vlan_mode list Port`.
//!
//! ## Refute
//! The trace ends in the expected output port, and `ovs-appctl dpctl/dump-flows` has no `actions:drop` for the guest's MAC.
//!
//! ## Fix
//! Correct the tag (`ovs-vsctl set Port <port> tag=<vlan>`, in libvirt `<vlan><tag id=.../></vlan>`), let the controller
//! bind the port again, or set `fail_mode=standalone` where no controller exists.
//!
//! ## References
//! ovs-ofctl(8), ofproto-dpif "tracing"; Open vSwitch `ofproto/ofproto-dpif-xlate.c` (`input_vid_is_valid`); Neutron
//! "DEAD_VLAN_TAG"; ovs-vswitchd.conf.db(5) "fail_mode", "vlan_mode".

#[path = "state/vlans.rs"]
mod vlans;

use crate::prelude::*;

#[path = "messages/flow_drop.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["network", "ovs"],
    rank: Rank::Specific,
    signs: messages::SIGNS,
    words: &[
        "vlan tag",
        "openvswitch",
        "open vswitch",
        "wrong vlan",
        "reach",
        " ping",
        "connect",
        "receive",
        "flow table",
        "dump-flows",
    ],
    tells: "ovs-ofctl dump-flows BRIDGE",
    remedy: "correct the port's VLAN tag or the flow that drops, and let the controller bind the port again",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // The same card tagged differently in the domain and in the switch's table of ports.
    let tags: Vec<_> = cx
        .all::<vmwright_formats::DomainXml>()
        .iter()
        .flat_map(|seen| {
            let cards = seen.domains.iter().flat_map(|domain| &domain.devices.interfaces);
            let tagged = cards.filter(|card| card.vlans.len() == 1 && card.target.is_some());
            tagged
                .take(256)
                .map(|card| (card.target.clone(), card.vlans[0].clone(), seen.quote(card.vlans[0].line)))
                .collect::<Vec<_>>()
        })
        .collect();
    for text in cx.texts_with("tag: ").filter(|_| !tags.is_empty()) {
        let mut port = String::new();
        for (number, line) in text.lines_with(["Port ", "tag: "]) {
            let line = line.trim();
            if let Some(name) = line.strip_prefix("Port ") {
                name.trim_matches('"').clone_into(&mut port);
            }
            let Some(tag) = line.strip_prefix("tag: ") else { continue };
            let other = tags.iter().find(|(name, vlan, _)| {
                name.as_ref().is_some_and(|name| name.value == port) && vlan.value != tag
            });
            if let Some((_, vlan, quote)) = other {
                let switch = text.quote(number);
                draft = draft
                    .because(Strength::Support, quote.clone(), "the domain asks for this VLAN")
                    .because(Strength::Strong, switch, "the port has another tag")
                    .title(format!("port {port} has VLAN tag {tag}, the domain asks for {}", vlan.value));
                return vec![draft.verdict()];
            }
        }
    }
    let reached = cx.asked(&["reach", " ping", "connect", "receive"]);
    if let Some((port, guest)) = vlans::tagged_twice(cx).filter(|_| reached) {
        draft = draft.because(Strength::Support, port, "the port is an access port of this VLAN").because(
            Strength::Strong,
            guest,
            "the guest tags its frames itself",
        );
    }
    // Two access ports of one bridge with different tags are separate networks.
    if cx.asked(&["reach", " ping", "connect"]) {
        for text in cx.texts_with("tag: ") {
            let mut first: Option<(String, Option<Evidence>)> = None;
            for (number, line) in text.lines_with(["Bridge ", "tag: "]) {
                let line = line.trim();
                if line.starts_with("Bridge ") {
                    first = None;
                }
                let Some(tag) = line.strip_prefix("tag: ") else { continue };
                match &first {
                    Some((other, quote)) if other != tag => {
                        draft = draft
                            .because(Strength::Support, quote.clone(), "one port is in this VLAN")
                            .because(
                                Strength::Hint,
                                text.quote(number),
                                "another port of the bridge is in another VLAN",
                            );
                        return vec![draft.verdict()];
                    }
                    Some(_) => {}
                    None => first = Some((tag.to_owned(), text.quote(number))),
                }
            }
        }
    }
    vec![draft.verdict()]
}
