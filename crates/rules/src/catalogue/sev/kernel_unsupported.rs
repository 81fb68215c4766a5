//! # The host's kernel, or its parameters, do not enable this level of SEV
//!
//! ## What it is
//! Processor and firmware offer SEV, SEV-ES or SEV-SNP, but the running kernel is too old or built without it, or a
//! parameter of `kvm_amd` or of the IOMMU keeps it off. KVM then does not offer the VM type.
//!
//! Heard as: the host kernel or its parameter does not enable SEV or SNP.
//!
//! Known by: kvm_amd sev=0; mem_encrypt; no /dev/sev; SNP needs 6.11 host; CONFIG_KVM_AMD_SEV, ccp module missing;
//! iommu=pt disables SNP; unknown sev-snp-guest object; libvirt says sev supported no; domcapabilities; kvm_amd module
//! parameter; host distribution kernel too old; /sys/module; SNP init disabled; unknown ioctl.
//!
//! ## Why it happens
//! SEV hosts need Linux 4.16, SEV-ES 5.11, SEV-SNP 6.11 (distributions carry backports), with `CONFIG_KVM_AMD_SEV`
//! and `CONFIG_CRYPTO_DEV_SP_PSP`, and the `ccp` driver loaded before `kvm_amd`. Early kernels had `sev=0` as
//! default. SNP needs the AMD IOMMU in translating mode with version 1 page tables: `iommu=pt`, `amd_iommu=off`
//! and `amd_iommu=pgtbl_v2` each make the kernel give up SNP. `npt=0` takes all of SEV away.
//!
//! ## Confirm
//! `cat /sys/module/kvm_amd/parameters/{sev,sev_es,sev_snp}`; `cat /proc/cmdline`; `dmesg | grep -E 'SEV|SNP'`.
//!
//! ## Refute
//! The parameters read `Y` and `dmesg` prints "enabled (ASIDs ...)" for the level: then look at the VM's
//! configuration. "memory encryption not enabled by BIOS" and empty ASID ranges are sev/disabled-in-firmware.
//!
//! ## Fix
//! Boot a kernel that supports the level, set `options kvm_amd sev=1 sev_es=1 sev_snp=1`, and drop `iommu=pt`,
//! `amd_iommu=off` or the version 2 page tables where SNP is wanted.
//!
//! ## References
//! Linux `arch/x86/kvm/svm/sev.c`, `drivers/iommu/amd/init.c` `iommu_snp_enable()`; QEMU `target/i386/sev.c`
//! `sev_kvm_type()`, `target/i386/kvm/kvm.c` `kvm_arch_init()`; libvirt `tools/virt-host-validate-common.c`.

