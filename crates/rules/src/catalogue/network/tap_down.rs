//! # The tap or bridge port is missing or administratively down
//!
//! ## What it is
//! The VM has a network card, but its other end does not carry frames: the tap is DOWN, it is in no bridge, or
//! the script that should have brought it up failed.
//!
//! Heard as: a hand-made tap is given to QEMU, the guest has a link and nothing arrives; state DOWN.
//!
//! Known by: NO-CARRIER or state DOWN on tap or vnet; link not brought up by ifup script; port not in bridge; disabled
//! state; ip link set up cures; interface lost at start.
//!
//! ## Why it happens
//! `ip tuntap add` leaves a tap down and without master; QEMU's `script=no` leaves the work to the user; an
//! `/etc/qemu-ifup` that is missing, not executable or fails; NetworkManager or systemd-networkd took the tap out
//! of the bridge or set it down; Firecracker makes a tap that nobody made, and leaves it down; the bridge came back after a restart of the network without its old ports.
//!
//! ## Confirm
//! `ip -d link show <tap>`: `<BROADCAST,MULTICAST>` without UP, or no `master <bridge>`; `bridge link` lists no
//! port or a port that is `disabled`. A tap that is UP with NO-CARRIER only has no VM running.
//!
//! ## Refute
//! The tap is UP,LOWER_UP with the right master and `bridge link` says forwarding; packets show in `tcpdump -i <tap>`.
//!
//! ## Fix
//! `ip link set <tap> master <bridge> up` and `ip link set <bridge> up`; make it lasting in the network manager, or
//! let libvirt manage the tap. Mark the tap unmanaged for NetworkManager.
//!
//! ## References
//! `ip-link(8)`, `bridge(8)`; QEMU manual "-netdev tap" (script, downscript), `net/tap.c`, `launch_script()`;
//! Firecracker `docs/network-setup.md`; Linux `net/bridge/br_if.c`.

use crate::prelude::*;
use vmwright_formats::interfaces::InterfaceClass;
use vmwright_formats::{Interfaces, IpAddr};

pub const RULE: Rule = Rule {
    tags: &["network"],
    needs: &[Need::Probe(Probe::Interfaces)],
    signs: &[
        Sign::support("network script {script} failed with status"),
        Sign::strong("failed to bring up interface `{tap}'"),
        Sign::strong("Enabling tap interface failed"),
        Sign::strong("Could not enable tap interface"),
        Sign::support("SIOCSIFFLAGS: *").and(&["/etc/qemu-ifup"]),
        Sign::hint("<NO-CARRIER,BROADCAST,MULTICAST,UP>"),
        Sign::strong("dev tap{number} is down"),
        Sign::strong("tap{number}: Network is down"),
        Sign::support("Link {tap} is down").and(&["<BROADCAST,MULTICAST>"]),
        Sign::strong("port {port}({tap}) * state disabled"),
        Sign::strong("<BROADCAST,MULTICAST> * master {bridge} state disabled"),
        // QEMU up to 2.x names the script first.
        Sign::strong("could not launch network script"),
        Sign::strong("could not open network script"),
        // Firecracker, whose tap nobody has set up.
        Sign::strong("Failed to write to tap: *code: 5"),
        Sign::strong("Failed to write to tap: *I/O error"),
        Sign::strong("Failed to write to tap: *Input/output error"),
        Sign::strong("write tap*input/output error"),
        Sign::support("RTNETLINK answers: Network is down"),
        Sign::strong("Unable to enable tap interface"),
        Sign::strong("state DOWN")
            .and(&["ifname="])
            .said(&["nothing arrives", "no network", "no traffic", "ping", "not reach", "ever arrives"])
            .or_near(),
        Sign::support("Error programming tap offload"),
    ],
    words: &["no network", "no connectivity", "cannot ping", "can't ping", "tap is down", "state down"],
    tells: "ip -d link show",
    remedy: "put the tap into its bridge and set both up",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // The dummy port of libvirt's bridges is always down.
    let tap = |name: &str| {
        ["tap", "vnet", "fc-", "vmtap"].iter().any(|start| name.starts_with(start)) && !name.ends_with("-nic")
    };
    for seen in cx.all::<IpAddr>() {
        draft = draft.looked();
        let mut taps = seen.links.iter().filter(|one| tap(&one.name) && one.mtu.is_some());
        if let Some(down) = taps.clone().find(|one| !one.is_up()) {
            draft = draft
                .because(Strength::Strong, seen.quote(down.line), "the tap is administratively down")
                .about(Subject::new(SubjectKind::Interface, &down.name))
                .title(format!("tap {} is down", down.name));
            break;
        }
        if let Some(loose) = taps.find(|one| one.master.is_none()) {
            // Managers put each of their taps into a bridge; a hand-made one may be routed.
            let managed = loose.name.starts_with("vnet")
                || loose.name.strip_prefix("tap").is_some_and(|rest| rest.contains('i'));
            let strength = if managed { Strength::Strong } else { Strength::Hint };
            draft = draft.because(strength, seen.quote(loose.line), "the tap is in no bridge");
            break;
        }
    }
    for seen in cx.all::<Interfaces>() {
        let mut taps =
            seen.interfaces.iter().filter(|one| one.class == InterfaceClass::Tap && tap(&one.name));
        if let Some(down) = taps.find(|one| one.state == "down") {
            draft =
                draft.because(Strength::Hint, seen.quote(down.line), "the tap is in no bridge and not up");
        }
    }
    vec![draft.verdict()]
}
