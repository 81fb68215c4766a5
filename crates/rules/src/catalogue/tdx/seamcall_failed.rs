//! # A call into the TDX module fails with a code that names the reason
//!
//! ## What it is
//! The kernel asks the TDX module by SEAMCALL; the answer is a 64-bit status. Bits 63:32 are the class and the
//! reason, bits 31:0 a detail such as the number of the operand, MSR or CPUID leaf.
//!
//! ## Why it happens
//! During initialisation mostly the BIOS: processors of one machine set up differently, an MSR value that the module
//! does not accept (for example 0x122, TSX control), SMRR not locked, an old microcode. While VMs run: operands busy
//! under contention, pages in another state than KVM believes (a kernel bug), no entropy, no key ID left.
//!
//! ## Confirm
//! `dmesg | grep -A2 SEAMCALL`: the leaf number in brackets (0x21 TDH.SYS.INIT, 0x22 TDH.SYS.RD, 0x23 TDH.SYS.LP.INIT,
//! 0x2d TDH.SYS.CONFIG) and the status.
//!
//! ## Refute
//! No SEAMCALL line; a status of class 0x80000003 (interrupted, resumable) is no failure.
//!
//! ## Fix
//! By the reason: BIOS and microcode update for CPUID, MSR and SMRR codes; a newer module for metadata codes; a newer
//! kernel for page state codes; fewer VMs where no key ID is free.
//!
//! ## References
//! Intel TDX module ABI specification, "Function completion status codes"; Linux `arch/x86/virt/vmx/tdx/tdx.c`
//! `seamcall_err()`, `arch/x86/kvm/vmx/tdx.c` `pr_tdx_error()`, `arch/x86/kvm/vmx/tdx_errno.h`.

use crate::prelude::*;

const SYSTEM: &str = "SEAMCALL ({leaf}) failed: {status}";
const NAMED: &str = "SEAMCALL {leaf} failed: {status}";
const EARLY: &str = "SEAMCALL failed: CPU {cpu}: leaf {leaf}, error {status}";
const VALUE: &str = "SEAMCALL[{leaf}] failed: {status}";
const HARDWARE: &str = "failed, hw_errors: {status}";

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["confidential", "tdx"],
    signs: &[
        Sign::strong(SYSTEM),
        Sign::strong(NAMED),
        Sign::strong(EARLY),
        Sign::strong(VALUE),
        Sign::strong("TDH_VP_RD[{field}] failed {status}"),
        Sign::strong("tdh_mng_key_freeid() failed. HKID {id} is leaked"),
        Sign::support("TDX ioctl {name} failed, hw_errors: 0xc"),
        Sign::support("TDX ioctl {name} failed, hw_errors: 0x8"),
        Sign::hint(HARDWARE),
    ],
    words: &["seamcall", "tdx module", "intel tdx", "trust domain"],
    tells: "dmesg",
    remedy: "follow the status code: BIOS or microcode for CPUID, MSR and SMRR codes, the module for metadata codes",
    disruption: Disruption::HostReboot,
    escalation: Some(Agent::DebugSpecialist),
    needs: &[Need::Command(&["dmesg"])],
    check,
    ..Rule::NEW
};

/// Bits 63:32 of the status and what they mean (TDX module ABI specification, completion status codes).
const STATUS: [(u32, &str); 21] = [
    (0x8000_0003, "the call was interrupted and may be resumed"),
    (0xC000_0100, "an operand is invalid; the low bits number it"),
    (0x8000_0200, "an operand is busy: another CPU works on it"),
    (0x8000_0202, "the module is busy"),
    (0xC000_0300, "a page is in another state than the kernel believes"),
    (0xC000_0500, "initialisation was already begun"),
    (0xC000_0505, "the module is not ready: its initialisation is not complete"),
    (0xC000_0506, "the module is shut down"),
    (0xC000_0705, "the VM has more vCPUs than the module allows"),
    (0x8000_0800, "no entropy for a key: try again"),
    (0xC000_0820, "the key ID is not free"),
    (0xC000_0900, "a CPUID value is not what the module needs: BIOS or microcode"),
    (0xC000_0901, "the BIOS limits CPUID leaves (boot NT4)"),
    (0xC000_0902, "CPUID differs between the processors: BIOS or microcode"),
    (0xC000_0910, "SMRR is not locked by the BIOS"),
    (0xC000_0911, "the BIOS set SMRR up wrongly"),
    (0xC000_0912, "SMRR overlaps convertible memory: BIOS"),
    (0xC000_0920, "an MSR differs between the processors: BIOS or microcode"),
    (0xC000_0921, "an MSR has a value that the module refuses; the low bits number it"),
    (0xC000_0A02, "a TDX memory region lies outside convertible memory"),
    (0xC000_0C00, "the module does not know the metadata field: it is too old"),
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let status = [SYSTEM, NAMED, EARLY, VALUE, HARDWARE].iter().find_map(|pattern| {
        let status = cx.hits(pattern).first()?.get("status")?;
        let digits = status.trim_end_matches(['.', ',']).strip_prefix("0x")?;
        u64::from_str_radix(digits, 16).ok()
    });
    if let Some(status) = status {
        let high = u32::try_from(status >> 32).expect("a shift by 32 leaves 32 bits");
        let low = status & 0xFFFF_FFFF;
        if let Some((_, what)) = STATUS.iter().find(|(code, _)| *code == high) {
            draft = draft.title(format!("SEAMCALL fails with {status:#x}: {what} (detail {low:#x})"));
        }
    }
    vec![draft.verdict()]
}
