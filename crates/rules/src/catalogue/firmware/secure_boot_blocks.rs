//! # Secure Boot refuses something that is not signed by an enrolled key
//!
//! ## What it is
//! With Secure Boot on, the firmware runs only what keys in `db` vouch for, shim and GRUB continue the chain, and
//! Linux in lockdown loads only signed modules. A boot loader, kernel, option ROM or driver without a fitting
//! signature is refused: "Access Denied", "Security Violation", "Key was rejected".
//!
//! Heard as: my own image, unsigned module or driver is not loaded; stops right after the firmware; access denied
//! by Secure Boot; with Secure Boot off it boots.
//!
//! Known by: access denied, security violation, image rejected; unsigned kernel, driver or option ROM; verification
//! failed 0x1A; boots with Secure Boot off; keys not enrolled.
//!
//! ## Why it happens
//! A self-built kernel or out-of-tree module (nvidia, zfs, virtualbox), a distribution whose boot loader is not
//! signed by Microsoft's key, variables with own keys and without Microsoft's (or the reverse), a revoked shim, or
//! a passed-through card whose option ROM is unsigned.
//!
//! ## Confirm
//! In the guest: `mokutil --sb-state`, `dmesg | grep -iE 'secure boot|lockdown'`; on the host the serial log of
//! OVMF; `virt-fw-vars -i VARS.fd --print` lists the enrolled keys.
//!
//! ## Refute
//! The VM fails the same way with variables without enrolled keys: then nothing is refused by signature.
//!
//! ## Fix
//! Sign what is refused and enrol its key (`mokutil --import`, `virt-fw-vars`), start the VM from variables that
//! hold the vendor's keys, or use a firmware setting without Secure Boot where that is acceptable.
//!
//! ## References
//! edk2 `SecurityPkg/Library/DxeImageVerificationLib`; shim `shim.c`, `verify_buffer()`; Linux
//! `security/lockdown/lockdown.c`, `kernel/module/signing.c`; UEFI specification, "Secure Boot".

use crate::prelude::*;
use vmwright_formats::{DomainXml, ProxmoxConf};

#[path = "messages/secure_boot_blocks.rs"]
mod messages;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["boot", "uefi", "security"],
    signs: messages::SIGNS,
    words: &WORDS,
    explains: &["firmware/not-bootable", "firmware/nvram-problem"],
    tells: "the VM's serial log; virt-fw-vars -i VARS.fd --print",
    remedy: "sign what is refused and enrol its key, or start from a variable store that holds the vendor's keys",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

/// What is seen of a boot loader that was refused, where the line with the reason has scrolled away.
const PASSED_OVER: [&str; 5] = [
    "No bootable option or device was found",
    "no bootable option",
    "Start PXE over IPv4",
    "goes on to PXE",
    "UEFI Interactive Shell",
];

const WORDS: [&str; 11] = [
    "secure boot",
    "secureboot",
    "unsigned",
    "mokutil",
    "signature",
    "enrolled",
    PASSED_OVER[0],
    PASSED_OVER[1],
    PASSED_OVER[2],
    PASSED_OVER[3],
    PASSED_OVER[4],
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if PASSED_OVER.iter().any(|text| cx.stands(text)) {
        let why = "the variable store comes with vendor keys, so that Secure Boot is on";
        for seen in cx.all::<ProxmoxConf>() {
            let keys = seen.get("efidisk0").filter(|disk| disk.value.contains("pre-enrolled-keys=1"));
            draft = draft.because(Strength::Support, keys.and_then(|disk| seen.quote(disk.line)), why);
        }
        for text in cx.all::<DomainXml>().iter().map(|seen| seen.text) {
            let asks = |line: &str| {
                line.contains("enrolled-keys") && (line.contains("'yes'") || line.contains("\"yes\""))
            };
            let with_keys = |line: &str| {
                line.contains("<nvram") && (line.contains("_VARS_4M.ms") || line.contains("VARS.secboot"))
            };
            for test in [&asks as &dyn Fn(&str) -> bool, &with_keys] {
                let line = text.lines().find(|(_, line)| test(line));
                draft = draft.because(Strength::Support, line.and_then(|(at, _)| text.quote(at)), why);
            }
        }
    }
    vec![draft.verdict()]
}
