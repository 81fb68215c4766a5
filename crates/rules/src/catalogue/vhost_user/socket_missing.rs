//! # The vhost-user socket does not exist, or client and server sides are swapped
//!
//! ## What it is
//! QEMU (or Cloud Hypervisor) and the backend meet at a UNIX socket: one listens, the other connects. If the listener is not
//! there yet, has gone, or both sides do the same, the VM does not start or waits for ever.
//!
//! Heard as: the socket does not exist since the switch or backend was restarted; client and server sides.
//!
//! Known by: Failed to connect to vhost-user socket: Connection refused or No such file; server mode, reconnect;
//! dpdkvhostuserclient; path in /var/run/openvswitch; order of starting.
//!
//! ## Why it happens
//! The switch, SPDK or DPDK application is not running or makes the socket later or elsewhere; its directory differs in the
//! container; both are clients, or both servers (OVS `dpdkvhostuser` makes the socket, `dpdkvhostuserclient` waits for
//! QEMU with `mode='server'`); a backend that crashed left a dead socket ("Connection refused"); one backend socket
//! serves a single connection and is taken.
//!
//! ## Confirm
//! `ls -l <socket>`; `ss -xlp | grep <socket>` names the listener; compare `mode=` in the domain with the type of the
//! switch's port.
//!
//! ## Refute
//! `ss -xlp` shows the backend listening on exactly that path, in the same mount namespace.
//!
//! ## Fix
//! Start the backend first, or let QEMU be the server (`mode='server'`, `server=on`) with a client port, which also survives a
//! restart of the backend (`reconnect=`); remove a dead socket.
//!
//! ## References
//! QEMU `docs/interop/vhost-user.rst`, `util/qemu-sockets.c` (`unix_connect_saddr`), `chardev/char-socket.c`; libvirt
//! formatdomain "vhost-user interface"; Open vSwitch "DPDK vHost User Ports".

use crate::prelude::*;

const OTHER: &[&str] = &["virtiofs", "vhost-user-fs", "virtiofsd"];

pub const RULE: Rule = Rule {
    tags: &["network", "storage", "boot"],
    rank: Rank::Specific,
    signs: &[
        Sign::proof("Failed to connect to '{path}vhost{rest}': No such file or directory").unless(OTHER),
        Sign::proof("Failed to connect to '{path}vhu{rest}': No such file or directory"),
        Sign::proof("Failed to connect socket {path}vhost{rest}: No such file or directory").unless(OTHER),
        Sign::proof("Failed to connect socket {path}vhu{rest}: No such file or directory"),
        Sign::strong("Failed to connect to '{path}': No such file or directory")
            .and(&["vhost-user"])
            .unless(OTHER),
        Sign::strong("Failed to connect to '{path}': No such file or directory")
            .and(&["vhostuser"])
            .unless(OTHER),
        Sign::strong("Failed to connect to '{path}': Connection refused").and(&["vhost-user"]).unless(OTHER),
        Sign::strong("Failed to connect to '{path}': Connection refused").and(&["vhostuser"]).unless(OTHER),
        Sign::strong("Failed to connect socket*No such file or directory").and(&["vhost-user"]).unless(OTHER),
        Sign::strong("Failed to connect socket*No such file or directory").and(&["vhostuser"]).unless(OTHER),
        Sign::strong("Failed to connect socket*Connection refused").and(&["vhost-user"]).unless(OTHER),
        Sign::strong("Failed to connect socket*Connection refused").and(&["vhostuser"]).unless(OTHER),
        Sign::strong("QEMU waiting for connection on: *unix:{path}").and(&["vhost-user"]).unless(OTHER),
        Sign::strong("QEMU waiting for connection on: *unix:{path}").and(&["vhostuser"]).unless(OTHER),
        Sign::support("QEMU waiting for connection on: *unix:{path}vh"),
        // Backends: DPDK, SPDK.
        Sign::strong("VHOST_CONFIG: *failed to connect to {path}: No such file"),
        Sign::strong("VHOST_CONFIG: *failed to connect: No such file"),
        Sign::support("VHOST_CONFIG: *{path}: reconnecting..."),
        Sign::strong("VHOST_CONFIG: *failed to bind*Address already in use"),
        Sign::strong("VHOST_CONFIG: *failed to bind*remove it and try again"),
        Sign::strong("VHOST_CONFIG: *socket bind failed"),
        Sign::strong("virtio_user: * connect error"),
        Sign::strong("virtio_user_dev_init*connect"),
        Sign::strong("No socket provided when using vhost-user"),
        Sign::strong("VhostUserConnect").unless(OTHER),
        Sign::strong("Connection to socket failed").and(&["vhost"]).unless(OTHER),
        Sign::strong("cannot stat * socket").and(&["vhostuser"]),
        Sign::support("chardev \"{name}\" is not reconnectable"),
        Sign::strong("vhost_common_construct failed for vhost user"),
        Sign::strong("rte_vhost_driver_start failed"),
        Sign::strong("Connection on socket '{s}' closed during initialization"),
        Sign::strong("vHost Device '{d}' can't be added - name not found"),
        Sign::strong("vHost User device '{d}' created in 'client' mode"),
        Sign::strong("Unable to unregister vhost driver for socket"),
        Sign::strong("VHOST_CONFIG: *failed to connect: Connection refused"),
        Sign::support("VHOST_CONFIG: *reconnecting"),
        Sign::strong("Timed out waiting for vhost-user connection"),
        Sign::support("Failed connecting to vhost-user backend for socket"),
        Sign::support("Failed binding vhost-user socket"),
        Sign::support("VhostUserProtocol(SocketConnect(").unless(&["virtiofs"]),
        Sign::support("Failed connecting the backend after trying for 1 minute").unless(&["virtiofs"]),
    ],
    words: &["vhost-user", "vhostuser", "socket", "dpdkvhostuser", "spdk vhost"],
    tells: "ss -xlp",
    remedy: "start the backend so that it listens on that socket, or let exactly one side be the server",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // The two kinds of ports of OVS-DPDK against the domain's side.
    let server_port = port(cx, "dpdkvhostuser");
    let client_port = port(cx, "dpdkvhostuserclient");
    for seen in cx.all::<vmwright_formats::DomainXml>() {
        for card in seen.domains.iter().flat_map(|domain| &domain.devices.interfaces) {
            let user = card.interface_type.as_ref().is_some_and(|kind| kind.value == "vhostuser");
            let Some(mode) = card.source_mode.as_ref().filter(|_| user) else { continue };
            let clash = match mode.value.as_str() {
                "server" if client_port.is_none() => server_port.clone(),
                "client" if server_port.is_none() => client_port.clone(),
                _ => None,
            };
            if clash.is_some() {
                draft = draft
                    .because(Strength::Strong, seen.quote(mode.line), "this side of the socket")
                    .because(Strength::Support, clash, "the switch's port is of the same side");
                return vec![
                    draft
                        .title(format!("QEMU and the switch are both the {} of the socket", mode.value))
                        .verdict(),
                ];
            }
        }
    }
    vec![draft.verdict()]
}

/// The line of a text that gives the type of a port as a word of its own.
fn port(cx: &Context<'_>, name: &str) -> Option<Evidence> {
    let typed = |line: &str| {
        line.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name) && line.contains("type")
    };
    let (text, number, _) = cx.lines_with(name).find(|(_, _, line)| typed(line))?;
    text.quote(number)
}
