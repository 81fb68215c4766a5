//! Why KVM came back from a guest: exit reasons, suberrors of an internal error, and reasons of the processor.
//!
//! Linux `include/uapi/linux/kvm.h` (`KVM_EXIT_*`, `KVM_INTERNAL_ERROR_*`); Intel SDM volume 3, appendix C, and section
//! "VM-instruction error numbers"; AMD APM volume 2, appendix C (`VMEXIT_INVALID`).

use super::{Code, code};

/// `KVM_EXIT_*`.
pub(super) const EXITS: &[Code] = &[
    code(0, "KVM_EXIT_UNKNOWN", "the processor left guest mode for a reason that KVM does not know", &[]),
    code(1, "KVM_EXIT_EXCEPTION", "an exception that KVM hands on", &[]),
    code(2, "KVM_EXIT_IO", "the guest used an I/O port", &[]),
    code(3, "KVM_EXIT_HYPERCALL", "the guest called the hypervisor", &[]),
    code(4, "KVM_EXIT_DEBUG", "a breakpoint or single step", &[]),
    code(
        5,
        "KVM_EXIT_HLT",
        "the guest halts and no interrupt controller is in the kernel",
        &["kvm/irqchip-mismatch"],
    ),
    code(6, "KVM_EXIT_MMIO", "the guest used memory that a device answers for", &[]),
    code(7, "KVM_EXIT_IRQ_WINDOW_OPEN", "the guest can take an interrupt again", &[]),
    code(
        8,
        "KVM_EXIT_SHUTDOWN",
        "a triple fault: the guest broke its own exception handling, or resets so",
        &["guest/kernel-panic"],
    ),
    code(
        9,
        "KVM_EXIT_FAIL_ENTRY",
        "the processor refused to enter the guest; a hardware reason follows",
        &["kvm/host-kernel-bug", "cpu/microcode-or-bios-too-old"],
    ),
    code(10, "KVM_EXIT_INTR", "a signal for the VMM", &[]),
    code(11, "KVM_EXIT_SET_TPR", "the guest set its task priority", &[]),
    code(12, "KVM_EXIT_TPR_ACCESS", "the guest read or set its task priority", &[]),
    code(13, "KVM_EXIT_S390_SIEIC", "an interception of s390", &[]),
    code(14, "KVM_EXIT_S390_RESET", "a reset of s390", &[]),
    code(15, "KVM_EXIT_DCR", "a device control register of PowerPC", &[]),
    code(16, "KVM_EXIT_NMI", "a non-maskable interrupt for the host", &[]),
    code(17, "KVM_EXIT_INTERNAL_ERROR", "KVM cannot go on; a suberror follows", &["kvm/emulation-failure"]),
    code(18, "KVM_EXIT_OSI", "an operating system interface call of PowerPC", &[]),
    code(19, "KVM_EXIT_PAPR_HCALL", "a hypercall of pseries", &[]),
    code(20, "KVM_EXIT_S390_UCONTROL", "a user-controlled VM of s390", &[]),
    code(21, "KVM_EXIT_WATCHDOG", "the watchdog of PowerPC", &[]),
    code(22, "KVM_EXIT_S390_TSCH", "a channel instruction of s390", &[]),
    code(23, "KVM_EXIT_EPR", "an external interrupt of PowerPC", &[]),
    code(24, "KVM_EXIT_SYSTEM_EVENT", "the guest shuts down, resets or crashed; Arm, RISC-V, SEV", &[]),
    code(25, "KVM_EXIT_S390_STSI", "system information of s390", &[]),
    code(26, "KVM_EXIT_IOAPIC_EOI", "the end of an interrupt of a split interrupt controller", &[]),
    code(27, "KVM_EXIT_HYPERV", "a hypercall of Hyper-V", &[]),
    code(28, "KVM_EXIT_ARM_NISV", "an access that Arm does not describe well enough to emulate", &[]),
    code(
        29,
        "KVM_EXIT_X86_RDMSR",
        "the guest read an MSR that the VMM answers for",
        &["msr/unhandled-guest-msr"],
    ),
    code(
        30,
        "KVM_EXIT_X86_WRMSR",
        "the guest wrote an MSR that the VMM answers for",
        &["msr/unhandled-guest-msr"],
    ),
    code(31, "KVM_EXIT_DIRTY_RING_FULL", "the ring of dirty pages is full", &[]),
    code(32, "KVM_EXIT_AP_RESET_HOLD", "a processor of an SEV-ES guest waits to be started", &[]),
    code(33, "KVM_EXIT_X86_BUS_LOCK", "the guest locked the bus", &[]),
    code(34, "KVM_EXIT_XEN", "an event of Xen emulation", &[]),
    code(35, "KVM_EXIT_RISCV_SBI", "a firmware call of RISC-V", &[]),
    code(36, "KVM_EXIT_RISCV_CSR", "a control register of RISC-V", &[]),
    code(37, "KVM_EXIT_NOTIFY", "the guest kept the processor from noticing interrupts", &[]),
    code(38, "KVM_EXIT_LOONGARCH_IOCSR", "an I/O register of LoongArch", &[]),
    code(
        39,
        "KVM_EXIT_MEMORY_FAULT",
        "memory that is private to the guest was used as shared, or the other way round",
        &[],
    ),
];

/// `KVM_INTERNAL_ERROR_*`.
pub(super) const SUBERRORS: &[Code] = &[
    code(
        1,
        "KVM_INTERNAL_ERROR_EMULATION",
        "an instruction that KVM has to emulate and cannot",
        &["kvm/emulation-failure", "kvm/stock-guest-under-pvm"],
    ),
    code(
        2,
        "KVM_INTERNAL_ERROR_SIMUL_EX",
        "two exceptions at once that KVM cannot put together",
        &["kvm/host-kernel-bug"],
    ),
    code(
        3,
        "KVM_INTERNAL_ERROR_DELIVERY_EV",
        "an exit while an event was being delivered, as of a broken page table or a write to the local APIC",
        &["kvm/host-kernel-bug", "msr/set-failed"],
    ),
    code(
        4,
        "KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON",
        "the processor gave an exit reason that this KVM does not know",
        &["kvm/host-kernel-bug"],
    ),
];

/// `hardware_entry_failure_reason`: bit 31 is set where VMX had begun to enter.
pub(super) const ENTRY_FAILURES: &[Code] = &[
    code(
        0x7,
        "VMX: invalid control field",
        "the kernel and the processor, or the hypervisor below, disagree on what VMX can do",
        &["nested/not-exposed", "kvm/host-kernel-bug"],
    ),
    code(
        0x8,
        "VMX: invalid host state",
        "the host's registers are not what VMX asks for",
        &["kvm/host-kernel-bug"],
    ),
    code(
        0x8000_0021,
        "VMX: invalid guest state",
        "the guest's registers are in a state that this processor cannot run, as real mode without unrestricted guest",
        &["kvm/emulation-failure", "firmware/smm-required"],
    ),
    code(
        0x8000_0022,
        "VMX: MSR loading",
        "an MSR of the guest was refused by the processor",
        &["msr/set-failed"],
    ),
    code(
        0x8000_0029,
        "VMX: machine check",
        "the hardware reported an error on the way into the guest",
        &["kvm/host-kernel-bug"],
    ),
    code(
        0xffff_ffff,
        "SVM: invalid state",
        "the guest's registers are in a state that this processor cannot run",
        &["kvm/host-kernel-bug"],
    ),
];
