//! # The bridge or interface that the VM is plugged into does not exist
//!
//! ## What it is
//! The VM's configuration names a bridge (or a host interface for macvtap) that this host does not have.
//!
//! Heard as: the bridge of the configuration does not exist on this host or on the target of a migration.
//!
//! Known by: Cannot get interface MTU on 'br0': No such device; bridge does not exist; could not get link; vmbr0 gone
//! after renaming; ifup failed; VM start says no device; host bridge not up at boot, named otherwise; typo; interface
//! virbr or br-lan absent; netplan, NetworkManager did not make it.
//!
//! ## Why it happens
//! The network that makes the bridge was not started, the bridge was made by hand and did not survive a reboot,
//! the definition came from another host, or the interface was renamed. Or a card is named where a bridge is needed
//! ("Operation not supported").
//!
//! ## Confirm
//! `ip -br link show type bridge`; for libvirt `virsh -r net-list --all` and the `bridge name=` of its networks.
//!
//! ## Refute
//! `ip link show <name>` finds it; then look whether it is up and whether it is an Open vSwitch bridge.
//!
//! ## Fix
//! Make the bridge (and make it persistent with the host's network manager), start the network that owns it, or
//! name one that exists.
//!
//! ## References
//! libvirt `src/util/virnetdevtap.c`, `src/util/virnetdev.c`; QEMU `qemu-bridge-helper.c`, `net/tap.c`;
//! `bridge(8)`.

use crate::prelude::*;
use vmwright_formats::{DomainXml, Interfaces, MachineSpecView};

