//! # The firmware has switched the CPU's virtualization off
//!
//! ## What it is
//! The CPU has VT-x or SVM, but the firmware locked it off: on Intel in `IA32_FEATURE_CONTROL` (MSR 0x3a), on AMD in
//! `VM_CR` (MSR 0xc0010114, bit SVMDIS). The kernel cannot undo a locked setting, so no `/dev/kvm` appears.
//!
//! Heard as: virtualization worked before a BIOS update or reset; SVM, VT-x disabled by BIOS.
//!
//! Known by: kvm: disabled by bios; VT-x locked off in IA32_FEATURE_CONTROL; SVM disabled in UEFI setup; modprobe
//! kvm_amd: operation not supported; after a BIOS reset; after firmware update, CMOS reset or new board acceleration is
//! gone; toggle SVM mode or Intel Virtualization Technology; rdmsr 0x3a; locked.
//!
//! ## Why it happens
//! The factory default is off; a firmware update or a reset of its settings brought the default back; only one of two
//! options (VT-x outside and inside TXT) is on; some machines need a cold start before a change counts.
//!
//! ## Confirm
//! `journalctl -k -b`: "disabled by bios", "VMX (outside TXT) disabled by BIOS", "SVM disabled (by BIOS) in MSR_VM_CR".
//! `lscpu` names no "Virtualization"; `rdmsr -a 0x3a` (reads only) gives 1: locked and off.
//!
//! ## Refute
//! `/proc/cpuinfo` has vmx or svm and `/dev/kvm` exists; or the host is itself a VM: see `nested/not-exposed`.
//!
//! ## Fix
//! Switch on "Intel Virtualization Technology" or "SVM Mode" in the firmware setup, then power the machine off and on.
//!
//! ## References
//! Linux `arch/x86/kernel/cpu/feat_ctl.c`; `arch/x86/kvm/vmx/vmx.c` and `svm/svm.c`, `kvm_is_*_supported()`;
//! `arch/x86/kvm/x86.c` ("support for '%s' disabled by bios"); Intel SDM vol. 3, 24.7; AMD APM vol. 2, 15.4.

use super::device_missing::{offer_tcg, wants_tcg};
use crate::prelude::*;
use vmwright_formats::{CpuInfo, KvmProbe};

pub const RULE: Rule = Rule {
    tags: &["kvm", "firmware"],
    needs: &[Need::Probe(Probe::Kvm), Need::Probe(Probe::Machine), Need::File("/proc/cpuinfo")],
    signs: &[
        // Kernels to 5.5: "kvm: disabled by bios"; to 6.2 with the module's name; since 6.3 by the vendor module.
        Sign::proof("kvm: disabled by bios"),
        Sign::proof("kvm: support for '{module}' disabled by bios"),
        Sign::proof("VMX not enabled (by BIOS) in MSR_IA32_FEAT"),
        Sign::proof("SVM disabled (by BIOS) in MSR_VM_CR"),
        Sign::proof("VMX (outside TXT) disabled by BIOS"),
        Sign::proof("VMX (inside TXT) disabled by BIOS"),
        Sign::strong("VMX disabled by BIOS"),
        Sign::strong("SVM disabled by BIOS"),
        Sign::proof("is disabled by your BIOS"),
        Sign::strong("Enter your BIOS setup and enable Virtualization Technology"),
        Sign::proof("is disabled in the BIOS"),
        Sign::proof("VERR_VMX_MSR_ALL_VMX_DISABLED"),
        Sign::proof("VERR_VMX_MSR_VMX_DISABLED"),
        Sign::proof("VERR_VMX_MSR_LOCKED_OR_DISABLED"),
        Sign::proof("VERR_SVM_DISABLED"),
        Sign::strong("supports Intel VT-x, but Intel VT-x is disabled"),
        Sign::strong("supports AMD-V, but AMD-V is disabled"),
        Sign::strong("Virtualization Enabled In Firmware: No"),
        Sign::strong("IA32_FEATURE_CONTROL*locked*"),
        Sign::support("could not insert 'kvm_intel': Operation not supported"),
        Sign::support("could not insert 'kvm_amd': Operation not supported"),
        Sign::support("could not insert module kvm_intel*Operation not supported"),
        Sign::support("could not insert module kvm_amd*Operation not supported"),
        Sign::hint("KVM virtualisation configured, but not available"),
        Sign::support("could not find capabilities for*domaintype=kvm").said(&["bios", "uefi setup"]),
        Sign::hint("Check that virtualization is enabled in the host BIOS"),
        Sign::hint("the BIOS has enabled virtualization"),
        Sign::strong("VT disabled in BIOS").unless(&["or KVM kernel module not loaded"]),
        Sign::strong("Virtualization support is disabled in the firmware"),
        Sign::strong("virtualization is not enabled in the firmware"),
        Sign::strong("virtualization is disabled in the firmware"),
        Sign::support("Please ensure*enabled in BIOS"),
        Sign::strong("VT-x is disabled in the BIOS"),
        Sign::strong("HOST_VTX_DISABLED"),
        Sign::strong("HOST_SVM_DISABLED"),
        Sign::strong("VERR_VMX_MSR_ALL_VMX_DISABLED"),
        Sign::strong("VERR_SVM_DISABLED"),
        Sign::strong("This computer doesn't have VT-X/AMD-v enabled"),
        Sign::strong("KVM support is not enabled on this machine"),
        Sign::strong("Please ensure the following KVM").and(&["BIOS"]),
        Sign::strong("No virtualization Hardware was detected"),
        Sign::support("Host does not support domain type kvm"),
        Sign::strong("VMX disabled by TXT or BIOS"),
        Sign::strong("NX (Execute Disable) not supported"),
        Sign::strong("kvm: VMX is disabled on CPU"),
    ],
    words: &["bios setup", "bios update", "firmware", "uefi update", "svm mode", "virtualization technology"],
    explains: &["kvm/device-missing", "kvm/no-cpu-support", "kvm/silent-tcg", "nested/not-exposed"],
    tells: "journalctl -k -b",
    remedy: "switch VT-x or SVM on in the firmware setup and power the machine off and on",
    disruption: Disruption::HostReboot,
    check,
    ..Rule::NEW
};

