//! # Secure Boot is wanted without SMM, or on a machine type without it
//!
//! ## What it is
//! Secure Boot in OVMF keeps its keys behind System Management Mode: the flash is writable in SMM only. That
//! needs the q35 machine type, `smm=on`, and firmware that was built for it. If one of the three is missing,
//! libvirt refuses the domain, or OVMF stops before any output.
//!
//! Heard as: Secure Boot is refused on i440fx or without SMM.
//!
//! Known by: secure boot needs smm=on and q35; OVMF_CODE.secboot hangs or does not start on pc-i440fx; smm not
//! available with this accelerator; cfi.pflash01 secure.
//!
//! ## Why it happens
//! `<loader secure='yes'>` was set by hand, the machine is i440fx, `<smm state='off'/>` came from a template or a
//! performance guide, or KVM on the host was built without SMM.
//!
//! ## Confirm
//! `virsh dumpxml NAME | grep -E 'loader|<smm|machine='`; `zgrep CONFIG_KVM_SMM /proc/config.gz /boot/config-*`.
//!
//! ## Refute
//! The machine is q35, `<smm state='on'/>` stands in `<features>`, and the host's KVM has SMM.
//!
//! ## Fix
//! Use q35 and `<smm state='on'/>`, best by `<os firmware='efi'>` with the feature `secure-boot`; or do without
//! Secure Boot and take a build that does not need SMM.
//!
//! ## References
//! libvirt `src/qemu/qemu_validate.c`, `qemuValidateDomainDefBoot()`; QEMU `hw/i386/x86.c`,
//! `x86_machine_is_smm_enabled()`; edk2 `OvmfPkg/README`, "SMM support".

use crate::prelude::*;
use vmwright_formats::lines::lines;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["boot", "uefi", "security"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::proof("Secure boot requires SMM feature enabled"),
        Sign::proof("Secure boot is supported with q35 machine types only"),
        Sign::proof("Secure boot is supported for x86_64 architecture only"),
        Sign::proof("domain has SMM turned off but chosen firmware requires it"),
        Sign::proof("SecureBoot requires SMM"),
        Sign::strong("firmware '*' requires use of SMM"),
        Sign::strong("System Management Mode not supported by this hypervisor"),
        Sign::strong("smm is not available with this QEMU binary"),
        Sign::strong("smm is not supported"),
        Sign::strong("KVM does not support SMM"),
        Sign::strong("driver=cfi.pflash01,property=secure,value=on").unless(&["smm=on"]),
        Sign::support("*secboot*").and(&["smm=off"]),
        Sign::support("Unable to find 'efi' firmware").and(&["secure-boot", "i440fx"]),
        Sign::strong("PiSmmIpl*ASSERT"),
        Sign::support("SMM * not supported").and(&["OVMF_"]),
    ],
    words: &["secure boot", "secureboot", "i440fx", "secboot"],
    explains: &["firmware/ovmf-missing", "firmware/wrong-binary", "firmware/not-bootable"],
    tells: "virsh dumpxml NAME | grep -E 'loader|<smm|machine='",
    remedy: "use machine type q35 with <smm state='on'/>, or do without Secure Boot",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for text in cx.texts_with(["<loader", "secure-boot"]) {
        let xml = text.as_str().replace('"', "'");
        let wanted = |line: &str| {
            line.contains("<loader") && line.contains("secure='yes'")
                || line.contains("<feature")
                    && line.contains("name='secure-boot'")
                    && line.contains("enabled='yes'")
        };
        let Some((number, _)) = lines(&xml).find(|(_, line)| wanted(line)) else { continue };
        let quote = || text.quote(number);
        if xml.contains("machine='pc-i440fx") || xml.contains("machine='pc'") {
            draft = draft.because(Strength::Strong, quote(), "Secure Boot, and the machine is i440fx");
        }
        // libvirt turns SMM on by itself only where it chooses the firmware.
        let chosen = xml.contains("<os firmware=");
        let whole = xml.contains("<domain type=") && xml.contains("</domain>");
        if xml.contains("<smm state='off'") || whole && !chosen && !xml.contains("<smm state='on'") {
            draft = draft.because(Strength::Strong, quote(), "Secure Boot, and SMM is not on");
        }
    }
    vec![draft.verdict()]
}
