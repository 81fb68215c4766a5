//! # Firecracker's seccomp filter does not fit the build or the host
//!
//! ## What it is
//! Each thread of Firecracker runs under a filter of allowed system calls, made for the released static musl build.
//! Another build or C library makes other calls; then the process is stopped with SIGSYS, exit code 148. A custom
//! filter in another format or for other threads is refused at start.
//!
//! Heard as: Firecracker is killed with bad system call after the host or libc was changed or with a custom filter
//! or build.
//!
//! Known by: Firecracker exits with 148 or bad system call; intercepted by seccomp; built for gnu target, other libc or
//! new kernel; custom filter; --no-seccomp works.
//!
//! ## Why it happens
//! The binary was built for the gnu target, or linked against a newer libc; a filter file compiled by `seccompiler-bin`
//! of another version is given by `--seccomp-filter`; the host kernel or a sanitizer makes the runtime use a new call.
//!
//! ## Confirm
//! The log: "Shutting down VM after intercepting a bad syscall (N)"; `ausyscall N`; `file firecracker` (statically
//! linked or not); `dmesg | grep -i seccomp`.
//!
//! ## Refute
//! A filter of the container runtime stops it instead (access/seccomp-kill): the released binary fails alike.
//!
//! ## Fix
//! Use the released binary of the same version, or build for the musl target; compile the filter with the same
//! version's seccompiler. `--no-seccomp` is for finding out only.
//!
//! ## References
//! Firecracker `docs/seccomp.md`, `docs/seccompiler.md`, `src/firecracker/src/seccomp.rs`,
//! `src/vmm/src/signal_handler.rs`, `src/vmm/src/lib.rs` `FcExitCode::BadSyscall`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["firecracker", "security"],
    signs: &[
        Sign::proof("Shutting down VM after intercepting a bad syscall"),
        Sign::proof("Seccomp error: Filter deserialization failed"),
        Sign::proof("Seccomp error: Invalid thread categories"),
        Sign::proof("Seccomp error: Missing thread category"),
        Sign::strong("Seccomp error: "),
        Sign::strong("No seccomp filter for thread category"),
        Sign::strong("Missing vmm seccomp filter"),
        Sign::strong("Failed to install vmm seccomp filter"),
        Sign::strong("Filter deserialization failed: "),
        Sign::strong("Invalid thread categories: "),
        Sign::strong("Could not set seccomp filter").and(&["firecracker"]),
        Sign::strong("SECCOMP*comm=\"fc_vcpu"),
        Sign::strong("SECCOMP*comm=\"fc_api"),
        Sign::strong("SECCOMP*comm=\"firecracker\""),
        Sign::strong("type=1326*comm=\"fc_vcpu"),
        Sign::strong("type=1326*comm=\"fc_api"),
        Sign::strong("type=1326*comm=\"firecracker\""),
        Sign::support("SIGSYS").and(&["firecracker"]),
        Sign::strong("exit status 148").and(&["firecracker"]),
        Sign::strong("exited with code 148").and(&["firecracker"]),
        Sign::support("exit code: 148"),
        Sign::support("Bad system call").and(&["firecracker"]),
        Sign::strong("Failed to apply VMM secccomp filter"),
        Sign::strong("Failed to start vCPUs as no vCPU seccomp filter found"),
        Sign::strong("Failed to load seccomp rules into the kernel"),
        Sign::strong("Cannot build seccomp filters"),
        Sign::strong("Bincode deserialization failed").and(&["seccomp"]),
        Sign::strong("Bitcode deserialization failed").and(&["seccomp"]),
        Sign::strong("a valid value for 'seccomp-level'"),
        Sign::support("firecracker*exit status 148"),
        Sign::support("exit_code=148"),
        Sign::strong("exit with 148").and(&["firecracker"]),
        Sign::strong("exits with 148").and(&["firecracker"]),
        Sign::strong("exited with 148").and(&["firecracker"]),
    ],
    words: &["seccomp", "bad syscall", "firecracker", "musl", "custom filter", "bad system call"],
    explains: &["access/seccomp-kill"],
    tells: "firecracker.log",
    remedy: "use the released musl build, or a filter compiled by the same version's seccompiler",
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SecurityEngineer),
    ..Rule::NEW
};
