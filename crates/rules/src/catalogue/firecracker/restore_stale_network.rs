//! # Addresses in the snapshot do not fit the new network
//!
//! ## What it is
//! A restored guest goes on with the IP address, MAC, routes, ARP entries and open connections that it had when the
//! snapshot was taken. If the tap or bridge of the new place has another subnet, or two clones share one network, the
//! guest runs and cannot be reached.
//!
//! Heard as: clones of one snapshot come up and cannot be reached; all have the same address; only the first has
//! network.
//!
//! Known by: clones of one snapshot have the same IP and MAC; no ping after restore; guest keeps the old gateway;
//! network_overrides; namespace per clone.
//!
//! ## Why it happens
//! Orchestrators give each microVM a new tap and address, but nobody tells the restored guest; several clones of one
//! snapshot have equal addresses; the gateway's MAC in the guest's ARP table is that of the old tap.
//!
//! ## Confirm
//! On the host `ip addr show <tap>` and `ip neigh show dev <tap>`; in the guest, over vsock or the serial console,
//! `ip addr` and `ip route`. `tcpdump -ni <tap>` shows ARP requests without an answer.
//! `ip neigh` shows FAILED or INCOMPLETE for the guest, or a MAC that belongs to another clone.
//!
//! ## Refute
//! The guest's address lies in the tap's subnet and it answers ARP: then see forwarding and firewall.
//!
//! ## Fix
//! Give each clone a network namespace with the addresses of the snapshot and translate outside of it, or set the
//! guest's address after the restore (MMDS, vsock agent).
//!
//! ## References
//! Firecracker `docs/snapshotting/network-for-clones.md`, `docs/snapshotting/random-for-clones.md`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["firecracker", "snapshot", "network"],
    signs: &[
        Sign::strong("Destination Host Unreachable").and(&["snapshot/load"]),
        Sign::support("Destination Host Unreachable").and(&["firecracker", "snapshot"]),
        Sign::strong("No route to host").and(&["snapshot/load"]),
        Sign::support("No route to host").and(&["firecracker", "snapshot"]),
        Sign::support("Connection timed out").and(&["snapshot/load", "restored"]),
        Sign::strong("100% packet loss").and(&["snapshot/load"]),
        Sign::support("100% packet loss").and(&["firecracker", "restore"]),
        Sign::strong("who-has *, length 28").and(&["firecracker", "snapshot"]),
        Sign::support("i/o timeout").and(&["firecracker", "restored"]),
        Sign::hint("snapshot/load").unless(&["Load snapshot error", "Open tap device failed"]),
        Sign::strong("stale IP").and(&["snapshot"]),
        Sign::strong("duplicate IP address").and(&["snapshot"]),
        // What a complaint makes of a configuration.
        Sign::support("snapshot/load").said(&["network", "reach", "ping", "address", "same ip"]).or_near(),
        Sign::strong("network_overrides")
            .said(&["network", "reach", "ping", "address", "same ip"])
            .unless(&["Load snapshot error", "Open tap device failed"])
            .or_near(),
        Sign::support("load_snapshot").said(&["network", "reach", "ping", "address", "same ip"]).or_near(),
    ],
    words: &[
        "reachable",
        "after restore",
        "after the restore",
        "unreachable",
        "cannot reach",
        "can't reach",
        "no network",
        "no internet",
        "answers",
        "not respond",
        "same ip",
        "same address",
        "ping",
        "ip address",
        "clone",
    ],
    explains: &["network/guest-address-missing", "guest/duplicate-identity", "network/mac-duplicate"],
    tells: "ip addr",
    remedy: "give each clone a network namespace with the snapshot's addresses, or set the guest's address after restore",
    check,
    ..Rule::NEW
};

/// What people say of a guest that runs and has no working address.
const UNREACHABLE: [&str; 9] = [
    "unreachable",
    "cannot reach",
    "can't reach",
    "no network",
    "no internet",
    "answers",
    "not respond",
    "same ip",
    "same address",
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let refused = cx.stands("Load snapshot error") || cx.stands("Open tap device failed");
    let said = cx.asked(&UNREACHABLE);
    if let Some(hit) = cx.hits("snapshot/load").first().filter(|_| said && !refused) {
        draft =
            draft.because(Strength::Support, cx.evidence(hit), "the guest was restored and is not reached");
    }
    vec![draft.verdict()]
}
