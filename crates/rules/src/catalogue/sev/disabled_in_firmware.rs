//! # SEV, SEV-ES or SEV-SNP is off in the machine's firmware
//!
//! ## What it is
//! The processor can encrypt VM memory, but the BIOS has not switched it on, or its split of the address space
//! identifiers (ASIDs) leaves none for the kind of VM that is wanted. KVM then refuses the VM type, or `/dev/sev`
//! is not there at all.
//!
//! Heard as: SEV, SEV-ES or SNP is not offered though the CPU has it; BIOS setting, ASID limit, SME.
//!
//! Known by: SMEE, SEV-SNP or SEV control not enabled in BIOS; ccp: SEV: memory encryption not enabled by BIOS; sev_es
//! N; kvm_amd parameters N; MSR bit not set; BIOS menu SMEE, SNP memory coverage, SEV-ES ASID space limit; dmesg
//! without SEV enabled; CPU capable yet not offered; cpuid 8000001f.
//!
//! ## Why it happens
//! Most boards ship with SMEE (memory encryption) off. SEV-ES and SEV-SNP VMs use the ASIDs below the BIOS value
//! "SEV-ES ASID Space Limit" (CPUID 0x8000001F EDX, the least ASID of a plain SEV VM); its default of 1 leaves
//! them none. A limit at the upper end leaves none for plain SEV. SNP needs "SEV-SNP Support" of the NBIO as well,
//! else the IOMMU does not offer it, and the security processor may answer INIT with error 3, invalid
//! configuration (for example when memory options conflict).
//!
//! ## Confirm
//! `dmesg | grep -iE 'sev|ccp'`: "memory encryption not enabled by BIOS", or ASID ranges that are empty.
//! `grep -o 'sev[_a-z]*' /proc/cpuinfo | sort -u`; `cat /sys/fs/cgroup/misc.capacity`: `sev_es 0`.
//!
//! ## Refute
//! `dmesg` prints "SEV-ES enabled (ASIDs 1 - N)" or "SEV-SNP enabled (ASIDs 1 - N)" for the level wanted, or the
//! CPU is no EPYC at all. "disabled (ASIDs 1 - N)" is the kernel's own choice: sev/kernel-unsupported.
//!
//! ## Fix
//! In the BIOS: SMEE on, SEV control on, SEV-ES ASID Space Limit above the number of SEV-ES and SNP VMs, SNP memory
//! (RMP table) coverage on, SEV-SNP support on (NBIO). Then a cold reboot.
//!
//! ## References
//! AMD APM volume 2, 15.34-15.36; Linux `arch/x86/kvm/svm/sev.c` `sev_hardware_setup()`,
//! `drivers/crypto/ccp/sev-dev.c`, `arch/x86/kernel/cpu/amd.c` `early_detect_mem_encrypt()`;
//! `Documentation/virt/kvm/x86/amd-memory-encryption.rst`; libvirt `tools/virt-host-validate-common.c`.

