//! # ovs-vswitchd or ovsdb-server is not running, or its socket is missing
//!
//! ## What it is
//! `ovs-vsctl` talks to ovsdb-server over `db.sock`, and ovs-vswitchd carries the changes out. Without the server the
//! tool reports "database connection failed"; without the switch daemon it waits for ever unless told `--timeout`.
//!
//! Heard as: no VM comes up on the Open vSwitch host after a reboot; database connection failed.
//!
//! Known by: database connection failed, db.sock: No such file or directory; openvswitch-switch inactive; ovs-vsctl
//! hangs; cannot connect to unix socket ovsdb-server; all VMs lost network at once, service stopped or crashed; conf.db
//! corrupt or locked; unix:/var/run/openvswitch; systemd unit failed.
//!
//! ## Why it happens
//! The service is stopped, failed at start (damaged `conf.db`, kernel module missing, DPDK could not start) or is started
//! after libvirt; a container or chroot does not see the host's `/run/openvswitch`; paths differ between packages
//! (`/var/run/openvswitch`, `/usr/local/var/run/openvswitch`); the package is not installed at all.
//!
//! ## Confirm
//! `systemctl status openvswitch-switch ovs-vswitchd ovsdb-server`; `ls -l /run/openvswitch/`;
//! `ovs-vsctl --timeout=3 show`; `journalctl -u ovs-vswitchd -b`.
//!
//! ## Refute
//! `ovs-vsctl --timeout=3 show` answers in the same namespace and as the same user as the VM's manager.
//!
//! ## Fix
//! Start the service (`openvswitch-switch` or `openvswitch`) and enable it; order it before the VM manager; in a container
//! hand in `/run/openvswitch`, or run Open vSwitch inside.
//!
//! ## References
//! ovs-vsctl(8), ovsdb-server(1), ovs-ctl(8); Open vSwitch `utilities/ovs-vsctl.c`, `lib/stream-unix.c`; libvirt
//! `src/util/virnetdevopenvswitch.c`.

use crate::prelude::*;
use crate::settle::unit;

pub const RULE: Rule = Rule {
    tags: &["network", "ovs", "boot"],
    rank: Rank::Specific,
    signs: &[
        Sign::proof("db.sock: database connection failed"),
        Sign::strong("openvswitch/db.sock: connection attempt failed"),
        Sign::proof("openvswitch/db.sock*No such file or directory"),
        Sign::proof("openvswitch/db.sock*Connection refused"),
        Sign::strong("openvswitch/db.sock*Permission denied"),
        Sign::strong("cannot connect to \"{path}ovs-vswitchd"),
        Sign::strong("cannot read pidfile \"{path}ovs-vswitchd.pid\""),
        Sign::strong("{path}ovs-vswitchd.pid: No such file"),
        Sign::strong("{path}ovsdb-server.pid: No such file"),
        Sign::strong("ovs-vswitchd is not running"),
        Sign::strong("ovsdb-server is not running"),
        Sign::strong("ovs-vsctl: command not found"),
        Sign::strong("Cannot find 'ovs-vsctl' in path"),
        Sign::strong("failed to connect to socket (No such file or directory)").and(&["openvswitch"]),
        Sign::strong("openvswitch-switch.service: *inactive"),
        Sign::strong("ovs-vswitchd.service: Failed"),
        Sign::strong("ovsdb-server.service: Failed"),
        Sign::strong("Failed to start Open vSwitch"),
        Sign::strong("terminating with signal 14 (Alarm clock)"),
        Sign::strong("ovs-vsctl: * terminated by signal"),
        Sign::support("{bridge} is not a bridge or a socket").and(&["inactive (dead)"]),
        Sign::strong("/usr/bin/ovs-vsctl * failed: exit code 1").and(&["db.sock"]),
        Sign::strong("Open vSwitch Forwarding Unit").and(&["Active: failed"]),
        Sign::strong("Open vSwitch Database Unit").and(&["Active: failed"]),
        Sign::strong("ovs-vswitchd.service").and(&["Active: inactive"]),
        Sign::strong("The Open vSwitch kernel module is probably not loaded"),
        Sign::strong("pidfile check failed ({x}), aborting"),
        Sign::strong("could not initialize control socket"),
        Sign::strong("error communicating with {s}: End of file"),
        Sign::strong("failed to connect to /var/run/openvswitch"),
        Sign::strong("failed to connect to /run/openvswitch"),
        Sign::strong("crashes: pid {p} died"),
        Sign::strong("could not initiate process monitoring"),
        Sign::strong("fork child died before signaling startup"),
        Sign::strong("no response to inactivity probe after"),
        Sign::strong("cannot read pidfile").and(&["ovs"]),
        Sign::strong("lost race to lock pidfile"),
    ],
    words: &["openvswitch", "open vswitch", "ovs-vsctl", "db.sock", "container"],
    explains: &[
        "ovs/bridge-or-port-missing",
        "network/bridge-missing",
        "network/tap-down",
        "access/namespace-device-missing",
    ],
    tells: "ovs-vsctl --timeout=3 show",
    remedy: "start Open vSwitch before the VM, or give the container the host's /run/openvswitch",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::ServiceRestart,
    needs: &[Need::Probe(Probe::Services), Need::File("/etc/openvswitch/conf.db")],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let draft = cx.draft();
    let Some(daemon) = unit(cx, &["ovs-vswitchd.service"]) else { return vec![draft.verdict()] };
    if daemon.active {
        return vec![draft.looked().verdict()];
    }
    // Its database, one JSON text a line: a switch that somebody made.
    let bridge = match cx.file("/etc/openvswitch/conf.db") {
        Found::Text(text) => {
            text.lines_with("\"Bridge\":{").next().and_then(|(number, _)| text.quote(number))
        }
        _ => None,
    };
    let strength = if bridge.is_some() { Strength::Strong } else { Strength::Hint };
    let draft = draft.looked().because(strength, daemon.quote.clone(), "it does not run").because(
        Strength::Support,
        bridge,
        "switches are defined",
    );
    let remedy = format!("start {}", daemon.name);
    match daemon.start(false) {
        Some(start) => vec![draft.remedy(remedy).action(start).verdict()],
        None => vec![draft.verdict()],
    }
}
