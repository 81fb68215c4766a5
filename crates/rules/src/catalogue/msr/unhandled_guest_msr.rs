//! # The guest uses an MSR that KVM does not know, and dies of it
//!
//! ## What it is
//! The guest reads or writes a model-specific register that KVM does not emulate. KVM answers with #GP; a guest that does
//! not expect that (an older Windows, macOS, a driver, a debug tool) stops with a blue screen or panic.
//!
//! Heard as: macOS or Windows restarts, hangs at the logo or blue-screens on this host; ignore_msrs.
//!
//! Known by: unhandled rdmsr or wrmsr; ignore_msrs=1; macOS or Windows guest reboots or blue screen at boot;
//! SYSTEM_SERVICE_EXCEPTION, CPU-Z or benchmark crashes it; kvm: vcpu0 ignored.
//!
//! ## Why it happens
//! `host-passthrough` shows a CPU whose extra registers KVM has not; guest software probes power, thermal or performance
//! registers; a guest newer than the host's kernel uses new ones.
//!
//! ## Confirm
//! `journalctl -k` of the host: "kvm [...]: vcpu0, guest rIP: ... unhandled rdmsr: 0x...", at the time of the crash.
//! `cat /sys/module/kvm/parameters/ignore_msrs` prints N.
//!
//! ## Refute
//! The guest goes on: then the line is a remark, as are those on writes to 0xc0010115 and 0x11e, which KVM lets pass. `ignored rdmsr` means that ignore_msrs is already on.
//!
//! ## Fix
//! Give the guest a named CPU model, or a newer host kernel; `ignore_msrs=1` of module kvm answers 0 for every unknown
//! register of every VM, which hides real faults too.
//!
//! ## References
//! Linux `arch/x86/kvm/x86.c`, `kvm_set_msr_common()`; `x86.h` ("Unhandled WRMSR"); `arch/x86/lib/msr.c` and
//! `arch/x86/mm/extable.c` ("unchecked MSR access error"); `Documentation/admin-guide/kernel-parameters.txt`,
//! kvm.ignore_msrs.

use crate::Hit;
use crate::catalogue::memory::hugepages_not_reserved::settings::switched_off;
use crate::prelude::*;

/// KVM ignores what it does not know.
const SPARED: &[&str] = &["ignore_msrs=1", "ignore_msrs=Y", "ignore_msrs: Y", "ignore_msrs:Y"];

/// What people say of a guest that dies of it.
const LOOPS: &[&str] = &["logo", "restarts", "reboots", "boot loop", "bsod", "blue screen", "crash", "hangs"];

