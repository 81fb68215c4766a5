//! # The guest kernel panics for a reason of its own
//!
//! ## What it is
//! The VM runs as configured; the software in it fails: init dies, a driver oopses, memory is used up, Windows
//! stops with a bug check. The VMM at most reports that the guest panicked.
//!
//! Heard as: the guest restarts by itself or stops with a panic, oops or BUG of its own kernel or module while the
//! host is fine.
//!
//! Known by: not syncing; attempted to kill init; oops or BUG in the guest; end trace; guest reboots by itself after
//! panic; unable to mount root; general protection fault; VM crashed state, pvpanic; kdump; stack trace in serial log;
//! root device not found; out of memory in guest and no killable; init exited.
//!
//! ## Why it happens
//! A bad update, a broken root file system or init, a driver bug, too little memory for initramfs or workload,
//! panic_on_* settings. What looks so may come from outside: a missing disk driver or root device, a CPU
//! feature that lacks, an emulator fault; those have rules of their own.
//!
//! ## Confirm
//! The guest's console from the first "Oops" or "BUG:" on, not only the last line; `virsh domstate --reason
//! NAME` ("crashed (panicked)"); a pvpanic device and `<on_crash>` keep the moment.
//!
//! ## Refute
//! The trace begins in a mount of the root device, in an invalid opcode of a CPU feature, or the VMM reported
//! an internal error: look there.
//!
//! ## Fix
//! Boot the previous kernel or a rescue image in the same VM; give more memory where it ran out; report the
//! trace to the guest's vendor. Keep a dump: `virsh dump --memory-only NAME FILE`.
//!
//! ## References
//! Linux `kernel/panic.c`, `kernel/exit.c`, `Documentation/admin-guide/bug-hunting.rst`; QEMU
//! `docs/specs/pvpanic.rst`; libvirt `formatdomain.html`, "Events configuration".

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["guest"],
    rank: Rank::General,
    signs: &[
        Sign::strong("Kernel panic - not syncing: Attempted to kill init!").unless(OUTSIDE),
        Sign::strong("Kernel panic - not syncing: Fatal exception").unless(OUTSIDE),
        Sign::strong("Kernel panic - not syncing: Out of memory").unless(OUTSIDE),
        Sign::strong("Kernel panic - not syncing: System is deadlocked on memory").unless(OUTSIDE),
        Sign::strong("Kernel panic - not syncing: hung_task").unless(OUTSIDE),
        Sign::strong("Kernel panic - not syncing: softlockup").unless(OUTSIDE),
        Sign::strong("Kernel panic - not syncing: No working init found").unless(OUTSIDE),
        Sign::strong("Kernel panic - not syncing: panic_on_").unless(OUTSIDE),
        Sign::strong("Kernel panic - not syncing: stack-protector").unless(OUTSIDE),
        Sign::support("Kernel panic - not syncing: Requested init").unless(OUTSIDE),
        Sign::support("Kernel panic - not syncing").unless(OUTSIDE),
        Sign::hint("Kernel panic - not syncing"),
        Sign::support("Kernel Offset: ").unless(OUTSIDE),
        Sign::support("GUEST_PANICKED"),
        Sign::support("crashed (panicked)"),
        Sign::support("Guest crashed on cpu"),
        Sign::support("domain is in crashed state"),
        Sign::strong("No working init found. Try passing init=").unless(OUTSIDE),
        Sign::support("BUG: unable to handle").kinds(GUEST).unless(OUTSIDE),
        Sign::support("BUG: kernel NULL pointer dereference").kinds(GUEST).unless(OUTSIDE),
        Sign::support("general protection fault").kinds(GUEST).unless(OUTSIDE),
        Sign::support("kernel BUG at ").kinds(GUEST).unless(OUTSIDE),
        Sign::support("Internal error: Oops").kinds(GUEST).unless(OUTSIDE),
        Sign::support("Out of memory: Kill").kinds(GUEST).unless(OUTSIDE),
        Sign::support("Freezing execution").kinds(GUEST).unless(OUTSIDE),
        Sign::support("Your PC ran into a problem and needs to restart"),
        Sign::support("BugcheckCode"),
        Sign::support("Your device ran into a problem and needs to restart"),
        Sign::support("PAGE_FAULT_IN_NONPAGED_AREA"),
        Sign::support("SYSTEM_THREAD_EXCEPTION_NOT_HANDLED"),
        Sign::support("KERNEL_SECURITY_CHECK_FAILURE"),
        Sign::support("Guest MCE Memory Error at QEMU addr"),
        Sign::support("guest crashed while connecting to the guest agent"),
    ],
    words: &["kernel panic", "panic", "guest crash", "oops", "blue screen", "bsod", "crashes"],
    tells: "the guest's console; virsh domstate --reason NAME",
    remedy: "boot the guest's previous kernel or a rescue image and mend what the first lines of its trace name",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::DebugSpecialist),
    ..Rule::NEW
};

/// What the machine and not the guest is the reason of.
const OUTSIDE: &[&str] = &[
    "Unable to mount root fs",
    "IO-APIC + timer doesn't work",
    "KVM internal error",
    "unhandled wrmsr",
    "unhandled rdmsr",
    "unchecked MSR access",
    "does not exist.  Dropping to a shell",
    "INACCESSIBLE_BOOT_DEVICE",
    "CPU does not support x86-64-v",
    "Fatal glibc error: CPU does not support",
    "invalid opcode: 0000",
];

/// Texts that come from inside a guest.
const GUEST: &[&str] = &["guest_kernel_log", "guest_console"];