/// Product lines of which every member of the last ten years has hardware virtualization.
const CAPABLE: [&str; 9] = [
    "Xeon",
    "Core(TM) i3",
    "Core(TM) i5",
    "Core(TM) i7",
    "Core(TM) i9",
    "Core(TM) Ultra",
    "Ryzen",
    "EPYC",
    "Opteron",
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    if wants_tcg(cx) {
        return cx.not_applicable("the VM does not use KVM");
    }
    let mut draft = cx.draft();
    let told = draft.any();
    let cpu = cx.one::<CpuInfo>();
    let flags = |name: &str| cpu.as_ref().and_then(|cpu| cpu.has_flag(name));
    let bare = flags("hypervisor") == Some(false);
    let neither = flags("vmx") == Some(false) && flags("svm") == Some(false);
    let model = cpu.as_ref().and_then(|cpu| cpu.model_name.as_ref());
    let capable = model.filter(|model| CAPABLE.iter().any(|line| model.value.contains(line)));
    let quote = |line: u32| cpu.as_ref().and_then(|cpu| cpu.quote(line));
    let probe = cx.one::<KvmProbe>();
    let open = probe.as_ref().and_then(|probe| probe.get("open"));
    if open.as_ref().is_some_and(|open| open.value == "ok") {
        return cx.quiet();
    }
    if bare
        && neither
        && let Some(model) = capable
    {
        // The kernel takes the flag away where the firmware has locked the extension off.
        let flags = cpu.as_ref().and_then(|cpu| cpu.flags.as_ref()).map_or(0, |flags| flags.line);
        draft = draft
            .because(Strength::Support, quote(model.line), "CPUs of this line have the extension")
            .because(Strength::Support, quote(flags), "the running kernel sees neither vmx nor svm");
    }
    if flags("hypervisor") == Some(true) && !told {
        return cx.not_applicable("this host is a VM: its firmware does not decide");
    }
    let absent = open.filter(|open| open.value == "absent").map(|open| open.line);
    let Some((probe, line)) = probe.as_ref().zip(absent).filter(|_| draft.any()) else {
        return vec![draft.verdict()];
    };
    let draft = draft.because(Strength::Support, probe.quote(line), "there is no /dev/kvm");
    vec![offer_tcg(cx, draft, told).verdict()]
}
