//! # The Open vSwitch bridge or port does not exist, or is in error
//!
//! ## What it is
//! The VM's port could not be added to an OVS bridge, because OVS knows no such bridge, or because its daemon could not open
//! the network device behind the port and marked the port with an error.
//!
//! Heard as: the Open vSwitch bridge of the definition does not exist since the switch was rebuilt or renamed.
//!
//! Known by: ovs-vsctl: no bridge named; could not open network device (No such device) in ovs-vsctl show; port error;
//! br-int absent; failed to add port; del-br by somebody; port shows error in show; interface ofport -1; patch port
//! peer missing; integration bridge not created; recreated after reboot.
//!
//! ## Why it happens
//! The bridge was never made or the database was emptied (`conf.db` lost, container restarted); the name in the domain or
//! Neutron differs; a stale port of an ended VM remains with "No such device"; a leftover interface has the
//! bridge's or internal port's name ("File exists"); the device is already a port elsewhere ("Device or resource busy");
//! the kernel module `openvswitch` is not loaded; a DPDK port on a bridge without `datapath_type=netdev` ("Invalid argument").
//!
//! ## Confirm
//! `ovs-vsctl show` lists bridges, ports and `error:` lines; `ovs-vsctl list-br`; `ip -br link show <port>`.
//!
//! ## Refute
//! The bridge is listed, the port has an ofport above 0 (`ovs-vsctl get Interface <port> ofport`) and no error.
//!
//! ## Fix
//! `ovs-vsctl --may-exist add-br <bridge>`; remove stale ports (`ovs-vsctl --if-exists del-port <port>`); delete the leftover
//! device that has the name; start the agent that owns the ports.
//!
//! ## References
//! Open vSwitch `vswitchd/bridge.c` (`iface_do_create`), `utilities/ovs-vsctl.c` (`check_conflicts`, `find_bridge`),
//! ovs-vswitchd.conf.db(5); libvirt `src/util/virnetdevopenvswitch.c`.

use crate::prelude::*;
use vmwright_formats::DomainXml;

pub const RULE: Rule = Rule {
    tags: &["network", "ovs", "boot"],
    rank: Rank::Specific,
    signs: &[
        Sign::proof("no bridge named {bridge}"),
        Sign::proof("no port named {port}"),
        Sign::proof("no interface named {port}").and(&["ovs-vsctl"]),
        Sign::strong("no row \"{name}\" in table"),
        Sign::proof("Error detected while setting up '{port}'"),
        Sign::strong("could not open network device {port} (No such device)"),
        Sign::strong("could not open network device"),
        Sign::proof("could not add network device {port} to ofproto"),
        Sign::strong("{bridge} is not a bridge or a socket"),
        Sign::strong("cannot create a port named {port} because a port named"),
        Sign::strong("cannot create a bridge named {bridge} because a port named"),
        Sign::strong("cannot create a port named {port} because a bridge named"),
        Sign::strong("failed to create bridge {bridge}: ").and(&["ovs"]),
        Sign::strong("failed to add {port} as port: "),
        Sign::strong("datapath type {type} is not supported").and(&["ovs"]),
        Sign::support("Unable to add port {port} to OVS bridge {bridge}")
            .unless(&["database connection failed", "db.sock"]),
        Sign::support("Unable to delete port {port} from OVS"),
        Sign::strong("Bridge {bridge} for physical network {net} does not exist"),
        Sign::support("Module openvswitch not found"),
        Sign::hint("binding:vif_type*binding_failed"),
        Sign::strong("Operation not supported").and(&["Unable to add bridge"]).against(),
        Sign::strong("Unable to run command to get OVS master for interface"),
        Sign::strong("Unable to set vlan configuration on port"),
        Sign::strong("Unable to run command to set OVS port data for interface"),
        Sign::strong("Unable to run command to get OVS port data for interface"),
        Sign::strong("Unable to remove port qos on port"),
        Sign::strong("Unable to set queue configuration on port"),
        Sign::strong("Timeout waiting for [('network-vif-plugged'"),
        Sign::strong("vif_plugging_timeout"),
        Sign::strong("could not open netdev {n} type"),
        Sign::strong("could not create netdev {n} of unknown type"),
        Sign::strong("is missing 'options:dpdk-devargs'"),
        Sign::strong("Device '{d}' not found in DPDK"),
        Sign::strong("Error attaching device '{d}'"),
        Sign::strong("port {p} already has an OpenFlow port number"),
        Sign::strong("because netdev {n} cannot be opened"),
        Sign::strong("could not set configuration ("),
        Sign::strong("datapath {d} already exists but cannot be opened"),
        Sign::strong("cannot create port '{p}' because it has unsupported type"),
        Sign::strong("requested port {p} is in use"),
        Sign::strong("Linux forbids network device with this name"),
        Sign::strong("No usable peer '{p}' exists in"),
        Sign::strong("ignoring duplicate device {d} in datapath"),
        Sign::strong("failed to create datapath"),
        Sign::strong("failed to open datapath of type"),
        Sign::strong("could not create datapath {d} of unknown type"),
        Sign::strong("creating tap device failed ("),
        Sign::strong("cannot add a loopback device"),
    ],
    words: &["ovs bridge", "ovs-vsctl", "openvswitch", "open vswitch", "br-int", "ovs port"],
    tells: "ovs-vsctl show",
    remedy: "make the Open vSwitch bridge, or remove the port that is in error and let its owner add it again",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    // A listing that came to its end, which is the version: it may list no bridge at all.
    let complete = cx.texts_with("ovs_version: ").next().is_some();
    let bridges = super::virtualport_missing::names(cx, "Bridge ");
    if bridges.is_empty() && !complete {
        return vec![cx.draft().verdict()];
    }
    for seen in cx.all::<DomainXml>() {
        for domain in &seen.domains {
            for card in &domain.devices.interfaces {
                let ovs = card.virtualport.as_ref().is_some_and(|port| port.value == "openvswitch");
                let bridge = card.interface_type.as_ref().is_some_and(|kind| kind.value == "bridge");
                let Some(source) =
                    card.source.as_ref().filter(|source| ovs && bridge && !bridges.contains(&source.value))
                else {
                    continue;
                };
                let bridge = &source.value;
                let draft = cx
                    .draft()
                    .because(
                        Strength::Strong,
                        seen.quote(source.line),
                        "Open vSwitch does not list this bridge",
                    )
                    .about(Subject::new(SubjectKind::Interface, bridge))
                    .title(format!("Open vSwitch has no bridge {bridge}"));
                if !complete {
                    return vec![draft.verdict()];
                }
                return vec![
                    draft
                        .remedy(format!(
                            "make the bridge {bridge} in Open vSwitch; it reaches out once a card of the host is its port"
                        ))
                        .action(Action::OvsBridgeAdd { bridge: bridge.clone() })
                        .verdict(),
                ];
            }
        }
    }
    vec![cx.draft().verdict()]
}
