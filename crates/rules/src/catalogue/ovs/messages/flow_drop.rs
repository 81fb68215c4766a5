//! The messages of the rule beside: open vSwitch's flow tables drop the traffic, or the port carries the wrong VLAN tag.

use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    Sign::proof("packet received on port {port} configured as VLAN"),
    Sign::proof("packet received on port {port} not suitable"),
    Sign::proof("dropping VLAN {vlan} packet received on port"),
    Sign::proof("dropping packet received on port {port} with"),
    Sign::strong("Datapath actions: drop"),
    Sign::strong("tag: 4095"),
    Sign::strong("tag=4095"),
    Sign::support("actions=drop"),
    Sign::support("actions:drop"),
    Sign::strong("n_packets={count}, * actions=drop").unless(&["n_packets=0, "]),
    Sign::support("fail_mode: secure").and(&["is_connected: false"]),
    Sign::strong("fail_mode: secure").unless(&["is_connected: true", "actions=", "Controller"]),
    Sign::hint("fail_mode: secure"),
    Sign::support("drop_action"),
    Sign::support("No match, drop").unless(&["output:"]),
    Sign::strong("NXST_FLOW reply (xid=0x4):").unless(&["cookie="]),
    Sign::support("Can't be dead vlan"),
    Sign::strong("could not open network device").against(),
    Sign::strong("lost packet on handler"),
    Sign::strong("lost packet on port channel"),
    Sign::strong("Packet dropped. Max recirculation depth exceeded"),
    Sign::strong("an excessive number of rules"),
    Sign::strong("failed to put{x} flow: in_port is not an exact match"),
    Sign::strong("your kernel module may be out of date"),
    Sign::support("recursion limit reached on datapath"),
];
