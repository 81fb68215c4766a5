//! # A call into the TDX module fails with a code that names the reason
//!
//! ## What it is
//! The kernel asks the TDX module by SEAMCALL; the answer is a 64-bit status. Bits 63:32 are the class and the
//! reason, bits 31:0 a detail such as the number of the operand, MSR or CPUID leaf.
//!
//! Heard as: a SEAMCALL fails with a code.
//!
//! Known by: SEAMCALL failed with 0xC0000...; TDH.MEM, TDH.VP, TDH.MNG error; operand busy; KVM_TDX_INIT_VM failed; TD
//! exits, error code; hexadecimal status; leaf, operand; trust domain cannot be created or finalised; TD_INIT,
//! MEM_PAGE_ADD; firmware returned error.
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
use vmwright_formats::{seamcall_leaf, seamcall_words};

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
        Sign::strong("tdh_mng_vpflushdone() failed. HKID {id} is leaked"),
        Sign::strong("TDH_VP_WR[{field}]*failed: {status}"),
        Sign::strong("SEAMCALL {name} failed: {status}"),
        Sign::support("TD vp_enter_ret {status}"),
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

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let number = |text: &str| {
        let text = text.trim_end_matches(['.', ',', ')']);
        text.strip_prefix("0x")
            .map_or_else(|| text.parse().ok(), |digits| u64::from_str_radix(digits, 16).ok())
    };
    let hit = [SYSTEM, NAMED, EARLY, VALUE, HARDWARE].iter().find_map(|pattern| cx.hits(pattern).first());
    if let Some(hit) = hit
        && let Some(status) = hit.get("status").and_then(number)
        && let Some(words) = seamcall_words(status)
    {
        let leaf = hit.get("leaf").and_then(|leaf| seamcall_leaf(number(leaf)?));
        let call = leaf.unwrap_or_else(|| "SEAMCALL".to_owned());
        draft = draft.title(format!("{call} fails with {status:#x}: {words}"));
    }
    vec![draft.verdict()]
}
