//! # KVM cannot emulate an instruction or mode that the guest reached
//!
//! ## What it is
//! KVM hands some instructions to its own emulator: those on device memory, in real mode on old CPUs, on page tables it
//! watches. One that the emulator does not know ends the VM with "KVM internal error. Suberror: 1".
//!
//! Heard as: the VM is paused or hangs with KVM internal error or emulation failure.
//!
//! Known by: KVM internal error. Suberror: 1; emulation failure; guest paused (internal-error), registers dumped; real
//! mode, unrestricted guest missing; MMIO with SSE or AVX; invalid guest state; guest stops at odd instruction, state
//! dump EAX= EIP= Code=; old OS or bootloader in real mode; paused (internal error); emulator cannot decode.
//!
//! ## Why it happens
//! The guest executes device memory or garbage (a jump into nowhere, broken firmware, an overwritten kernel); it uses
//! SSE or AVX on a mapped register; the host CPU lacks unrestricted guest mode; nesting or a kernel bug leaves an
//! impossible state.
//!
//! ## Confirm
//! In the VM's log: "KVM internal error", "emulation failure", a register dump and `Code=` bytes around `<xx>`. Zeros or
//! ff there mean that the guest ran off its code. `cat /sys/module/kvm_intel/parameters/unrestricted_guest` prints Y.
//!
//! ## Refute
//! The same guest runs on this host under another kernel (`kvm/host-kernel-bug`), or the host is PVM
//! (`kvm/stock-guest-under-pvm`).
//!
//! ## Fix
//! Find what the guest ran: take another firmware or guest kernel, another CPU model, or the host's newest kernel. TCG
//! runs what the emulator cannot.
//!
//! ## References
//! Linux `Documentation/virt/kvm/api.rst`, KVM_EXIT_INTERNAL_ERROR; `arch/x86/kvm/emulate.c`; QEMU
//! `accel/kvm/kvm-all.c`, `kvm_handle_internal_error()`; `target/i386/kvm/kvm.c` ("KVM: entry failed").

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["kvm", "boot"],
    signs: &[
        Sign::strong("KVM internal error. Suberror: 1"),
        Sign::strong("KVM internal error. Suberror: {code}")
            .unless(&["KVM internal error. Suberror: 1", "KVM internal error. Suberror: 3"]),
        // An exit in the midst of delivering an event: nothing was emulated.
        Sign::hint("KVM internal error. Suberror: 3"),
        Sign::support("emulation failure").and(&["KVM internal error"]),
        Sign::support("KVM: entry failed, hardware error 0x80000021"),
        Sign::support("KVM: entry failed, hardware error 0x"),
        Sign::support("without unrestricted mode"),
        Sign::support("KVM: unknown exit, hardware reason"),
        Sign::support("error: kvm run failed"),
        Sign::strong("KVM_EXIT_INTERNAL_ERROR"),
        Sign::strong("Unexpected exit reason on vcpu run: InternalError"),
        Sign::support("KVM_EXIT_FAIL_ENTRY"),
        Sign::support("Received KVM_EXIT_"),
        Sign::hint("kvm: emulating exchange as write"),
        // The host is PVM: that is the cause, and this its consequence.
        Sign::strong("kvm_pvm").against(),
        Sign::strong("notify exit with invalid context in guest"),
        Sign::support("KVM: unknown exit reason"),
        Sign::strong("vmx: unexpected exit reason"),
        Sign::strong("Unexpected exit reason on vcpu run: FailEntry"),
        Sign::support("hardware_entry_failure_reason"),
        // arm64: the guest reads or writes a device by an instruction that says not how.
        Sign::strong("load/store instruction decoding not implemented"),
        Sign::strong("with no valid syndrome information"),
        Sign::support("VCPU generated error: VcpuRun"),
        Sign::support("kvm run failed Bad address"),
    ],
    words: &["kvm internal error", "emulation failure", "suberror", "paused", "internal-error"],
    tells: "/var/log/libvirt/qemu/VM.log",
    remedy: "find the instruction at Code= and change the firmware, guest kernel or CPU model that leads to it",
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::DebugSpecialist),
    ..Rule::NEW
};
