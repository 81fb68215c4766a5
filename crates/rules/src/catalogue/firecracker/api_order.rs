//! # A call of Firecracker's API came in a state where it is not allowed
//!
//! ## What it is
//! Before the start the API configures; after it only few calls are allowed (pause, resume, snapshot of a paused
//! microVM, updates of drives and rate limits). A snapshot can be loaded only into a fresh process to which nothing but
//! logger and metrics was told. A call in the wrong state is answered with 400.
//!
//! Heard as: a request is refused because the microVM has been started already, or not yet; SDK or script sends
//! calls in another order.
//!
//! Known by: not supported after starting the microVM; not supported before; boot source must come first; 400 bad
//! request from the socket; PUT after InstanceStart.
//!
//! ## Why it happens
//! An SDK or script sends `PUT /drives` or `/network-interfaces` and then `/snapshot/load`, or sends a drive after the
//! load; it starts before the kernel was set, starts twice, takes a snapshot without pausing, or reuses a socket of a
//! running process. Some SDKs add default drives on their own, or were made for another version and send other fields.
//!
//! ## Confirm
//! The order of the lines "The API server received a Put request on ..." in the log; `curl --unix-socket <socket>
//! http://localhost/` shows the state (Not started, Running, Paused).
//!
//! ## Refute
//! The same call in a fresh process fails alike, and no field is named that this version lacks or misses.
//!
//! ## Fix
//! Configure, then start; load a snapshot first and alone; pause before a snapshot; one process for one microVM.
//!
//! ## References
//! Firecracker `src/vmm/src/rpc_interface.rs` `VmmActionError`, `LoadSnapshotError`; `docs/api_requests/`,
//! `docs/snapshotting/snapshot-support.md`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["firecracker", "api"],
    signs: &[
        Sign::proof("The requested operation is not supported after starting the microVM"),
        Sign::proof("The requested operation is not supported before starting the microVM"),
        Sign::proof("snapshot not allowed after configuring boot-specific resources"),
        Sign::proof("The update operation is not allowed after boot"),
        Sign::proof("Cannot start microvm without kernel configuration"),
        Sign::proof("Cannot start microvm without guest mem_size config"),
        Sign::strong("OperationNotSupportedPostBoot"),
        Sign::strong("OperationNotSupportedPreBoot"),
        Sign::strong("LoadSnapshotNotAllowed"),
        Sign::strong("The microVM is already running"),
        Sign::strong("The microvm is already running"),
        Sign::strong("MicroVMAlreadyRunning"),
        Sign::strong("MicrovmAlreadyRunning"),
        Sign::strong("Create snapshot error: *Operation not allowed"),
        Sign::strong("Operation not allowed: save").and(&["firecracker"]),
        Sign::strong("Operation not allowed: Cannot save"),
        Sign::strong("save/restore unavailable while running").and(&["firecracker"]),
        Sign::support("NotAllowed(\"save/restore unavailable while running"),
        Sign::support("Microvm is not running"),
        // 0.x.
        Sign::strong("Microvm already running"),
        Sign::strong("Operation not allowed pre-boot!"),
        Sign::strong("Cannot enable/disable the statistics after boot"),
        Sign::support("Vcpu is in unexpected state"),
        // An SDK of another version sends other fields.
        Sign::strong("FaultMessage:missing field"),
        Sign::strong("FaultMessage:unknown field"),
        Sign::strong("\"fault_message\":\"*missing field"),
        Sign::strong("\"fault_message\":\"*unknown field"),
        Sign::strong("deserializing the json body of a request: missing field"),
        Sign::strong("deserializing the json body of a request: unknown field"),
        Sign::support("error occurred when deserializing the json body of a request"),
        Sign::support("Invalid request method and/or path").and(&["firecracker"]),
    ],
    words: &["firecracker", "load snapshot", "api call", "sdk", "not allowed", "after starting"],
    explains: &["firecracker/restore-conflict"],
    tells: "firecracker.log",
    remedy: "send configuration before the start, and load a snapshot first and alone into a fresh process",
    ..Rule::NEW
};
