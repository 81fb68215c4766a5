//! # The libvirt daemon or its socket is not there
//!
//! ## What it is
//! Every libvirt client (virsh, virt-manager, virt-install, vagrant, terraform, nova) talks to a daemon over a
//! UNIX socket below `/run/libvirt` or, for the session instance, below `$XDG_RUNTIME_DIR/libvirt`. Nothing
//! listens there, so no question about a VM can even be asked.
//!
//! Heard as: nothing that uses libvirt works; no socket in /run/libvirt; after an upgrade to modular daemons.
//!
//! Known by: Failed to connect socket to /var/run/libvirt/libvirt-sock: No such file or directory; connection refused;
//! libvirtd or virtqemud inactive, socket unit off; modular daemons; virt-manager unable to connect; virsh,
//! virt-install, vagrant, terraform or cockpit cannot connect; service masked, dead or crashed at boot; ECONNREFUSED;
//! sock does not exist; systemctl start.
//!
//! ## Why it happens
//! The package is not installed, the service was stopped or failed while starting (a bad line in its
//! configuration, `--listen` together with socket activation, a certificate that is missing), or the host runs
//! modular daemons (`virtqemud`, `virtnetworkd`, `virtstoraged`, ...) and one of their sockets is disabled.
//! A client in a container sees no socket when it was not mounted into the container.
//!
//! ## Confirm
//! `systemctl status libvirtd virtqemud virtqemud.socket`, `ls -l /run/libvirt/`, `journalctl -b -u libvirtd`.
//! The socket that the message names does not exist, or exists and refuses the connection.
//!
//! ## Refute
//! The socket exists and `virsh -r -c qemu:///system version` answers. "Permission denied" on the socket is
//! another problem: the daemon runs and the user may not use it.
//!
//! ## Fix
//! Install the daemon for the driver in use, then enable its sockets: `libvirtd.socket`, or `virtqemud.socket`
//! with `virtnetworkd.socket` and `virtstoraged.socket`; do not mix both sets. If it fails while starting, its
//! journal names the line to mend.
//!
//! ## References
//! libvirt `docs/daemons.rst`, `docs/kbase/failed_connection_after_install.rst`;
//! `src/rpc/virnetsocket.c`, `virNetSocketNewConnectUNIX()`; `src/remote/remote_sockets.c`.

use crate::prelude::*;
use crate::settle::unit;

/// virt-launcher waits for its own daemon, says each time that it is not there yet, and hands on its log when it has
/// come.
const CAME: &[&str] = &["Connected to libvirt daemon", "\"component\":\"virt-launcher\""];