pub const RULE: Rule = Rule {
    tags: &["network", "boot"],
    needs: &[
        Need::Probe(Probe::Interfaces),
        Need::Probe(Probe::Machine),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
    ],
    signs: &[
        Sign::proof("Cannot get interface MTU on '{bridge}': No such device"),
        Sign::proof("no bridge `{bridge}` on this host"),
        Sign::proof("failed to get mtu of bridge `{bridge}': No such device"),
        Sign::proof("failed to add interface `{tap}' to bridge `{bridge}': No such device"),
        Sign::proof("Unable to add bridge {bridge} port {tap}: No such device"),
        Sign::proof("bridge {bridge}: No such device"),
        Sign::strong("bridge {bridge} does not exist"),
        Sign::strong("bridge '{bridge}' does not exist"),
        Sign::strong("Cannot find bridge"),
        Sign::support("Device \"{bridge}\" does not exist"),
        Sign::support("Cannot find device \"{bridge}\""),
        Sign::support("Unable to get index for interface {name}: No such device"),
        // libvirt's other calls on an interface that is not there, Incus, CNI and Proxmox.
        Sign::strong("Cannot get interface flags on '{bridge}': No such device"),
        Sign::strong("Cannot get interface MAC on '{bridge}': No such device"),
        Sign::strong("Unable to get bridge {bridge} "),
        Sign::strong("error creating macvtap interface {tap}: No such device"),
        Sign::strong("Parent device \"{bridge}\" doesn't exist"),
        Sign::strong("Parent device '{bridge}' doesn't exist"),
        Sign::support("Link not found").and(&["bridge"]),
        Sign::strong("failed to lookup bridge"),
        Sign::strong("failed to lookup \"{bridge}\": Link not found"),
        Sign::strong("couldn't find bridge"),
        Sign::strong("Bridge {bridge} not found"),
        Sign::strong("bridge interface {bridge} not found"),
        // Go's net package, as in Packer, minikube and machine drivers.
        Sign::strong("Error getting the bridge {bridge} interface"),
        Sign::strong("route ip+net: no such network interface"),
        Sign::strong("Network interface '{name}' does not exist inside the container"),
        // A card is named where a bridge is needed.
        Sign::strong("Unable to add bridge en{card} port {tap}: Operation not supported"),
        Sign::strong("Unable to add bridge eth{card} port {tap}: Operation not supported"),
        Sign::strong("Unable to add bridge wl{card} port {tap}: Operation not supported"),
        Sign::strong("Unable to add bridge bond{card} port {tap}: Operation not supported"),
        Sign::strong("no bridge configured").and(&["net"]),
        Sign::strong("has no bridge name defined"),
        Sign::strong("does not have a bridge name."),
        Sign::strong("Missing bridge name"),
        Sign::strong("bridge {b} doesn't exist"),
        Sign::strong("target managed='no' but specified dev doesn't exist"),
        Sign::strong("does not have dev='{d}'"),
        Sign::strong("doesn't have dev='{d}' in use"),
        Sign::strong("couldn't get physical device for"),
        Sign::strong("unknown interface {i}").and(&["dnsmasq"]),
        Sign::strong("warning: interface {i} does not currently exist"),
        Sign::support("Invalid interface name (does it exist?)"),
        Sign::strong("network interface not found").and(&["flintlock"]),
        Sign::strong("failed to add interface `{tap}' to bridge `en{card}': Operation not supported"),
        Sign::strong("failed to add interface `{tap}' to bridge `eth{card}': Operation not supported"),
        Sign::strong("failed to add interface `{tap}' to bridge `wl{card}': Operation not supported"),
    ],
    words: &["bridge", "network"],
    explains: &["migration/target-lacks-device"],
    tells: "ip -br link",
    remedy: "make the bridge, start the network that owns it, or name one that exists",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::None,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let Some(interfaces) = cx.one::<Interfaces>() else { return vec![cx.draft().verdict()] };
    let Some(spec) = cx.one::<MachineSpecView>() else { return of_domains(cx, &interfaces) };
    let Some(machine) = &spec.spec else { return vec![cx.draft().verdict()] };
    let mut verdicts = Vec::new();
    for (at, network) in machine.networks.iter().enumerate() {
        let Some(bridge) = &network.bridge else { continue };
        if interfaces.get(bridge).is_some() {
            continue;
        }
        let line = spec.line_of(&format!("network.{at}.bridge"));
        let draft = cx
            .draft()
            .because(
                Strength::Proof,
                line.and_then(|line| spec.quote(line)),
                "the interface list of this host lacks it",
            )
            .about(Subject::new(SubjectKind::Interface, bridge))
            .title(format!("bridge {bridge} does not exist on this host"))
            .remedy(format!("make the bridge {bridge} and bring it up"))
            .action(Action::BridgeAdd { name: bridge.clone(), address: network.host_address.clone() });
        verdicts.push(draft.verdict());
    }
    if verdicts.is_empty() {
        // The log may tell of an earlier start: the interfaces of now decide.
        verdicts.extend(if machine.networks.is_empty() {
            cx.not_applicable("the VM has no network")
        } else {
            cx.quiet()
        });
    }
    verdicts
}

/// Bridges that domains of libvirt's name and that are not there. One of Open vSwitch's is another rule's.
fn of_domains(cx: &Context<'_>, interfaces: &Interfaces) -> Vec<Verdict> {
    let draft = cx.draft();
    let mut looked = false;
    for seen in cx.all::<DomainXml>() {
        for domain in &seen.domains {
            for card in &domain.devices.interfaces {
                let plain = card.interface_type.as_ref().is_some_and(|kind| kind.value == "bridge");
                let Some(bridge) = card.source.as_ref().filter(|_| plain && card.virtualport.is_none())
                else {
                    continue;
                };
                looked = true;
                if interfaces.get(&bridge.value).is_some() {
                    continue;
                }
                let said = draft.any();
                let draft = draft
                    .because(
                        Strength::Strong,
                        seen.quote(bridge.line),
                        "the interface list of this host lacks it",
                    )
                    .about(Subject::new(SubjectKind::Interface, &bridge.value))
                    .title(format!("bridge {} does not exist on this host", bridge.value))
                    .remedy(format!(
                        "make the bridge {} and bring it up; it reaches out once a card of the host is its port",
                        bridge.value
                    ))
                    .action(Action::BridgeAdd { name: bridge.value.clone(), address: None });
                // Of a VM that nobody misses it is only worth knowing.
                return vec![
                    if said || cx.vm().is_some() { draft } else { draft.level(Level::Warn) }.verdict(),
                ];
            }
        }
    }
    vec![if looked { draft.looked() } else { draft }.verdict()]
}
