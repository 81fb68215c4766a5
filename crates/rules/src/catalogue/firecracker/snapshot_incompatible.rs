//! # The snapshot does not fit this Firecracker version or this host's CPU
//!
//! ## What it is
//! A Firecracker snapshot holds the VMM's state in a format with its own version, and registers and features of the
//! CPU that it was taken on. Another format version, architecture, CPU vendor or missing CPU feature makes the load
//! fail.
//!
//! Heard as: a snapshot taken with another version or on another CPU cannot be loaded.
//!
//! Known by: cannot deserialize the microVM state, invalid version or magic or crc; snapshot made on another CPU, Intel
//! and AMD, or by an older version; failed to restore msrs.
//!
//! ## Why it happens
//! Firecracker was updated (a new major format version is not readable by the other side), the file is truncated or
//! was written by a crashed run (CRC), or the snapshot was moved to a host with another CPU model, microcode or kernel.
//! TSC scaling may be absent. A snapshot of huge page memory must be loaded by userfaultfd.
//!
//! ## Confirm
//! `firecracker --describe-snapshot <file>` against `firecracker --snapshot-version`; compare the model in
//! `/proc/cpuinfo` of both hosts.
//!
//! ## Refute
//! The state loads and the failure is about a socket, tap or disk: firecracker/restore-conflict.
//!
//! ## Fix
//! Load with the version that took it, or take it anew; use one CPU model, or a CPU template on both sides.
//!
//! ## References
//! Firecracker `docs/snapshotting/versioning.md`, `docs/snapshotting/snapshot-support.md`,
//! `src/vmm/src/persist.rs`, `src/vmm/src/snapshot/mod.rs` `SnapshotError`, `docs/cpu_templates/`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["firecracker", "snapshot"],
    signs: &[
        Sign::proof("Host CPU vendor ID differs from the snapshotted one"),
        Sign::proof("Host CPU manufacturer ID differs from the snapshotted one"),
        Sign::proof("Invalid data format version of snapshot file"),
        Sign::proof("Failed to load snapshot state from file"),
        Sign::strong("Failed to get snapshot state from file: ").unless(&["Failed to open snapshot file"]),
        Sign::strong("Invalid data version: ").and(&["snapshot"]),
        Sign::strong("Magic value does not match arch"),
        Sign::strong("CRC64 validation failed"),
        Sign::strong("Cannot deserialize the microVM state"),
        Sign::strong("Cannot deserialize MicrovmState"),
        Sign::strong("deserialize snapshot").and(&["firecracker"]),
        Sign::strong("Invalid snapshot state: "),
        Sign::strong("InvalidDataVersion"),
        Sign::strong("InvalidFormatVersion"),
        Sign::strong("InvalidMagic(").and(&["snapshot"]),
        Sign::strong("Could not set TSC scaling within the snapshot"),
        Sign::strong("TSC, frequency not present in the given snapshot"),
        Sign::support("Snapshot cannot be loaded on a different CPU model"),
        Sign::strong("Failed to set all KVM MSRs").and(&["snapshot"]),
        Sign::strong("Failed to set all KVM MSRs").and(&["restor"]),
        Sign::support("Failed to restore vCPUs: "),
        Sign::support("Cannot restore hugetlbfs backed snapshot by mapping the memory file"),
        Sign::support("An error occurred during bitcode serialization"),
        Sign::support("Cannot translate snapshot"),
        // 0.24 to 1.16: `MicrovmStateError`, `StartMicrovmError`, `VcpuError`, `VmError` on the way of a load.
        Sign::strong("Cannot restore Vcpu state"),
        Sign::strong("Cannot restore Vm state"),
        Sign::strong("Cannot restore devices*(Persist("),
        Sign::strong("Cannot restore devices*InvalidInput"),
        Sign::strong("Cannot restore devices*Deserializ"),
        Sign::support("Cannot restore microvm state").unless(&[
            "Open tap device failed",
            "TapOpen(",
            "UnixBind(",
        ]),
        Sign::support("Load microVM snapshot error").unless(&[
            "not allowed after",
            "TapOpen(",
            "Open tap device failed",
            "UnixBind(",
            "os error",
        ]),
        Sign::strong("Failed to restore the state of the vcpu"),
        Sign::strong("Provided MicroVM state is invalid"),
        Sign::strong("Snapshot state contains invalid queue info"),
        Sign::strong("Could not restore queue"),
        Sign::strong("Snapshot sanity check failed"),
        Sign::strong("Compatibility checks failed"),
        Sign::strong("CPU vendor check failed"),
        Sign::strong("Failed to validate vCPU"),
        Sign::strong("Is the snapshot file corrupted?"),
        Sign::strong("Snapshot file is smaller than CRC length"),
        Sign::strong("Snapshot size exceeds limit of"),
        Sign::strong("Cannot translate microVM version to snapshot data version"),
        Sign::strong("incompatible with older versions of Firecracker"),
        Sign::strong("Failed to set KVM vm ").and(&["snapshot"]),
        Sign::strong("Failed to set KVM vcpu ").and(&["snapshot"]),
        Sign::support("number of available descriptors {n} is greater than queue").and(&["snapshot"]),
        Sign::support("Failed to re-create the virtio state"),
        Sign::support("Cannot deserialize memory: "),
    ],
    words: &["snapshot", "restore", "firecracker", "different host", "upgrade", "load snapshot"],
    explains: &["msr/set-failed", "kvm/host-kernel-bug"],
    tells: "firecracker --describe-snapshot",
    remedy: "load the snapshot with the Firecracker version and CPU model that took it, or take it anew",
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
