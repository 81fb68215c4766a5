//! # The memory of the encrypted VM cannot be pinned or registered
//!
//! ## What it is
//! Encrypted pages must not move, so KVM pins all of a SEV or SEV-ES VM's memory (KVM_MEMORY_ENCRYPT_REG_REGION),
//! and that counts against RLIMIT_MEMLOCK. If a region cannot be pinned, QEMU gives up.
//!
//! Heard as: a confidential guest with much memory ends at the launch as an ordinary user; registering the region
//! fails.
//!
//! Known by: failed to register memory region with KVM_MEMORY_ENCRYPT_REG_REGION; RLIMIT_MEMLOCK with SEV; pin pages;
//! sev_ram_block_added; Cannot allocate memory when launching encrypted VM; large encrypted guest, ulimit; encrypted
//! region; pinned pages; memfd private; hard limit.
//!
//! ## Why it happens
//! The limit is the default of 8 MiB or 64 KiB because QEMU runs as a user, in a container, or under libvirt without
//! `<memtune><hard_limit>`; the limit counts firmware and video memory too, so it must be above the VM's size.
//! Memory on file-backed, CMA or movable pages, or pages of an emulated NVDIMM, cannot be pinned for long.
//!
//! ## Confirm
//! `dmesg`: "SEV: N locked pages exceed the lock limit of M."; `cat /proc/<pid of qemu>/limits | grep locked`.
//!
//! ## Refute
//! "Max locked memory" is unlimited or above the VM's memory, and `dmesg` has no such line. A VFIO message about
//! DMA mapping is memory/locked-limit.
//!
//! ## Fix
//! Set `<hard_limit>` to the VM's memory plus at least 256 MiB, or `LimitMEMLOCK=infinity` for the service, or
//! `ulimit -l unlimited`; `<memoryBacking><locked/>` makes the need explicit.
//!
//! ## References
//! Linux `arch/x86/kvm/svm/sev.c` `sev_pin_memory()`; QEMU `target/i386/sev.c` `sev_ram_block_added()`;
//! libvirt `docs/kbase/launch_security_sev.rst`, Memory.

use crate::prelude::*;
use vmwright_formats::{DomainXml, QemuArgs};

#[path = "state/status.rs"]
pub(crate) mod status;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["confidential", "sev", "memory"],
    signs: &[
        Sign::proof("locked pages exceed the lock limit of"),
        Sign::proof("total pages would exceed the lock limit of"),
        Sign::proof("SEV: Failure locking {pages} pages"),
        Sign::proof("sev_ram_block_added: failed to register region"),
        Sign::strong("failed to register region (").and(&["sev_"]),
        Sign::strong("SEV-SNP: failed to configure initial*private guest memory"),
        Sign::strong("KVM_MEMORY_ENCRYPT_REG_REGION"),
        Sign::support("failed to register region (*Cannot allocate memory"),
        Sign::strong("failed to set memory attribute private"),
        Sign::strong("Error creating KVM guest_memfd"),
        Sign::strong("cannot set up private guest memory: discard currently blocked"),
    ],
    words: &["locked memory", "memlock", "register region", "sev guest", "pin memory"],
    explains: &["memory/locked-limit"],
    tells: "dmesg",
    remedy: "raise the locked memory limit (hard_limit or LimitMEMLOCK) above the VM's memory plus 256 MiB",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    needs: &[Need::Command(&["dmesg"])],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // SNP takes its memory from guest_memfd, which does not count as locked.
    let pinned = asked(cx).is_some_and(|(level, _)| level < Level::Snp);
    for seen in cx.all::<DomainXml>() {
        for domain in seen.domains.iter().filter(|domain| pinned && !domain.fragment) {
            let (Some(limit), Some(memory)) = (&domain.hard_limit, &domain.memory) else { continue };
            draft = draft.looked();
            if limit.value <= memory.value {
                draft = draft
                    .because(
                        Strength::Strong,
                        seen.quote(limit.line),
                        "the limit leaves no room beside guest memory",
                    )
                    .because(Strength::Hint, seen.quote(memory.line), "all of it is pinned");
            }
        }
    }
    vec![draft.verdict()]
}

/// Levels of SEV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Memory encryption.
    Sev,
    /// And encrypted register state.
    Es,
    /// And integrity of the nested page tables.
    Snp,
}

/// What the VM asks for, by its domain XML or QEMU command line, and where that stands.
pub(crate) fn asked(cx: &Context<'_>) -> Option<(Level, Option<Evidence>)> {
    // Bit 2 of the policy of sev-guest: the guest's register state must be encrypted.
    let level = |snp: bool, policy: Option<&str>| match policy.and_then(number) {
        _ if snp => Level::Snp,
        Some(bits) if bits & 4 != 0 => Level::Es,
        _ => Level::Sev,
    };
    for seen in cx.all::<DomainXml>() {
        for security in seen.domains.iter().filter_map(|domain| domain.launch_security.as_ref()) {
            let kind = security.security_type.as_ref().map_or("", |kind| kind.value.as_str());
            if kind.starts_with("sev") {
                let policy = security.policy.as_ref().map(|one| one.value.as_str());
                return Some((level(kind == "sev-snp", policy), seen.quote(security.line)));
            }
        }
    }
    for seen in cx.all::<QemuArgs>() {
        for object in seen.options("object") {
            let opts = object.opts();
            let kind = object.value.as_deref().unwrap_or("");
            if kind.contains("sev-snp-guest") || kind.contains("sev-guest") {
                return Some((
                    level(kind.contains("sev-snp-guest"), opts.get("policy")),
                    seen.quote(object.value_line),
                ));
            }
        }
    }
    None
}

/// A number as written: decimal or `0x...`.
pub(crate) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
