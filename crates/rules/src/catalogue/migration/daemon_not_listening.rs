//! # The target's daemon does not listen on the transport used
//!
//! ## What it is
//! The connection URI names a transport (`qemu+tls`, `qemu+tcp`, `qemu+ssh`) that the target's libvirt does not
//! serve: nothing listens on 16514 or 16509, or SSH finds no socket, no `nc` and no `virt-ssh-helper`.
//!
//! Heard as: the target's libvirt does not accept the connection: refused at port 16509 or 16514.
//!
//! Known by: unable to connect to server at 'host:16509' or 16514: Connection refused; listen_tcp off,
//! libvirtd-tls.socket; ssh host key or login refused for qemu+ssh; auth by ssh fails; remote URI qemu+tcp, qemu+tls;
//! port closed locally on target; socket activation; libvirtd --listen; SSH works but migrate does not; peer to peer.
//!
//! ## Why it happens
//! libvirtd listens for the network only when told so: by the socket units `libvirtd-tls.socket` and
//! `libvirtd-tcp.socket` (`virtproxyd-*` for modular daemons), or by `--listen` where sockets are masked. The
//! old way fails with socket activation. TCP and TLS may be open in one place and not in the other.
//!
//! ## Confirm
//! On the target `ss -ltn | grep -E '1650[9]|16514'`, `systemctl status libvirtd-tls.socket libvirtd-tcp.socket
//! virtproxyd-tls.socket`; from the source `virsh -c qemu+tls://TARGET/system hostname`.
//!
//! ## Refute
//! `virsh -c URI hostname` answers from the source: the transport works and the trouble is further on.
//!
//! ## Fix
//! On the target, with the daemon stopped: `systemctl enable --now libvirtd-tls.socket` (or
//! `virtproxyd-tls.socket`), certificates in place; TCP only inside a trusted network with SASL. Without
//! sockets: mask them and pass `--listen`. For SSH install netcat or a libvirt with virt-ssh-helper; where ssh itself
//! says "Host key verification failed" or "Permission denied (publickey)", the key of the other host, or the login of the
//! user that migrates, is to be set up first: the daemon was never asked.
//!
//! ## References
//! libvirt `docs/remote.rst`, `docs/daemons.rst`, "Socket activation"; `src/rpc/virnetsocket.c`;
//! `src/remote/remote_daemon.c`.

