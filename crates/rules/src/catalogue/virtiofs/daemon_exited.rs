//! # virtiofsd died, or left when the VMM disconnected
//!
//! ## What it is
//! One virtiofsd serves one connection of one VM. If it crashes, is killed, or ends because the VMM closed the
//! socket, the share is dead until both are started again; QEMU reports a broken vhost-user channel, the guest
//! hangs or reads errors.
//!
//! Heard as: the share worked and then hangs; virtiofsd has ended.
//!
//! Known by: virtiofsd died, mount hangs, transport endpoint; vhost-user connection closed; Failed to write msg; guest
//! folder stuck; daemon crashed or left after first disconnect; share stops working, guest hangs on access; virtiofsd
//! killed, panicked; vhost_user: disconnected; too many open files; restart needs VM restart.
//!
//! ## Why it happens
//! It ran out of file descriptors or memory, a system call was outside its seccomp list, a bug hit; or it works
//! as designed and ends with the connection: after a reboot of the VM by a VMM that reconnects, after a failed
//! migration, or when it was started by hand once and the VM twice.
//!
//! ## Confirm
//! `journalctl -b | grep virtiofsd`, `/var/log/libvirt/qemu/NAME-fs0-virtiofsd.log`, `pgrep -a virtiofsd`,
//! `coredumpctl list virtiofsd`.
//!
//! ## Refute
//! The process still runs and its log shows a served connection; or it never came up (sandbox, options).
//!
//! ## Fix
//! Raise `--rlimit-nofile` or use `--inode-file-handles=prefer` for large trees, update a version that crashes,
//! and start a fresh virtiofsd for every start of the VM (libvirt does, a unit needs `Restart=always`).
//!
//! ## References
//! virtiofsd `src/main.rs` ("Client disconnected, shutting down"); QEMU `hw/virtio/vhost-user.c`,
//! `vhost_user_read_header()`; libvirt `src/qemu/qemu_virtiofs.c`.

use crate::prelude::*;

/// What shows that virtio-fs is meant.
const FS: &[&str] = &["virtiofs"];

pub const RULE: Rule = Rule {
    tags: &["virtiofs"],
    signs: &[
        Sign::strong("virtiofsd died unexpectedly"),
        Sign::strong("Client disconnected, shutting down"),
        Sign::strong("virtiofsd*: segfault at"),
        Sign::strong("virtiofsd*segfault"),
        Sign::strong("traps: virtiofsd"),
        Sign::strong("virtiofsd*panicked at"),
        Sign::strong("Child process terminated by signal {signal}").and(FS),
        Sign::strong("virtiofsd*terminated by signal"),
        Sign::strong("virtiofsd*dumped core"),
        Sign::strong("virtiofsd.service: Main process exited"),
        Sign::strong("virtiofsd*Failed with result"),
        Sign::support("virtiofsd*exited with"),
        Sign::support("Killed process {pid} (virtiofsd)"),
        Sign::support("type=1326*virtiofsd"),
        Sign::support("Failed to read msg header. Read 0 instead of 12").and(FS),
        Sign::support("Failed to read msg header. Read -1 instead of 12").and(FS),
        Sign::hint("Failed to write msg. Wrote -1 instead of").and(FS),
        Sign::hint("Unexpected end-of-file before all data were read").and(FS),
        Sign::support("Waiting for daemon failed: HandleRequest(")
            .unless(&["MissingMemoryMapping", "InvalidParam"]),
        Sign::support("HandleRequest(PartialMessage)"),
        Sign::support("HandleRequest(Disconnected)"),
        Sign::support("Transport endpoint is not connected").and(FS),
        Sign::support("Too many open files").and(FS),
        Sign::support("Failed to connect to '*virtiofs*': Connection refused"),
        Sign::support("Failed to connect to '*vhost*fs*': Connection refused"),
        Sign::support("vhost-user-fs*: Failed to write msg"),
        Sign::hint("vhost_set_vring_call failed").and(FS),
        Sign::strong("vhost-user-fs-pci*Read 0 instead of 12"),
        Sign::support("Starting external device: virtiofsd").said(&[
            "exits",
            "exited",
            "is gone",
            "quits",
            "dies",
            "disappears",
            "stops",
        ]),
        Sign::strong("vu_dispatch failed"),
        Sign::strong("vu_init failed"),
        Sign::strong("vhost socket accept"),
        Sign::strong("Unexpected poll revents"),
        Sign::strong("virtio_loop ppoll"),
        Sign::strong("Virtiofsd isn't running"),
        Sign::strong("Error connecting to virtiofs socket"),
        Sign::strong("Waiting for daemon failed"),
        Sign::strong("processing the vring"),
        Sign::strong("descriptor guest memory error"),
        Sign::strong("no memory region for this address range"),
        Sign::strong("unterminated mapping"),
        Sign::strong("Invalid used length, can't return used descriptors"),
        Sign::support("Backend disconnected for socket").and(&["virtiofs"]),
        Sign::strong("The virtiofsd had stopped"),
        Sign::strong("VhostUserProtocol(SocketConnect(*code: 111").and(&["virtiofs"]),
        Sign::support("Failed connecting the backend after trying for 1 minute").and(&["virtiofs"]),
        Sign::support("CreateVirtioFs(VhostUserConnect"),
    ],
    words: &[
        "virtiofs",
        "virtiofsd",
        "after reboot",
        "share is gone",
        "hangs",
        "transport endpoint",
        "virtiofsd exits",
        "is gone",
        "virtiofsd dies",
    ],
    explains: &["vhost-user/socket-missing"],
    tells: "journalctl -b | grep virtiofsd; pgrep -a virtiofsd",
    remedy: "mend what ended virtiofsd (limits, version) and start a fresh one with every start of the VM",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
