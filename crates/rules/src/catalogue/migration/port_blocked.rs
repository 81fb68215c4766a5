//! # Migration ports are blocked between the hosts
//!
//! ## What it is
//! libvirt's control connection works, but the data needs ports of their own: 49152 to 49215 on the target for
//! memory and for disks (NBD), 5900 and up never. The packets are dropped or rejected on the way.
//!
//! Heard as: the migration starts and runs into a time-out though ssh works; firewall between the hosts, ports
//! 49152.
//!
//! Known by: no route to host on port 49152; firewall on target, 49152-49215; connection timed out after perform;
//! iptables, security group; unable to connect to destination; handshake goes through, transfer does not start; nc to
//! the port fails; firewalld service; EHOSTUNREACH, i/o timeout; port range of hypervisor nodes; network policy.
//!
//! ## Why it happens
//! A host firewall (firewalld's zone without the ports, ufw, nftables), a security group or a network policy
//! between the hosts; a range in `qemu.conf` (migration_port_min, migration_port_max) that the firewall does
//! not know; a range used up by other migrations; KubeVirt's migration proxy without its ports.
//!
//! ## Confirm
//! On the target while it waits: `ss -ltn | grep 4915`; from the source: `nc -zv TARGET 49152`. `firewall-cmd
//! --list-all`, `nft list ruleset`, `iptables -S` on both.
//!
//! ## Refute
//! The port that refuses is libvirt's own (16509, 16514, 22): then the daemon is not reached
//! (migration/daemon-not-listening). The connection stands and breaks later: TLS or a timeout.
//!
//! ## Fix
//! Open 49152-49215/tcp from the migration network on each host (firewalld: the service `libvirt` does not have
//! them; add the ports), or tunnel the data (`--p2p --tunnelled`, no disk copies), or send it over a UNIX
//! socket.
//!
//! ## References
//! libvirt `docs/migration.rst`, "Network data transports"; `src/qemu/qemu.conf.in` (migration_port_min);
//! `src/util/virportallocator.c`; QEMU `util/qemu-sockets.c`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["migration", "network", "firewall"],
    needs: &[Need::File("/etc/libvirt/qemu.conf")],
    signs: &[
        Sign::proof("unable to connect to server at '{host}:49{port}': No route to host"),
        Sign::proof("unable to connect to server at '{host}:49{port}': Connection timed out"),
        Sign::strong("unable to connect to server at '{host}:49{port}'"),
        Sign::proof("Failed to connect to '{host}:49{port}'"),
        Sign::strong("Failed to connect to '*:49{port}'"),
        Sign::strong("Failed to connect socket: No route to host").and(&["migrati"]),
        Sign::strong("Failed to connect socket: No route to host").and(&["migrate"]),
        Sign::strong("Failed to connect socket: Connection timed out").and(&["migrati"]),
        Sign::strong("Failed to connect socket: Connection timed out").and(&["migrate"]),
        Sign::support("Failed to connect socket: Connection refused").and(&["migrati"]),
        Sign::support("Failed to connect socket: Connection refused").and(&["migrate"]),
        Sign::strong("unable to execute QEMU command 'migrate': Failed to connect"),
        Sign::hint("unable to execute QEMU command 'migrate'"),
        Sign::strong("unable to execute QEMU command 'blockdev-add': Failed to connect"),
        Sign::strong("unable to execute QEMU command 'drive-mirror': Failed to connect"),
        Sign::strong("Unable to find an unused port in range 'migration'"),
        // OpenSSH, by which Proxmox VE and libvirt reach the target.
        Sign::strong("ssh: connect to host {host} port {port}: No route to host").and(&["migrat"]),
        Sign::strong("ssh: connect to host {host} port {port}: Connection timed out").and(&["migrat"]),
        Sign::support("No route to host").and(&["migrati"]),
        Sign::support("No route to host").and(&["migrate"]),
        Sign::support("unable to connect to server at * Connection timed out").and(&["migrati"]),
        Sign::support("unable to connect to server at * Connection timed out").and(&["migrate"]),
        Sign::strong("job 'migration out' unexpectedly failed").and(&["No route to host"]),
        Sign::support("job 'migration out' unexpectedly failed").and(&["firewall"]),
        Sign::hint("DPT=49152"),
        Sign::strong("DPT=49").and(&["migrati"]),
        Sign::strong("DPT=49").and(&["migrate"]),
        Sign::hint("job 'migration out' unexpectedly failed"),
        Sign::hint("migration job: unexpectedly failed"),
        Sign::support("Timeout, migration socket {socket} did not get ready"),
        // QEMU, once the stream broke in post-copy.
        Sign::support("Detected IO failure for postcopy. Migration paused"),
        // nc, nmap and the kernel's log of what a firewall dropped.
        Sign::strong("port 49152 (tcp) failed: Connection timed out"),
        Sign::strong("port 49152 (tcp) failed: No route to host"),
        Sign::strong("49152/tcp filtered"),
        Sign::strong("16514/tcp filtered"),
        Sign::strong("16509/tcp filtered"),
        Sign::strong("Failed to connect to '*:49152"),
        Sign::support("Extra incoming migration connection; ignoring"),
        Sign::strong("migration_port_max: port must be between"),
        Sign::strong("The connection which controls migration of domain {d} was closed"),
        Sign::strong("poll failed in migration tunnel"),
        Sign::strong("tunnelled migration failed to read from qemu"),
        Sign::strong("Failed to establish preempt channel"),
    ],
    words: &["migrat", "firewall", "firewalld", "no route to host", "timed out", "49152", "port"],
    tells: "nc -zv TARGET 49152 while the target waits; firewall-cmd --list-all",
    remedy: "open TCP ports 49152-49215 (or the range of qemu.conf) between the hosts",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::None,
    escalation: Some(Agent::SystemsArchitect),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // `firewall-cmd --list-all` beside a migration that fails: a zone that opens ports, and not these.
    for text in cx.texts_with("ports:").filter(|_| cx.stands("migrat")) {
        let zone = text.holds("  services: ") && text.holds("  sources:");
        let ports = text.lines_with("ports:").find(|(_, line)| line.trim_start().starts_with("ports:"));
        if let Some((number, line)) = ports.filter(|(_, line)| zone && !line.contains("4915")) {
            let strength = if draft.any() { Strength::Support } else { Strength::Hint };
            let open = line.trim().len();
            draft = draft.because(
                strength,
                text.quote(number),
                match open {
                    6 => "the firewall's zone opens no port by number",
                    _ => "49152-49215 is not among the zone's open ports",
                },
            );
        }
    }
    vec![draft.verdict()]
}