pub const RULE: Rule = Rule {
    tags: &["libvirt", "service"],
    needs: &[Need::Probe(Probe::DeviceNodes), Need::Probe(Probe::Services)],
    signs: &[
        Sign::proof("Failed to connect socket to '*libvirt*': No such file or directory").unless(CAME),
        Sign::proof("Failed to connect socket to '*libvirt*': Connection refused"),
        // libvirt 0.x and 1.x.
        Sign::proof("unable to connect to '*libvirt*': No such file or directory"),
        Sign::proof("unable to connect to '*libvirt*': Connection refused"),
        Sign::proof("cannot identify any listening daemon socket path"),
        Sign::proof("Unable to locate libvirtd daemon in"),
        Sign::proof("Failed to find path for virtqemud"),
        Sign::strong("binary '*libvirtd' does not exist in $PATH"),
        Sign::strong("binary '*virtqemud' does not exist in $PATH"),
        Sign::strong("can't connect to virtlogd"),
        Sign::strong("Failed to acquire pid file '*libvirt"),
        Sign::strong("Unable to initialize network sockets"),
        Sign::strong("libvirtd*.socket: Failed to listen on sockets"),
        Sign::strong("virtqemud*.socket: Failed to listen on sockets"),
        Sign::strong("Socket service libvirtd.service already active, refusing"),
        Sign::strong("Failed to resolve group libvirt"),
        Sign::support("Cannot create user runtime directory '*libvirt'"),
        Sign::proof("--listen parameter not permitted with systemd activation sockets"),
        // Remote URIs: the far end's socket, reached by nc or virt-ssh-helper.
        Sign::strong("nc: unix connect failed: No such file or directory"),
        Sign::support("unable to connect to server at '*:16509'*Connection refused"),
        Sign::support("unable to connect to server at '*:16514'*Connection refused"),
        Sign::strong("Unit libvirtd.service could not be found"),
        Sign::strong("Unit virtqemud.service could not be found"),
        Sign::strong("Unit libvirtd.service not found"),
        Sign::strong("libvirtd.service: Failed with result"),
        Sign::strong("virtqemud.service: Failed with result"),
        Sign::strong("Failed to start *irtualization daemon"),
        Sign::strong("Unit libvirtd.service is masked"),
        Sign::strong("dial unix *libvirt-sock: connect: no such file or directory"),
        Sign::strong("dial unix *libvirt-sock: connect: connection refused"),
        Sign::strong("dial unix *virtqemud-sock: connect: no such file or directory"),
        Sign::support("Active: inactive (dead)").and(&["libvirtd.service - "]),
        Sign::support("Active: inactive (dead)").and(&["virtqemud.service - "]),
        Sign::support("Active: failed (Result").and(&["libvirtd.service - "]),
        Sign::support("Active: failed (Result").and(&["virtqemud.service - "]),
        Sign::hint("Verify that the 'libvirtd' daemon is running"),
        Sign::hint("failed to connect to the hypervisor"),
        Sign::hint("Unable to connect to libvirt qemu:///system"),
        Sign::strong("Failed to connect socket to '*libvirt*': Permission denied").against(),
        Sign::strong("virNetTLSCertCheckTimes").unless(&["migrat"]),
        Sign::strong("The server certificate {path} is not yet active")
            .and(&["libvirtd"])
            .unless(&["migrat"]),
        Sign::strong("The server certificate {path} has expired").and(&["libvirtd"]).unless(&["migrat"]),
        Sign::strong("Cannot read CA certificate '{path}'").and(&["libvirtd"]),
        Sign::strong("Cannot read certificate '{path}'").and(&["libvirtd"]),
        Sign::strong("Failed to connect to socket /run/libvirt/"),
        Sign::support("Main process exited").and(&["libvirtd.service: "]),
        Sign::support("Main process exited").and(&["virtqemud.service: "]),
        Sign::strong("virtnetworkd.service: Failed with result"),
        Sign::strong("libvirtd.service: Start request repeated too quickly"),
        Sign::strong("virtqemud.service: Start request repeated too quickly"),
        Sign::strong("Driver state initialization failed"),
        Sign::strong("Not all servers restored, cannot run server"),
        Sign::strong("No default server names provided"),
        Sign::strong("qemu state driver is not active"),
        Sign::strong("Missing service data in JSON document"),
        Sign::strong("Failed to notify systemd"),
        Sign::strong("received hangup event on socket"),
        Sign::support("client socket is closed"),
        Sign::support("End of file while reading data"),
        Sign::support("Error while connecting to Libvirt"),
        Sign::strong("error connecting to libvirt socket"),
        Sign::strong("PR_KVM_SOCKET"),
    ],
    words: &["libvirtd", "virtqemud", "libvirt-sock", "cannot connect to libvirt", "systemctl"],
    explains: &["libvirt/default-network-inactive", "libvirt/session-vs-system", "migration/tls-failure"],
    tells: "systemctl status libvirtd virtqemud.socket",
    remedy: "install and start the libvirt daemon (or its modular sockets) that the client asks for",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::ServiceRestart,
    check,
    ..Rule::NEW
};

/// The daemons that have QEMU's domains.
const DAEMONS: &[&str] = &["libvirtd.service", "virtqemud.service"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let draft = cx.draft();
    let Some(daemon) = unit(cx, DAEMONS) else { return vec![draft.verdict()] };
    // A socket that systemd listens on starts the daemon for whoever asks.
    let listens = cx.texts_named(|source| source == "device-nodes").any(|nodes| {
        nodes.lines().any(|(_, line)| line.ends_with("/libvirt-sock") || line.ends_with("/virtqemud-sock"))
    });
    if daemon.active || listens {
        return vec![draft.looked().verdict()];
    }
    let defined = cx
        .texts_named(|source| source.starts_with("/etc/libvirt/qemu/") && source.ends_with(".xml"))
        .find_map(|text| text.lines_with("<domain ").next().map(|(number, _)| text.quote(number)));
    let draft = match defined {
        Some(domain) => draft
            .because(Strength::Strong, daemon.quote.clone(), "it does not run, and nothing listens for it")
            .because(Strength::Support, domain, "it has domains"),
        None => {
            draft.because(Strength::Hint, daemon.quote.clone(), "it does not run, and nothing listens for it")
        }
    };
    let remedy = format!("start {}, and have it started at boot", daemon.name);
    match daemon.start(true) {
        Some(start) => vec![draft.looked().remedy(remedy).action(start).verdict()],
        None => vec![draft.looked().verdict()],
    }
}