use super::guest_memory_unpinned::{Level, asked};
use crate::prelude::*;
use vmwright_formats::{KernelCmdline, ModprobeConf};

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["confidential", "sev"],
    signs: &[
        Sign::proof("AMD Secure Encrypted Virtualization appears to be disabled in kernel"),
        Sign::proof("AMD Secure Encrypted Virtualization not supported by the currently used kernel"),
        Sign::proof("host kernel does not support requested SEV* VM type"),
        Sign::strong("host kernel does not support the requested SEV configuration"),
        Sign::proof("sev_kvm_init: kernel does not support restricted guest memory"),
        Sign::proof("KVM does not support guest_memfd"),
        Sign::strong("requires private memory support via guest_memfd"),
        Sign::proof("vm-type SEV-SNP not supported by KVM"),
        Sign::proof("vm-type SEV-ES not supported by KVM"),
        Sign::proof("vm-type SEV not supported by KVM"),
        Sign::proof("configured in passthrough mode, SNP cannot be supported"),
        Sign::proof("configured with passthrough mode, SNP cannot be supported"),
        Sign::proof("IOMMU is configured with V2 page table mode, SNP cannot be supported"),
        // The range is there; the module parameter keeps it off.
        Sign::proof("SEV-ES disabled (ASIDs 1 - {max})"),
        Sign::strong("SEV-SNP disabled (ASIDs 1 - {max})"),
        Sign::strong("SEV disabled (ASIDs {min} - {max})").unless(&["SEV disabled (ASIDs 0 - 0)"]),
        // -25 is ENOTTY: this KVM does not know the command; -95 EOPNOTSUPP.
        Sign::strong("sev_kvm_init: failed to initialize ret=-25 fw_error=0"),
        Sign::strong("sev_common_kvm_init: failed to initialize ret=-25 fw_error=0"),
        Sign::support("sev_kvm_init: failed to initialize ret=-95 fw_error=0"),
        Sign::support("sev_common_kvm_init: failed to initialize ret=-95 fw_error=0"),
        Sign::support("sev_kvm_init: failed to initialize ret=-22 fw_error=0"),
        Sign::support("sev_common_kvm_init: failed to initialize ret=-22 fw_error=0"),
        Sign::strong("failed to get platform status ret=-25"),
        Sign::support("sev_guest_init: failed to get platform status"),
        Sign::strong("sev_guest_init: failed to initialize ret=-25"),
        Sign::strong("LAUNCH_START ret=-25 fw_error=0"),
        Sign::strong("SEV is not enabled in KVM"),
        Sign::strong("LBRV must be present for SEV-ES support"),
        Sign::support("FAIL*SEV enabled in KVM"),
        Sign::support("FAIL*SEV-ES enabled in KVM"),
        Sign::support("FAIL*SNP enabled in KVM"),
        Sign::hint("Failed to open /dev/sev 'No such file or directory'"),
        Sign::strong("memory encryption not enabled by BIOS").against(),
        Sign::strong("KVM_SET_USER_MEMORY_REGION2 failed").and(&["snp"]),
        Sign::strong("sev*: Failed to open * 'No such file"),
        Sign::support("SEV: Failed to open "),
        Sign::strong("Your CPU does not support AMD SEV"),
        Sign::support("SEV feature is not available"),
        Sign::strong("AMD SEV is not supported by the host"),
        Sign::strong("SNP cannot be supported"),
        Sign::support("Error creating KVM guest_memfd"),
        Sign::strong("vm-type sev{kind} not supported by KVM"),
        Sign::strong("SEV: TMR allocation failed, SEV-ES support unavailable"),
        Sign::support("sev: missing driver data"),
        Sign::support("Failed to retrieve SEV-SNP capabilities"),
        Sign::support("Failed to initialize SEV-SNP"),
    ],
    words: &["sev-es", "sev-snp", "amd sev", "kvm_amd", "not supported by kvm", "confidential"],
    tells: "/sys/module/kvm_amd/parameters/sev",
    remedy: "boot a kernel with this level of SEV, with kvm_amd's sev parameters on and the IOMMU translating",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::HostReboot,
    needs: &[
        Need::Command(&["dmesg"]),
        Need::File("/proc/cmdline"),
        Need::Glob("/sys/module/kvm_amd/parameters/sev*"),
        Need::Glob("/etc/modprobe.d/*.conf"),
    ],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let asked = asked(cx);
    let said = cx.said("amd sev") || cx.said("sev-es") || cx.said("sev-snp");
    let strength = if asked.is_some() || said { Strength::Strong } else { Strength::Hint };
    let snp = asked.as_ref().is_some_and(|(level, _)| *level == Level::Snp) || cx.said("sev-snp");
    if let Some(line) = cx.one::<KernelCmdline>() {
        let off =
            |name: &str| line.get(name).filter(|one| matches!(one.value, Some("0" | "n" | "N" | "off")));
        for name in ["kvm_amd.sev", "kvm_amd.sev_es", "kvm_amd.sev_snp", "kvm_amd.npt"] {
            let quote = off(name).and_then(|one| line.quote(one.line));
            draft = draft.because(strength, quote, "a parameter switches it off");
        }
        for (name, value) in
            [("iommu", "pt"), ("iommu.passthrough", "1"), ("iommu", "off"), ("amd_iommu", "off")]
        {
            let here = line.get(name).filter(|one| snp && one.value == Some(value));
            let quote = here.and_then(|one| line.quote(one.line));
            draft = draft.because(Strength::Strong, quote, "SNP needs the IOMMU in translating mode");
        }
    }
    for conf in cx.all::<ModprobeConf>() {
        for name in ["sev", "sev_es", "sev_snp", "npt"] {
            let off = conf.option("kvm_amd", name).filter(|one| matches!(one.value, "0" | "n" | "N"));
            let quote = off.and_then(|one| conf.quote(one.line));
            draft = draft.because(strength, quote, "an option of kvm_amd switches it off");
        }
    }
    let wanted = match asked.map(|(level, _)| level) {
        Some(Level::Snp) => "sev_snp",
        Some(Level::Es) => "sev_es",
        _ => "sev",
    };
    let path = format!("/sys/module/kvm_amd/parameters/{wanted}");
    if let Found::Text(text) = cx.file(&path) {
        draft = draft.looked();
        if matches!(text.as_str().trim(), "0" | "N") {
            draft = draft.because(Strength::Support, text.quote(1), "kvm_amd does not offer it");
        }
    }
    vec![draft.verdict()]
}
