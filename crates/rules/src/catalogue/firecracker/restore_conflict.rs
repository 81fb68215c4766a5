//! # A restore needs a host resource that is taken or gone
//!
//! ## What it is
//! A snapshot names the tap devices, disk files and the vsock socket of the microVM it was taken from, by path and
//! name. Loading it opens the very same ones: if another microVM has them, or they are gone, the load fails.
//!
//! Heard as: restoring a second copy of a snapshot fails: tap, vsock socket or drive is in use or gone.
//!
//! Known by: loading the snapshot fails: tap device or vsock socket busy, address in use, disk or backing file not at
//! its old path; cloning several microVMs from one snapshot.
//!
//! ## Why it happens
//! The original or another clone still runs; the UNIX socket file of an ended one was not removed (address in use);
//! the tap was deleted with its namespace; the disk image was moved or cleaned up; the memory file was deleted while
//! clones map it; the page-fault handler of a userfaultfd restore does not listen, or the host forbids userfaultfd.
//!
//! ## Confirm
//! `ls -l <uds_path>`, `ss -xlp | grep <uds_path>`, `ip link show <tap>`, `fuser -v /dev/net/tun`, `ls -l <disk>`;
//! the last part of the message names the device.
//!
//! ## Refute
//! All paths exist and nobody holds them; a version or CPU message is firecracker/snapshot-incompatible.
//!
//! ## Fix
//! Run each clone in its own network namespace and mount namespace or jail, remove the old socket before the load,
//! or give other names by `network_overrides` and `vsock_override` where the version has them.
//!
//! ## References
//! Firecracker `docs/snapshotting/snapshot-support.md`, `docs/snapshotting/network-for-clones.md`, `docs/vsock.md`,
//! `src/vmm/src/devices/virtio/vsock/unix/mod.rs` `VsockUnixBackendError`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["firecracker", "snapshot"],
    signs: &[
        Sign::proof("Error binding to the host-side Unix socket").and(&["snapshot"]),
        Sign::strong("VsockUdsBackend(UnixBind("),
        Sign::strong("UnixBind(Os { code: 98").and(&["snapshot"]),
        Sign::strong("Address in use (os error 98)").and(&["snapshot"]),
        Sign::strong("Address already in use").and(&["snapshot/load"]),
        Sign::strong("Open tap device failed").and(&["Load snapshot error"]),
        Sign::strong("Open tap device failed").and(&["snapshot/load"]),
        Sign::strong("TapOpen(").and(&["snapshot/load"]),
        Sign::strong("Resource busy (os error 16)").and(&["snapshot/load"]),
        Sign::strong("Resource busy (os error 16)").and(&["Load snapshot error"]),
        Sign::strong("Load snapshot error: *No such file or directory"),
        Sign::strong("Failed to open snapshot file"),
        Sign::strong("Failed to restore devices: *No such file or directory"),
        Sign::strong("Failed to restore devices: *os error 16"),
        Sign::strong("Failed to restore devices: *os error 98"),
        Sign::support("Failed to restore MMIO device"),
        Sign::support("Failed to restore devices: "),
        Sign::support("Failed to connect to UDS Unix stream").and(&["snapshot"]),
        Sign::support("Failed to load guest memory: ").and(&["No such file"]),
        Sign::strong("BackingFile(Os { code: 2").and(&["snapshot/load"]),
        // Before 1.5 the devices' errors were printed as structures.
        Sign::strong("Cannot restore devices*code: 2,"),
        Sign::strong("Cannot restore devices*code: 16,"),
        Sign::strong("Cannot restore devices*code: 98,"),
        Sign::strong("Cannot restore devices*TapOpen("),
        Sign::strong("Cannot restore devices*UnixBind("),
        Sign::strong("Cannot restore devices: *(os error 2)"),
        Sign::strong("Cannot open the memory file: "),
        Sign::strong("Error creating guest memory from file: *os error 2"),
        // The page-fault handler of a restore by userfaultfd is not there, or the host forbids it.
        Sign::strong("Cannot connect to UDS in order to send information on handling guest memory"),
        Sign::strong("Failed to connect to UDS Unix stream: *Connection refused"),
        Sign::strong("Failed to connect to UDS Unix stream: *No such file"),
        Sign::strong("Failed to UFFD object: "),
        Sign::support("Error creating guest memory from uffd: "),
    ],
    words: &["restore", "snapshot", "clone", "resume", "second microvm", "firecracker"],
    explains: &[
        "network/tap-busy",
        "vsock/cid-or-socket-conflict",
        "machine/id-in-use",
        "storage/image-missing",
    ],
    tells: "ss -xlp",
    remedy: "free the tap, socket or disk that the snapshot names, or run each clone in namespaces of its own",
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
