//! The messages of the rule beside: the host does not forward or masquerade the guests' packets.

use crate::prelude::*;

/// Frames are switched there, or Docker decides what is forwarded.
const BRIDGED: &[&str] = &["docker", "bridge", "ip_forward = 1", "ip_forward=1"];

pub(super) const SIGNS: &[Sign] = &[
    Sign::proof("failed to enable IP forwarding"),
    Sign::proof("IPv4 forwarding is disabled"),
    Sign::strong("IPv6 forwarding is disabled"),
    Sign::support("net.ipv4.ip_forward = 0"),
    Sign::support("net.ipv4.ip_forward=0"),
    Sign::strong("/proc/sys/net/ipv4/ip_forward:0"),
    Sign::support("net.ipv6.conf.all.forwarding = 0").unless(&["net.ipv4.ip_forward = 1"]),
    Sign::strong("ip_forward is not enabled"),
    Sign::strong("IP forwarding is not enabled"),
    Sign::strong("IP forwarding is disabled"),
    Sign::support("ERROR FileContent--proc-sys-net-ipv4-ip_forward"),
    Sign::proof("/proc/sys/net/ipv4/ip_forward contents are not set to 1"),
    Sign::strong("networking setup: * ip_forward").unless(&["ip_forward = 1"]),
    Sign::strong("net.ipv4.ip_forward = 1").against(),
    Sign::strong("enabling forwarding without accept_ra set to 2"),
    Sign::strong("Failed adding outbound NAT rules"),
    Sign::support("net.ipv4.conf.all.forwarding = 0"),
    Sign::support("net.ipv4.conf.all.forwarding=0"),
    Sign::support("net.ipv4.conf.default.forwarding = 0"),
    Sign::strong("/proc/sys/net/ipv4/conf/all/forwarding:0"),
    Sign::support("IPForward=no"),
    Sign::support("IPMasquerade=no"),
    Sign::strong("has kernel autoconfigured IPv6 routes and enabling forwarding"),
    Sign::strong("Unable to read {f} for ipv6 forwarding checks"),
    // Where guests are routed and nobody else's rules stand in the way.
    Sign::strong("outbound network connect").unless(BRIDGED),
    Sign::strong("outbound connect").unless(BRIDGED),
    Sign::strong("outbound internet").unless(BRIDGED),
    Sign::strong("no internet").and(&["firecracker"]).unless(BRIDGED),
    Sign::strong("access the internet").and(&["firecracker"]).unless(BRIDGED),
    Sign::strong("reach the internet").and(&["firecracker"]).unless(BRIDGED),
];
