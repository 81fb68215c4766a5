//! Statuses of the SEV firmware and of the TDX module, and the reasons with which an SEV guest ends itself. Their tables,
//! with the sources, are in [`crate::sev_status`] and [`crate::seamcall`].

use super::meaning;
use crate::seamcall::{seamcall_named, seamcall_words};
use crate::sev_status::{sev_code, sev_named, sev_status, sev_termination};
use vmwright_model::Meaning;

/// What stands before the status of the SEV firmware: QEMU's `target/i386/sev.c`, and the kernel's
/// `drivers/crypto/ccp/sev-dev.c`.
const SEV_BEFORE: &[&str] = &["fw_error=", "fw_err=", "fw_error ", "fw_error='"];

/// What stands before the set and the reason of a guest that ended itself: `arch/x86/kvm/svm/sev.c`.
const TERMINATION_BEFORE: &str = "guest requested termination: ";

/// Of a message in lower case.
pub(super) fn of_message(lower: &str) -> Option<Meaning> {
    if let Some((_, rest)) = SEV_BEFORE.iter().find_map(|before| lower.split_once(before)) {
        return of_sev(sev_code(rest)?);
    }
    if let Some((_, rest)) = lower.split_once(TERMINATION_BEFORE) {
        return of_termination(rest.split_whitespace().next()?);
    }
    // Sixteen digits: an address in the same message has fewer, or is no status.
    let hex = |word: &str| Some(word.strip_prefix("0x")?.to_owned()).filter(|digits| digits.len() == 16);
    let named = lower.contains("seamcall") || lower.contains("tdx");
    let mut words = lower.split(|c: char| !c.is_alphanumeric()).filter(|_| named).filter_map(hex);
    words.find_map(|digits| of_tdx(u64::from_str_radix(&digits, 16).ok()?))
}

/// Of a bare number.
pub(super) fn of_number(number: u64) -> Vec<Meaning> {
    of_tdx(number).into_iter().chain(of_sev(number)).collect()
}

/// Of a name as the specifications have it, with or without the prefix of its header: `BAD_MEASUREMENT`,
/// `SEV_RET_BAD_MEASUREMENT`, `TDX_OPERAND_BUSY`.
pub(super) fn of_name(text: &str) -> Vec<Meaning> {
    let upper = text.to_ascii_uppercase();
    let sev = sev_named(upper.strip_prefix("SEV_RET_").unwrap_or(&upper));
    let tdx = seamcall_named(upper.strip_prefix("TDX_").unwrap_or(&upper));
    let tdx = tdx.map(|status| {
        let code = format!("{:#010x}", status.high);
        tdx_meaning(&code, status.name, status.meaning)
    });
    sev.and_then(|status| of_sev(u64::from(status.code))).into_iter().chain(tdx).collect()
}

fn of_tdx(number: u64) -> Option<Meaning> {
    let words = seamcall_words(number).filter(|_| number > u64::from(u32::MAX))?;
    Some(tdx_meaning(&format!("{number:#018x}"), "", &words))
}

fn tdx_meaning(code: &str, name: &str, means: &str) -> Meaning {
    let rules = ["tdx/seamcall-failed"];
    meaning("status of the TDX module", code, name, means, &rules, "Intel TDX Module ABI")
}

fn of_sev(number: u64) -> Option<Meaning> {
    let status = sev_status(number)?;
    let code = format!("{:#x}", status.code);
    let (name, means) = (status.name, status.meaning);
    let of = "status of the SEV firmware";
    Some(meaning(of, &code, name, means, &["sev/launch-config"], "AMD 55766 and 56860"))
}

/// Of the pair behind a guest's request to end, such as `0x1:0x2`.
fn of_termination(pair: &str) -> Option<Meaning> {
    let (set, reason) = pair.split_once(':')?;
    let means = sev_termination(sev_code(set)?, sev_code(reason)?)?;
    let source = "AMD 56421 and Linux arch/x86/include/asm/sev-common.h";
    Some(meaning(
        "why an SEV guest ended itself",
        pair,
        "",
        means,
        &["sev/kernel-unsupported", "sev/launch-config"],
        source,
    ))
}
