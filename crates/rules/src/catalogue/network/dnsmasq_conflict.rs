//! # libvirt's dnsmasq cannot bind: another DNS or DHCP server has the address
//!
//! ## What it is
//! Each libvirt network starts a dnsmasq of its own on the bridge's address, ports 53 and 67. If another server
//! already listens there, or on all addresses (0.0.0.0:53), dnsmasq ends and the network does not start. Seen from the
//! other side, libvirt's dnsmasq keeps the other server (Pi-hole, AdGuard, BIND, a container) from its port.
//!
//! Heard as: the network does not start since another DNS server, Pi-hole or dnsmasq listens on port 53.
//!
//! Known by: failed to create listening socket for 192.168.122.1: Address already in use; port 53 taken by bind, named,
//! systemd-resolved or another dnsmasq; DHCP server port 67.
//!
//! ## Why it happens
//! A system-wide dnsmasq without `bind-interfaces`/`bind-dynamic`; BIND, unbound or Pi-hole on the wildcard address, in
//! a container with host network or a published port 53; NetworkManager's dnsmasq; a dnsmasq left over from an earlier
//! start of the same network; LXD, Vagrant or a second libvirt with the same subnet.
//!
//! ## Confirm
//! `ss -lntup 'sport = :53 or sport = :67'` names the process; `ps -C dnsmasq -o pid,args`.
//!
//! ## Refute
//! Nothing else listens on port 53 or 67 of that address, and the error names another cause.
//!
//! ## Fix
//! Give the other server a list of addresses (`listen-address=`, `bind-interfaces`, `listen-on`,
//! a published port with an address), or switch DNS off in the libvirt network (`<dns enable='no'/>`); disable a
//! system dnsmasq that nobody needs; end the left-over one.
//!
//! ## References
//! dnsmasq(8), `src/network.c`, `src/dhcp.c`; libvirt `src/network/bridge_driver.c`, `networkStartDhcpDaemon`; libvirt
//! wiki "Libvirtd and dnsmasq".

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["network", "dns"],
    rank: Rank::Specific,
    signs: &[
        Sign::proof("failed to create listening socket for {address}: Address already in use"),
        Sign::proof("failed to create listening socket for port 53: Address already in use"),
        Sign::proof("failed to create listening socket for {address}: address in use"),
        Sign::proof("failed to create listening socket for {address}: Cannot assign requested address"),
        Sign::proof("failed to bind DHCP server socket"),
        Sign::proof("failed to bind DHCPv6 server socket"),
        Sign::proof("failed to bind listening socket for {address}: Address already in use"),
        Sign::proof("dnsmasq * failed to bind"),
        // The other server's view.
        Sign::strong("listen tcp4 0.0.0.0:53: bind: address already in use"),
        Sign::strong("listen udp4 0.0.0.0:53: bind: address already in use"),
        Sign::strong("0.0.0.0:53: bind: address already in use"),
        Sign::support("0.0.0.0:53 failed: port is already allocated"),
        Sign::strong("{address}:53: bind: address already in use"),
        Sign::strong("could not listen on UDP socket: address in use"),
        Sign::strong("listen on {address}#53 failed: address in use"),
        Sign::support("address already in use").and(&["dnsmasq"]),
        Sign::strong("can't bind socket: Address already in use * port 53"),
        Sign::support("192.168.122.1:53 ").and(&["0.0.0.0:53"]),
        Sign::hint("0.0.0.0:53 "),
        Sign::strong("Multiple IPv4 dhcp sections found"),
        Sign::strong("For IPv4, multiple DHCP definitions cannot be specified"),
        Sign::strong("The DNS and DHCP service exited prematurely"),
        Sign::strong("exited prematurely").and(&["dnsmasq"]),
        Sign::strong("failed to create listening socket for"),
        Sign::strong("failed to bind DHCP server socket"),
        Sign::strong("error binding DHCP socket to device"),
        Sign::strong("failed to set SO_BINDTODEVICE on DHCP socket"),
        Sign::strong("failed to set SO_REUSE"),
        Sign::strong("cannot set --bind-interfaces and --bind-dynamic"),
        Sign::strong("LOUD WARNING: listening on {a} may accept requests via interfaces other than"),
    ],
    words: &["dnsmasq", "port 53", "pihole", "pi-hole", "adguard", "dns server", "bind9", "named"],
    explains: &["libvirt/default-network-inactive"],
    tells: "ss -lntup",
    remedy: "bind the other DNS server to its own addresses, or switch off DNS in the libvirt network",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::ServiceRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // `ss -lntup`: a server on the wildcard address that is not libvirt's own.
    for (text, number, line) in cx.lines_with("users:((\"") {
        let listens = line.contains("0.0.0.0:53 ") || line.contains("*:53 ") || line.contains("[::]:53 ");
        let users = line.split_once("users:((\"").map(|(_, rest)| rest);
        let name = users.and_then(|rest| rest.split('"').next());
        if let Some(name) = name.filter(|_| listens) {
            let quote = text.quote(number);
            draft = draft.because(Strength::Support, quote, "a server listens on port 53 of every address");
            return vec![
                draft.title(format!("{name} holds port 53 of every address, dnsmasq cannot bind")).verdict(),
            ];
        }
    }
    vec![draft.verdict()]
}
