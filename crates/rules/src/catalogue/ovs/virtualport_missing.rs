//! # An Open vSwitch bridge is used as if it were a Linux bridge
//!
//! ## What it is
//! `bridge` and QEMU's and libvirt's plain bridge code speak to the kernel's bridge with `SIOCBRADDIF`. An Open vSwitch
//! bridge shows up as an interface of the same name but does not know that call: it answers "Operation not supported".
//! A port of Open vSwitch is also no place for a macvtap: it has a master already.
//!
//! Heard as: an Open vSwitch bridge is used like a Linux bridge: operation not supported.
//!
//! Known by: virtualport type openvswitch missing in XML; brctl addif: Operation not supported on ovs-system; Unable to
//! add port vnet to OVS bridge br-ex; can't add to bridge; libvirt interface type bridge with OVS; virtualport element;
//! bridge is not a Linux bridge, RTNETLINK Operation not supported; virt-install --network with virtualport_type.
//!
//! ## Why it happens
//! The domain's `<interface type='bridge'>` (or the libvirt network) names the OVS bridge without
//! `<virtualport type='openvswitch'/>`; a script uses `brctl addif` or `ip link set master`; QEMU's
//! bridge helper is pointed at an OVS bridge; an uplink or internal port of OVS is chosen as source of a `direct`
//! interface.
//!
//! ## Confirm
//! `ovs-vsctl list-br` lists the bridge; `ls -d /sys/class/net/<bridge>/bridge` does not exist;
//! `ethtool -i <bridge>` says `driver: openvswitch`; `virsh -r dumpxml <vm>` shows no virtualport.
//!
//! ## Refute
//! `/sys/class/net/<bridge>/bridge` exists: it is a Linux bridge.
//!
//! ## Fix
//! Add `<virtualport type='openvswitch'/>` to the interface, or to the network with `<forward mode='bridge'/>`. Without
//! libvirt make the tap and `ovs-vsctl add-port <bridge> <tap>`, with `script=no` for QEMU.
//!
//! ## References
//! libvirt formatdomain "virtualport", `src/util/virnetdevbridge.c`, `src/util/virnetdevopenvswitch.c`; Linux
//! `net/openvswitch/vport-internal_dev.c`; Open vSwitch "Libvirt" how-to; QEMU `qemu-bridge-helper.c`.

use crate::prelude::*;
use std::collections::HashSet;
use vmwright_formats::{DomainXml, QemuArgs};

/// A card is named instead of a bridge: network/bridge-missing.
const CARD: &[&str] = &[
    "Unable to add bridge en",
    "Unable to add bridge eth",
    "Unable to add bridge wl",
    "Unable to add bridge bond",
];

pub const RULE: Rule = Rule {
    tags: &["network", "ovs", "boot"],
    rank: Rank::Specific,
    signs: &[
        Sign::proof("Unable to add bridge {bridge} port {tap}: Operation not supported").unless(CARD),
        Sign::proof("failed to add interface `{tap}' to bridge `{bridge}': Operation not supported")
            .unless(&["to bridge `en", "to bridge `eth", "to bridge `wl"]),
        Sign::proof("can't add {tap} to bridge {bridge}: Operation not supported").unless(&["can't add wl"]),
        Sign::strong("failed to get mtu of bridge `{bridge}': Operation not supported"),
        Sign::support("RTNETLINK answers: Operation not supported").and(&["ovs-vsctl"]),
        Sign::support("Error: Device does not support enslaving").and(&["ovs"]),
        Sign::support("Cannot get interface MTU on '{bridge}': Operation not supported"),
        Sign::strong("error creating macvtap interface {tap}*: Device or resource busy").and(&["ovs-"]),
        Sign::strong("error creating macvtap interface {tap}*: Device or resource busy")
            .and(&["openvswitch"]),
        Sign::strong("error creating macvtap interface {tap}*: Device or resource busy")
            .and(&["open vswitch"]),
        Sign::strong("error creating macvlan interface {tap}*: Device or resource busy")
            .and(&["openvswitch"]),
        Sign::strong("Operation not supported").and(&["SIOCBRADDIF"]),
        Sign::hint("driver: openvswitch"),
        Sign::strong("attempt to merge virtualports with mismatched"),
        Sign::strong("port isolated='yes'/> is not supported for network interfaces with virtualport"),
    ],
    words: &["openvswitch", "open vswitch", "ovs bridge", "ovs-vsctl", "ovsbr"],
    tells: "ovs-vsctl show",
    remedy: "give the interface <virtualport type='openvswitch'/>, or add the tap with ovs-vsctl add-port",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let (bridges, ports) = (names(cx, "Bridge "), names(cx, "Port "));
    for seen in cx.all::<DomainXml>() {
        for card in seen.domains.iter().flat_map(|domain| &domain.devices.interfaces) {
            let (Some(source), Some(kind)) = (&card.source, &card.interface_type) else { continue };
            let what = match kind.value.as_str() {
                "bridge" if card.virtualport.is_none() && bridges.contains(&source.value) => {
                    "the interface names an Open vSwitch bridge and has no virtualport"
                }
                "direct" if ports.contains(&source.value) || bridges.contains(&source.value) => {
                    "the macvtap's source is a port of Open vSwitch"
                }
                _ => continue,
            };
            let line = if source.line == 0 { card.line } else { source.line };
            draft = draft
                .because(Strength::Strong, seen.quote(line), what)
                .because(Strength::Support, listed(cx, &source.value), "Open vSwitch lists it")
                .about(Subject::new(SubjectKind::Interface, &source.value));
            return vec![draft.verdict()];
        }
    }
    for seen in cx.all::<QemuArgs>() {
        let mut nets = seen.options("netdev").chain(seen.options("nic"));
        let found = nets.find(|one| one.opts().get("br").is_some_and(|bridge| bridges.contains(bridge)));
        if let Some(found) = found {
            draft = draft.because(
                Strength::Strong,
                seen.quote(found.value_line),
                "the bridge helper gets an Open vSwitch bridge",
            );
            break;
        }
    }
    // What Open vSwitch lists was read: that no interface needs it is an answer.
    vec![if bridges.is_empty() { draft } else { draft.looked() }.verdict()]
}

/// Names after a keyword of `ovs-vsctl show`, with or without quotes.
pub(crate) fn names(cx: &Context<'_>, key: &str) -> HashSet<String> {
    let names = cx
        .lines_with(key)
        .filter_map(|(_, _, line)| line.trim_start().strip_prefix(key))
        .map(|name| name.trim().trim_matches('"'));
    names.filter(|name| !name.is_empty() && !name.contains(' ')).take(4096).map(str::to_owned).collect()
}

/// The line of `ovs-vsctl show` that lists a bridge or port.
fn listed(cx: &Context<'_>, name: &str) -> Option<Evidence> {
    let mut lines = cx.lines_with(["Bridge", "Port"]);
    lines.find_map(|(text, number, line)| {
        let mut words = line.split_whitespace();
        let named = matches!(words.next(), Some("Bridge" | "Port"))
            && words.next().is_some_and(|word| word.trim_matches('"') == name);
        if named { text.quote(number) } else { None }
    })
}
