//! The messages of the rule beside: libvirt's firewall backend is not usable or has changed.

use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    // libvirt 1.x to 10.3, then 10.4 and later.
    Sign::proof("Failed to initialize a valid firewall backend"),
    Sign::proof("could not find a usable firewall backend"),
    Sign::proof("requested firewall_backend '{backend}' is not available"),
    Sign::proof("unrecognized firewall_backend"),
    Sign::proof("No firewall backend is available"),
    Sign::proof("Failed to apply firewall rules"),
    Sign::proof("Failed to apply firewall command"),
    Sign::strong("Failed to run firewall command"),
    Sign::strong("direct firewall backend requested, but"),
    Sign::strong("firewalld firewall backend requested, but service is not running"),
    Sign::proof("firewalld is set to use the nftables"),
    Sign::proof("firewalld can't find the 'libvirt' zone"),
    Sign::strong("INVALID_ZONE: libvirt"),
    Sign::strong("zone {zone} requested for network {network} but firewalld is not active"),
    Sign::strong("COMMAND_FAILED: *libvirt"),
    Sign::support("COMMAND_FAILED: '{path}iptables"),
    Sign::strong("firewall_backend = \"nftables\"").and(&["dhcp"]),
    Sign::support("firewall_backend"),
    Sign::support("libvirt_network").and(&["policy drop"]),
    Sign::support("libvirt_network").and(&["nixos-fw"]),
    Sign::support("iptables * can't initialize iptables table").and(&["libvirt"]),
    Sign::support("(do you need to insmod?)").and(&["virsh net-start"]),
    Sign::support("Unable to find 'iptables' in $PATH"),
    Sign::support("iptables: command not found").and(&["libvirt"]),
    Sign::hint("libvirt 10.4"),
    // NixOS.
    Sign::support("firewallBackend = \"nftables\""),
    Sign::strong("firewallBackend = \"nftables\"").and(&["networking.firewall.enable = true"]),
    Sign::strong("Unknown firewall layer"),
    Sign::strong("Unrecognized firewalld backend type"),
    Sign::strong("disabling firewalld support in bridge_network_driver"),
    Sign::strong("Firewall failed to detect any compatible driver"),
];