#[path = "preflight/listening.rs"]
mod preflight;

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["migration", "libvirt"],
    needs: &[Need::File("/etc/libvirt/libvirtd.conf"), Need::File("/etc/libvirt/virtproxyd.conf")],
    signs: &[
        Sign::proof("unable to connect to server at '{host}:16509': Connection refused"),
        Sign::proof("unable to connect to server at '{host}:16514': Connection refused"),
        Sign::strong("unable to connect to server at '{host}:16509'"),
        Sign::strong("unable to connect to server at '{host}:16514'"),
        Sign::strong("unable to connect to libvirtd at '{host}'"),
        Sign::strong("--listen parameter not permitted with systemd activation sockets"),
        Sign::proof("--listen parameter not permitted with systemd activation sockets").and(&["migrati"]),
        Sign::proof("--listen parameter not permitted with systemd activation sockets").and(&["migrate"]),
        Sign::strong("Failed to connect to remote libvirt URI"),
        Sign::strong("Migration was refused connection to destination: qemu+"),
        Sign::strong("End of file while reading data: * nc: unix connect failed"),
        Sign::strong("nc: unix connect failed").and(&["qemu+ssh"]),
        Sign::strong("virt-ssh-helper: command not found"),
        Sign::strong("nc: command not found").and(&["qemu+ssh"]),
        Sign::strong("End of file while reading data: * nc: command not found"),
        Sign::strong("Cannot recv data: ssh: connect to host"),
        Sign::strong("End of file while reading data: ssh: connect to host"),
        Sign::strong("Cannot recv data: Host key verification failed"),
        Sign::strong("End of file while reading data: Host key verification failed"),
        Sign::strong("Host key verification failed").and(&["migrati"]),
        Sign::strong("Host key verification failed").and(&["migrate"]),
        Sign::strong("Host key verification failed").and(&["qemu+ssh"]),
        Sign::strong("Cannot recv data: Permission denied (publickey"),
        Sign::strong("End of file while reading data: Permission denied"),
        Sign::strong("ssh: connect to host {host} port 22: Connection refused").and(&["migrati"]),
        Sign::strong("ssh: connect to host {host} port 22: Connection refused").and(&["migrate"]),
        Sign::support("ssh: connect to host").and(&["migrati"]),
        Sign::support("ssh: connect to host").and(&["migrate"]),
        Sign::support("libvirtd-tls.socket * inactive"),
        Sign::support("libvirtd-tcp.socket * inactive"),
        Sign::support("libvirtd-tls.socket * disabled"),
        Sign::support("libvirtd-tcp.socket * disabled"),
        Sign::support("virtproxyd-tls.socket * disabled"),
        Sign::support("virtproxyd-tcp.socket * disabled"),
        Sign::support("libvirtd-tcp.socket: Socket service libvirtd.service already active, refusing"),
        Sign::support("libvirtd-tls.socket: Socket service libvirtd.service already active, refusing"),
        Sign::support("Destination libvirt does not support peer-to-peer migration protocol"),
        // CloudStack, LibvirtMigrateCommandWrapper; its agent needs libvirtd with --listen or the TCP or TLS socket.
        Sign::strong("Migration was refused connection to"),
        Sign::support("LIBVIRTD_ARGS=\"\""),
        Sign::strong("Can't connect to destination address using public key")
            .unless(&["No route to host", "Connection timed out"]),
        Sign::support("Lost connection to destination host"),
        // tcpdump, nc and telnet tell of a port on which nobody listens.
        Sign::strong("16514 > {client}: Flags [R"),
        Sign::strong("16509 > {client}: Flags [R"),
        Sign::strong("port 16514 (tcp) failed: Connection refused"),
        Sign::strong("port 16509 (tcp) failed: Connection refused"),
        Sign::strong("connect to {host} port 16514 failed: Connection refused"),
        Sign::strong("16514/tcp closed"),
        Sign::strong("16509/tcp closed"),
    ],
    words: &["migrat", "qemu+tls", "qemu+tcp", "16509", "16514", "connection refused", "listen", "refused"],
    tells: "ss -ltn on the target; systemctl status libvirtd-tls.socket",
    remedy: "enable the target's socket unit for the transport (libvirtd-tls.socket, virtproxyd-tls.socket) or use one it serves",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::ServiceRestart,
    check,
    preflight: Some(preflight::judge),
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // A daemon that was told not to listen, while the user wants to reach it.
    let wanted = ["qemu+tls", "qemu+tcp", "16514", "16509"].iter().any(|word| cx.stands(word));
    if let Some(text) = cx.texts_named(|source| source.ends_with("libvirtd.conf")).next()
        && wanted
    {
        let off = |line: &str| {
            let line = line.split('#').next().unwrap_or("").replace(' ', "");
            line == "listen_tls=0" || line == "listen_tcp=0"
        };
        if let Some((number, _)) = text.lines().find(|(_, line)| off(line)) {
            draft = draft.because(Strength::Support, text.quote(number), "this transport is switched off");
        }
    }
    // ssh (`sshconnect.c`, `sshconnect2.c`) says so before it has asked the target for a daemon.
    let refused = cx.lines_with(["Host key verification failed", "Permission denied (publickey"]).next();
    if refused.is_some() && draft.any() {
        draft = draft.title("ssh refuses the connection to the other host before libvirt's daemon is asked").remedy(
            "as the user that migrates, with the name that the URI has: check the other host's key and put it into \
             known_hosts, and put that user's public key into authorized_keys there",
        );
    }
    vec![draft.verdict()]
}
