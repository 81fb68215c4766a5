//! Links, addresses, routes, bridges, firewall rules, Open vSwitch.

use vmwright_model::Need;

pub(super) const NEEDS: &[Need] = &[
    Need::Command(&["bridge", "-d", "link", "show"]),
    Need::Command(&["bridge", "-d", "vlan", "show"]),
    Need::Command(&["ip", "-4", "rule", "list"]),
    Need::Command(&["ip", "-6", "route", "show", "table", "all"]),
    Need::Command(&["ip", "-d", "address"]),
    Need::Command(&["ip", "-s", "-d", "link"]),
    Need::Command(&["ip", "neigh", "show"]),
    Need::Command(&["ip", "route", "show", "table", "all"]),
    Need::Command(&["iptables-legacy-save"]),
    Need::Command(&["iptables-nft-save"]),
    Need::Command(&["nft", "list", "ruleset"]),
    Need::Command(&["ovs-vsctl", "--timeout=5", "list", "interface"]),
    Need::Command(&["ovs-vsctl", "--timeout=5", "show"]),
];
