//! # The VM's configuration does not fit this level of SEV, or this QEMU
//!
//! ## What it is
//! Host and firmware can run encrypted VMs, but the VM asks for something that does not go with them: another C-bit
//! position, a policy that the firmware refuses, SMM, a machine or irqchip that the level excludes, firmware in
//! pflash for SNP, or options of another QEMU generation.
//! Heard as: a confidential guest's definition is refused: policy, cbitpos, memory backend, machine type.
//!
//! Known by: policy, cbitpos, reduced-phys-bits wrong; virtio without iommu_platform; session or DH cert; memfd needed;
//! discard, kernel-hashes; sev-guest object; LAUNCH_START invalid; launchSecurity element, policy bits, wrong machine
//! type, missing memfd or iommu; guest exits before boot; object properties; incompatible with hot-plug, ballooning or
//! secure boot.
//!
//! ## Why it happens
//! `cbitpos` and `reduced-phys-bits` are properties of the host CPU (47 on EPYC 7001, 51 on later ones) and get
//! copied between hosts. Policies are bit masks (bit 2 asks for SEV-ES; SNP's reserved bit 17 must be 1). SNP guests
//! have no SMM, no writable pflash and a private memory backend; object and machine option names changed from
//! `memory-encryption` to `confidential-guest-support` (QEMU 6.0).
//!
//! ## Confirm
//! `virsh dumpxml <vm> | grep -A8 launchSecurity` against `virsh domcapabilities | grep -A6 '<sev'`. The error of
//! LAUNCH_START names a firmware status: 7 policy, 10 signature, 22 parameter.
//!
//! ## Refute
//! The same configuration starts on this host with another image, or a VM of the level runs here with equal values.
//!
//! ## Fix
//! Take cbitpos and reducedPhysBits from the domain capabilities (or leave them out), correct the policy, turn SMM
//! off, use q35 and a stateless ROM loader for SNP.
//!
//! ## References
//! AMD SEV API 55766 and SNP ABI 56860, guest policy and status codes; QEMU
//! `docs/system/i386/amd-memory-encryption.rst`, `target/i386/sev.c`; libvirt formatdomain, launchSecurity; Linux `include/uapi/linux/psp-sev.h`.

use super::guest_memory_unpinned::number;
use super::guest_memory_unpinned::status::{MESSAGES, weigh};
use crate::prelude::*;
use vmwright_formats::{DomainXml, QemuArgs};

#[path = "messages/launch_config.rs"]
mod messages;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["confidential", "sev"],
    signs: messages::SIGNS,
    words: &["launchsecurity", "sev guest", "policy", "cbitpos", "sev-snp vm", "encrypted vm"],
    tells: "virsh dumpxml",
    remedy: "take cbitpos and reduced physical bits from the domain capabilities, correct the policy, and use q35 without SMM",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Answers of the firmware that point to what the VM was given: length, certificate, policy, address, signature,
/// parameter, size and state of a page.
const CODES: [u16; 9] = [0x04, 0x06, 0x07, 0x09, 0x0A, 0x16, 0x19, 0x1A, 0x1B];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    draft = weigh(cx, draft, &CODES, Strength::Strong);
    for seen in cx.all::<DomainXml>() {
        for domain in &seen.domains {
            let Some(security) = &domain.launch_security else { continue };
            let kind = security.security_type.as_ref().map_or("", |kind| kind.value.as_str());
            if !kind.starts_with("sev") {
                continue;
            }
            draft = draft.looked();
            let policy = security.policy.as_ref().and_then(|policy| number(&policy.value));
            let encrypted_state = kind == "sev-snp" || policy.is_some_and(|bits| bits & 4 != 0);
            let smm = domain.feature("smm").filter(|_| encrypted_state);
            draft = draft.because(
                Strength::Strong,
                smm.and_then(|line| seen.quote(line)),
                "the guest's state is encrypted, so SMM cannot work",
            );
            let machine =
                domain.os.machine.as_ref().filter(|one| one.value.contains("i440fx") || one.value == "pc");
            let quote = machine.and_then(|one| seen.quote(one.line));
            draft = draft.because(Strength::Support, quote, "SEV is meant for q35 with UEFI");
            let flash =
                domain.os.loader_type.as_ref().filter(|one| kind == "sev-snp" && one.value == "pflash");
            let quote = flash.and_then(|one| seen.quote(one.line));
            draft = draft.because(Strength::Strong, quote, "SNP firmware is loaded as a ROM, not as pflash");
            let snp = security
                .policy
                .as_ref()
                .filter(|_| kind == "sev-snp" && policy.is_some_and(|p| p & 1 << 17 == 0));
            let quote = snp.and_then(|one| seen.quote(one.line));
            draft = draft.because(Strength::Strong, quote, "bit 17 of an SNP policy must be 1");
        }
    }
    for seen in cx.all::<QemuArgs>() {
        for command in &seen.commands {
            let option = |name: &str, part: &str| {
                let has = |value: &String| value.contains(part);
                command.options.iter().find(|one| one.name == name && one.value.as_ref().is_some_and(has))
            };
            if option("object", "sev-snp-guest").is_none() {
                continue;
            }
            draft = draft.looked();
            let flash = option("drive", "if=pflash").and_then(|one| seen.quote(one.value_line));
            draft = draft.because(Strength::Strong, flash, "SNP firmware is given by -bios, not as pflash");
        }
    }
    vec![draft.verdict()]
}
