//! # A seccomp filter ends or blocks the VMM
//!
//! ## What it is
//! QEMU's `-sandbox on` (libvirt's default), virtiofsd, swtpm, Firecracker and container runtimes install lists
//! of system calls. A call outside the list ends the process with SIGSYS, or fails with EPERM, before any message.
//!
//! Heard as: QEMU vanishes or dumps core right after the start, signal 31 or SIGSYS, with 3D, OpenGL or sandbox
//! on.
//!
//! Known by: bad system call, SIGSYS, signal 31; type=1326 in audit; dies with the sandbox on, runs with -sandbox off
//! or --no-seccomp or --seccomp false; after a glibc or kernel upgrade; killed at once without message, core dumped;
//! SCMP_ACT_KILL, SECCOMP_RET_KILL; unknown syscall number; rseq, clone3, faccessat2; exit status 159.
//!
//! ## Why it happens
//! A library that QEMU links (a GL driver, libc, a storage client) makes a call that the list does not know:
//! Mesa sets thread affinity (`resourcecontrol=deny` forbids it), a plugin forks (`spawn=deny`), a newer libc
//! uses a newer call. Docker's list forbids io_uring, userfaultfd and keyctl.
//!
//! ## Confirm
//! `journalctl -k | grep -E 'type=1326|SECCOMP'`: `comm` and `exe` name the program, `syscall` the number (see
//! `ausyscall`), `sig=31` that it was killed. `grep Seccomp /proc/<pid>/status`.
//!
//! ## Refute
//! No such audit line at the time, and the VM fails with `seccomp_sandbox = 0` as well.
//!
//! ## Fix
//! Update the program whose list is too short. As a stopgap loosen the one part of the sandbox that is hit
//! (`-sandbox on,resourcecontrol=allow`), not all of it; in a container use a profile that allows the call.
//!
//! ## References
//! QEMU `system/qemu-seccomp.c`, `denylist[]`; `docs/system/security.rst`; Linux
//! `Documentation/userspace-api/seccomp_filter.rst`; `kernel/auditsc.c`, `audit_seccomp()`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["security", "sandbox"],
    needs: &[Need::Command(&["dmesg"])],
    signs: &[
        Sign::proof("type=1326*qemu"),
        Sign::proof("type=1326*virtiofsd"),
        Sign::proof("type=1326*swtpm"),
        Sign::proof("type=1326*cloud-hyper"),
        Sign::support("type=1326*sig=31"),
        Sign::hint("type=1326 "),
        Sign::proof("type=SECCOMP*qemu"),
        Sign::support("type=SECCOMP*sig=31"),
        Sign::hint("type=SECCOMP "),
        Sign::strong("Bad system call"),
        Sign::strong("killed by SIGSYS"),
        Sign::strong("signal SIGSYS"),
        Sign::strong("SIGSYS {"),
        Sign::strong("code=killed, status=31/SYS"),
        Sign::strong("code=dumped, status=31/SYS"),
        Sign::strong("crashed with signal 31"),
        Sign::strong("crashed with SIGSYS"),
        Sign::strong("Signal: 31"),
        Sign::strong("terminated with signal SIGSYS"),
        Sign::strong("terminated with signal 31"),
        Sign::strong("(core dumped) signal 31"),
        Sign::strong("terminated by signal 31"),
        Sign::strong("exited on signal 31"),
        Sign::strong("signal: bad system call"),
        Sign::strong("failed to load seccomp syscall filter in kernel"),
        Sign::strong("failed to set seccomp thread synchronization"),
        Sign::strong("failed to install seccomp syscall filter"),
        Sign::strong("failed to add seccomp denylist rules"),
        Sign::strong("failed to initialize seccomp context"),
        Sign::support("-sandbox support is not enabled"),
        Sign::support("pthread_setaffinity").and(&["qemu-", "crash"]),
        Sign::support("sched_setaffinity*Operation not permitted"),
        Sign::support("Failed to fork: Operation not permitted").and(&["spawn=deny"]),
        Sign::support("Operation not permitted").and(&["spawn=deny", "-sandbox"]),
        Sign::support("io_uring*Operation not permitted").and(&["docker"]),
        Sign::support("userfaultfd*Operation not permitted").and(&["docker"]),
        Sign::hint("SIGSYS"),
        Sign::hint("seccomp_sandbox"),
        // Cloud Hypervisor's handler of SIGSYS.
        Sign::strong("Possible seccomp violation"),
    ],
    words: &["seccomp", "sandbox", "sigsys", "without a message", "killed", "crash"],
    explains: &["virtiofs/daemon-exited"],
    tells: "journalctl -k | grep -E 'type=1326|SECCOMP'",
    remedy: "update the program whose filter is too short, or allow the one call that the audit line names",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SecurityEngineer),
    ..Rule::NEW
};