use super::guest_memory_unpinned::{Level, asked, status::weigh};
use crate::prelude::*;
use vmwright_formats::CpuInfo;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["confidential", "sev"],
    signs: &[
        Sign::proof("memory encryption not enabled by BIOS"),
        Sign::proof("AMD Secure Encrypted Virtualization appears to be disabled in firmware"),
        Sign::proof("SEV unusable (ASIDs {min} - {max})"),
        Sign::proof("SEV-ES disabled (ASIDs 0 - 0)"),
        Sign::proof("SEV-ES unusable (ASIDs "),
        Sign::strong("SEV-SNP disabled (ASIDs 0 - 0)"),
        Sign::strong("SEV-SNP unusable (ASIDs "),
        // All ASIDs are for plain SEV, but SEV-ES or SNP is spoken of.
        Sign::strong("SEV enabled (ASIDs 1 - {max})").and(&["sev-es"]),
        Sign::strong("SEV enabled (ASIDs 1 - {max})").and(&["sev-snp"]),
        Sign::strong("SEV supported: {n} ASIDs")
            .and(&["sev-es"])
            .unless(&["SEV-ES supported: {n} ASIDs", "SEV-ES and SEV-SNP supported"]),
        Sign::strong("SEV supported: {n} ASIDs")
            .and(&["sev-snp"])
            .unless(&["SEV-ES supported: {n} ASIDs", "SEV-ES and SEV-SNP supported"]),
        // The kernel was told to allow it.
        Sign::strong("SEV supported: {n} ASIDs")
            .and(&["kvm_amd.sev_es=1"])
            .unless(&["SEV-ES supported: {n} ASIDs", "SEV-ES and SEV-SNP supported"]),
        Sign::strong("SEV enabled (ASIDs 1 - {max})").and(&["kvm_amd.sev_es=1"]),
        Sign::proof("IOMMU SNP feature not enabled, SNP cannot be supported"),
        Sign::proof("IOMMU SNP feature is not enabled, SNP cannot be supported"),
        // QEMU asks the firmware whether SEV-ES was initialised.
        Sign::support("guest policy requires SEV-ES, but host SEV-ES support unavailable"),
        Sign::support("Failed to open /dev/sev 'No such file or directory'"),
        Sign::hint("launch security is not supported with this QEMU binary"),
        Sign::hint("failed to get platform status ret="),
        Sign::hint("/dev/sev: No such file or directory"),
        // virt-host-validate reads CPUID; snphost and sevctl as well.
        Sign::support("AMD SEV-ES is not supported"),
        Sign::support("AMD SEV-SNP is not supported"),
        Sign::support("FAIL*Secure Encrypted Virtualization (SEV)"),
        Sign::support("FAIL*Encrypted State (SEV-ES)"),
        Sign::support("FAIL*Secure Nested Paging (SEV-SNP)"),
        // An enabled level is not switched off.
        Sign::support("SEV-SNP enabled (ASIDs ").against(),
        Sign::strong("SEV-ES supported: 0 ASIDs"),
        Sign::strong("SEV-SNP supported: 0 ASIDs"),
    ],
    words: &["sev-es", "sev-snp", "amd sev", "encrypted vm", "confidential", "enabled in bios"],
    tells: "dmesg",
    remedy: "switch on SMEE, SEV-ES and SEV-SNP in the BIOS and give the SEV-ES ASID space limit a value above 1",
    disruption: Disruption::HostReboot,
    needs: &[
        Need::Command(&["dmesg"]),
        Need::File("/proc/cpuinfo"),
        Need::File("/sys/fs/cgroup/misc.capacity"),
        Need::File("/sys/module/kvm_amd/parameters/sev"),
    ],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    // INVALID_CONFIG: settings of the BIOS contradict each other.
    let mut draft = weigh(cx, cx.draft(), &[0x03], Strength::Strong);
    let asked = asked(cx);
    for text in cx.texts_named(|source| source.ends_with("misc.capacity")) {
        draft = draft.looked();
        for (number, line) in text.lines() {
            let none = matches!(line.trim(), "sev 0" | "sev_es 0");
            let matters = asked.as_ref().is_some_and(|(level, _)| *level > Level::Sev);
            if none && (line.trim() == "sev 0" || matters || cx.said("sev-es") || cx.said("sev-snp")) {
                draft = draft.because(Strength::Strong, text.quote(number), "no ASID of this kind exists");
            }
        }
    }
    if let (Some(cpu), Some((level, wish))) = (cx.one::<CpuInfo>(), asked) {
        let epyc = cpu.model_name.as_ref().is_some_and(|name| name.value.contains("EPYC"));
        let flag = match level {
            Level::Sev => "sev",
            Level::Es => "sev_es",
            Level::Snp => "sev_snp",
        };
        let (family, model) =
            (cpu.family.as_ref().map(|one| one.value), cpu.model.as_ref().map(|one| one.value));
        // Naples (0x17, 1) has no SEV-ES; SNP begins with Milan (0x19). Kernels before 6.9 show no `sev_snp`.
        let able = match level {
            Level::Sev => true,
            Level::Es => family > Some(0x17) || model >= Some(0x30),
            Level::Snp => family >= Some(0x19),
        };
        if epyc && able && cpu.has_flag("hypervisor") == Some(false) && cpu.has_flag(flag) == Some(false) {
            let strength = if level == Level::Snp { Strength::Support } else { Strength::Strong };
            let quote = cpu.flags.as_ref().and_then(|flags| cpu.quote(flags.line));
            let title = format!("the CPU shows no {flag}, which this processor has and the VM asks for");
            draft = draft
                .because(strength, quote, "the flag is missing")
                .because(Strength::Hint, wish, "the VM asks for it")
                .title(title);
        }
    }
    vec![draft.verdict()]
}
