//! # TDX, or one of its parts, is off in the machine's firmware
//!
//! ## What it is
//! TDX needs several BIOS switches together: total memory encryption (TME, TME-MT), TDX itself with private key IDs
//! set aside, the SEAM range (SEAMRR) and the SEAM loader that brings the TDX module, and SGX for attestation. With
//! one of them off, the kernel finds no key IDs, or key IDs and no module.
//!
//! Heard as: the server can TDX and nothing of it appears after boot; BIOS options.
//!
//! Known by: TDX not enabled by BIOS; SEAM loader, TME-MT keys, SEAMRR; virt/tdx: no private KeyID range; TME bypass;
//! BIOS: TME, MKTME, SGX, SEAM; no tdx in kernel log; msr; trust domain extension enabled in menu; keys split.
//!
//! ## Why it happens
//! The switches lie in different menus and some hide until others are on (memory encryption, x2APIC, matching DIMM
//! population, no mirrored memory). "Limit CPU PA to 46 bits" on, or an old BIOS, keeps them hidden too.
//!
//! ## Confirm
//! `dmesg | grep -iE 'tdx|tme|seam'`: "BIOS enabled: private KeyID range" must stand there, then "module initialized".
//! As root: `rdmsr -f 11:11 0x1401` is 1 for TDX, `rdmsr -f 1:1 0x982` for TME.
//!
//! ## Refute
//! `dmesg` shows the key ID range and the module's version: then see tdx/module-problem or tdx/seamcall-failed.
//!
//! ## Fix
//! In the BIOS: TME and TME-MT on, TDX on with a key split above 0, TDX SEAM loader on, SGX on with its memory size,
//! "Limit CPU PA to 46 bits" off; then a cold boot.
//!
//! ## References
//! Linux `Documentation/arch/x86/tdx.rst`, `arch/x86/virt/vmx/tdx/tdx.c` `tdx_init()`, `arch/x86/kvm/vmx/tdx.c`
//! `tdx_bringup()`, `arch/x86/kernel/cpu/intel.c` `detect_tme()`; Intel TDX Enabling Guide, BIOS settings.

use crate::prelude::*;

/// What the kernel prints as soon as it talks to a module.
pub(crate) const MODULE_SPOKEN_OF: &[&str] = &[
    "tdx: module initialized",
    "TDX module initialized",
    "TDX-Module initial",
    "module initialization failed",
    "virt/tdx: initialization failed",
    "TDX module: attributes",
    "TDX module: version",
    "KB allocated for PAMT",
    "SEAMCALL",
];

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["confidential", "tdx"],
    signs: &[
        Sign::proof("tdx: no TDX private KeyIDs available"),
        Sign::proof("too few private KeyIDs available"),
        Sign::proof("No TDX private KeyID available"),
        Sign::proof("SEAMRR not enabled"),
        Sign::proof("tdx: not enabled by BIOS"),
        Sign::strong("TDX is not enabled in BIOS"),
        Sign::strong("TDX is not enabled by BIOS"),
        Sign::strong("TDX not enabled by BIOS"),
        Sign::strong("BIOS doesn't support TDX"),
        Sign::strong("x86/tme: not enabled by BIOS").and(&["tdx="]),
        Sign::strong("x86/tme: not enabled by BIOS").and(&["tdx-guest"]),
        Sign::support("x86/tme: not enabled by BIOS"),
        Sign::strong("x86/mktme: disabled by BIOS").and(&["tdx="]),
        Sign::support("x86/mktme: disabled by BIOS"),
        // Key IDs are there and the module is not: the SEAM loader did not bring it.
        Sign::strong("virt/tdx: module not loaded"),
        Sign::strong("tdx: module not loaded"),
        Sign::strong("TDX module not loaded").and(&["BIOS enabled: private KeyID range"]),
        Sign::strong("SEAMLDR is not present").and(&["tdx: "]),
        // And the kernel says nothing of a module: neither its version nor a failure.
        Sign::support("BIOS enabled: private KeyID range").unless(MODULE_SPOKEN_OF),
        // System checks of the enabling scripts.
        Sign::support("TDX Module Initialization*FAIL"),
        Sign::support("TDX is not supported by the host platform"),
        Sign::strong("virt/tdx: module initialized").against(),
        Sign::strong("virt/tdx: TDX module initialized").against(),
        Sign::strong("tdx: TDX module initialized").against(),
        Sign::strong("TDX-Module initialized").against(),
        Sign::support("virt/tdx: SEAMCALL (").against(),
        Sign::support("TDX not supported by the host platform"),
        Sign::strong("too few private KeyIDs available"),
    ],
    words: &["intel tdx", "tdx in bios", "seam loader", "private keyid", "bios setting", "trust domain"],
    explains: &["tdx/module-problem", "tdx/stack-mismatch"],
    tells: "dmesg",
    remedy: "switch on TME-MT, TDX with key IDs, the TDX SEAM loader and SGX in the BIOS, then cold boot",
    disruption: Disruption::HostReboot,
    needs: &[Need::Command(&["dmesg"]), Need::File("/proc/cpuinfo")],
    ..Rule::NEW
};