pub const RULE: Rule = Rule {
    tags: &["kvm", "msr", "windows"],
    needs: &[Need::Command(&["dmesg"]), Need::File("/sys/module/kvm/parameters/ignore_msrs")],
    signs: &[
        READS[0],
        READS[1],
        WRITES[0],
        WRITES[1],
        Sign::strong("unhandled rdmsr").and(&["EXCEPTION_NOT_HANDLED"]),
        Sign::strong("unhandled wrmsr").and(&["EXCEPTION_NOT_HANDLED"]),
        Sign::strong("unhandled rdmsr").and(&["EXCEPTION NOT HANDLED"]),
        Sign::strong("unhandled rdmsr").and(&["blue screen"]),
        Sign::strong("unhandled wrmsr").and(&["blue screen"]),
        Sign::strong("unhandled rdmsr").and(&["Kernel panic"]),
        Sign::strong("unhandled wrmsr").and(&["Kernel panic"]),
        Sign::strong("unhandled rdmsr").and(&["crash"]),
        // Linux in the guest goes on with 0: a remark, unless the guest is said to die.
        Sign::hint("unchecked MSR access error: "),
        Sign::support("unchecked MSR access error: ").said(LOOPS),
        Sign::hint("KMODE_EXCEPTION_NOT_HANDLED"),
        Sign::hint("KMODE EXCEPTION NOT HANDLED"),
        Sign::hint("SYSTEM_THREAD_EXCEPTION_NOT_HANDLED"),
        Sign::hint("SYSTEM THREAD EXCEPTION NOT HANDLED"),
        Sign::support("SYSTEM_THREAD_EXCEPTION_NOT_HANDLED").and(&["ignore_msrs"]),
        Sign::support("KMODE_EXCEPTION_NOT_HANDLED").and(&["ignore_msrs"]),
        // A guest that never ran here before: its first boot meets the CPU that it is given.
        Sign::strong("SYSTEM_THREAD_EXCEPTION").said(&["install", " iso", "setup"]),
        Sign::strong("KMODE_EXCEPTION_NOT_HANDLED").said(&["install", " iso", "setup"]),
        Sign::support("general protection fault*rdmsr"),
        Sign::support("general protection fault*wrmsr"),
        // The guest's own kernel: the register access that KVM answered with a fault.
        Sign::strong("RIP: *native_read_msr").and(&["general protection fault"]),
        Sign::strong("RIP: *native_write_msr").and(&["general protection fault"]),
        Sign::strong("EIP: native_read_msr").and(&["general protection fault"]),
        Sign::strong("EIP: native_write_msr").and(&["general protection fault"]),
        // Already answered with 0: not why it dies.
        Sign::support("ignored rdmsr: ").against(),
        Sign::support("ignored wrmsr: ").against(),
        // What a complaint makes of a configuration.
        Sign::support("isa-applesmc").unless(SPARED).said(LOOPS).or_near(),
        Sign::support("ignore_msrs: N").said(LOOPS).or_near(),
        Sign::support("ignore_msrs:N").said(LOOPS).or_near(),
        Sign::strong("Ignoring unhandled Model-Specific Registers is disabled"),
        Sign::strong("ignored rdmsr:").said(&[
            "gigabyte",
            "flood",
            "fills",
            "fill up",
            "grows",
            "grow by",
            "log is full",
            "disk is full",
            "spam",
        ]),
        Sign::strong("ignored wrmsr:").said(&[
            "gigabyte",
            "flood",
            "fills",
            "fill up",
            "grows",
            "grow by",
            "log is full",
            "disk is full",
            "spam",
        ]),
        Sign::hint("KERNEL_SECURITY_CHECK_FAILURE"),
        Sign::hint("KERNEL SECURITY CHECK FAILURE"),
    ],
    words: &["macos", "bsod", "blue screen", "ignore_msrs", "reboot loop", "crashes", "rdmsr", "wrmsr"],
    explains: &["guest/kernel-panic"],
    tells: "dmesg",
    remedy: "give the guest a named CPU model without the feature, or set ignore_msrs=1 of module kvm",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Registers whose writes KVM tells of in the same words and lets pass: MSR_VM_IGNNE (`svm_set_msr()`, which AMD's Windows
/// guests write at boot) and MSR_IA32_BBL_CR_CTL3 (`kvm_set_msr_common()`).
const LET_PASS: [&str; 2] = ["0xc0010115", "0x11e"];

/// KVM's line on a write, and on a read, by kernel.
const WRITES: [Sign; 2] = [Sign::support("unhandled wrmsr: {msr}"), Sign::support("Unhandled WRMSR({msr})")];
const READS: [Sign; 2] = [Sign::support("unhandled rdmsr: {msr}"), Sign::support("Unhandled RDMSR({msr})")];

/// The switch.
const FILE: &str = "parameters/ignore_msrs";

/// A KVM that answers unknown registers with a fault, where the guest is known to need better.
fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let writes: Vec<_> = WRITES.iter().flat_map(|sign| cx.hits_of(sign)).collect();
    let passes = |hit: &&Hit| hit.get("msr").is_some_and(|msr| LET_PASS.contains(&msr));
    if writes.iter().all(passes) && READS.iter().all(|sign| cx.hits_of(sign).is_empty()) {
        let quote = writes.first().and_then(|hit| cx.evidence(hit));
        draft = draft.despite(Strength::Strong, quote, "KVM lets this write pass, and only tells of it");
    }
    let needy = cx.asked(RULE.words);
    let strength = if needy { Strength::Support } else { Strength::Hint };
    for (text, number) in switched_off(cx, FILE) {
        draft = draft.because(strength, text.quote(number), "KVM answers unknown registers with a fault");
    }
    vec![draft.verdict()]
}
