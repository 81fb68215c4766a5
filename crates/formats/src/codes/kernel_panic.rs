//! First lines of kernel panics: what follows `Kernel panic - not syncing:`.
//!
//! Linux `init/main.c`, `init/do_mounts.c`, `kernel/exit.c`, `kernel/panic.c`, `kernel/watchdog.c`,
//! `kernel/hung_task.c`, `mm/oom_kill.c`, `arch/x86/kernel/apic/io_apic.c`, `arch/x86/kernel/cpu/mce/core.c`.

use super::{Line, line};

/// Heads of panics, in lower case.
pub(super) const HEADS: &[Line] = &[
    line(
        "vfs: unable to mount root fs",
        "no driver, initrd or `root=` for the root disk",
        &["firmware/guest-lacks-boot-driver", "guest/kernel-panic"],
    ),
    line(
        "no working init found",
        "the root file system has no init, or is another one",
        &["guest/kernel-panic"],
    ),
    line(
        "requested init",
        "`init=` names a program that cannot be started",
        &["firecracker/boot-args", "guest/kernel-panic"],
    ),
    line(
        "attempted to kill init",
        "the first process ended or was killed; its exit code stands there",
        &["guest/kernel-panic"],
    ),
    line("attempted to kill the idle task", "the kernel broke in an interrupt", &["guest/kernel-panic"]),
    line(
        "out of memory and no killable processes",
        "the guest has too little memory to boot",
        &["memory/hotplug-exhausts-boot-memory"],
    ),
    line(
        "out of memory: compulsory panic_on_oom",
        "the guest ran out of memory, and is set to panic then",
        &["guest/kernel-panic"],
    ),
    line(
        "io-apic + timer doesn't work",
        "no timer interrupt arrives: interrupt controller and machine type do not go together",
        &["kvm/irqchip-mismatch"],
    ),
    line(
        "timer doesn't work through interrupt-remapped io-apic",
        "the emulated IOMMU does not remap the timer's interrupt",
        &["kvm/irqchip-mismatch"],
    ),
    line(
        "softlockup: hung tasks",
        "a processor did no work for 20 seconds and more: the host is overcommitted, or a lock hangs",
        &["perf/cpu-steal"],
    ),
    line("hard lockup", "a processor took no interrupt for long", &["perf/cpu-steal"]),
    line(
        "hung_task: blocked tasks",
        "storage or a network file system does not answer",
        &["storage/io-error-paused"],
    ),
    line(
        "fatal exception in interrupt",
        "a defect in the guest's kernel or a driver",
        &["guest/kernel-panic"],
    ),
    line(
        "not syncing: fatal exception",
        "a defect in the guest's kernel or a driver",
        &["guest/kernel-panic"],
    ),
    line(
        "fatal machine check",
        "the hardware, or what the VMM shows of it, reported an error",
        &["kvm/host-kernel-bug"],
    ),
    line(
        "fatal local machine check",
        "the hardware, or what the VMM shows of it, reported an error",
        &["kvm/host-kernel-bug"],
    ),
    line(
        "timeout: not all cpus entered broadcast exception handler",
        "a machine check, and virtual processors that got no time",
        &["perf/cpu-steal"],
    ),
    line(
        "stack-protector: kernel stack is corrupted",
        "a defect in the guest's kernel",
        &["guest/kernel-panic"],
    ),
    line(
        "nmi: not continuing",
        "somebody injected an NMI, as a watchdog device does",
        &["guest/kernel-panic"],
    ),
];
