//! # The TDX module is missing, too old, or not initialised
//!
//! ## What it is
//! The TDX module is Intel's signed software that runs the trust domains. The BIOS or a boot loader puts it into
//! memory; the kernel initialises it when `kvm_intel` loads with `tdx=1`. Without a module that the kernel accepts,
//! there are no TDX VMs.
//!
//! Heard as: the TDX module is missing, old or fails to initialise.
//!
//! Known by: TDX module not initialized; SEAMLDR, P-SEAMLDR; module version too old; kvm_intel tdx=N; TDX module:
//! initialization failed; TDX_MODULE image missing, loaded too late; np-seamldr; update of SEAM module; initialisation
//! aborted at boot; kvm_intel.tdx.
//!
//! ## Why it happens
//! The BIOS carries a module of the 1.0 line (build date 2023) while the kernel reads metadata that exists from 1.5
//! on; the module has a bug that the kernel refuses (RBP clobber); initialisation failed (hibernation built in
//! without `nohibernate`, memory outside convertible ranges, TDMRs exhausted); a CPU was offline; or `kvm_intel` was
//! loaded without `tdx=1` or without `kvm.enable_virt_at_load=1`.
//!
//! ## Confirm
//! `dmesg | grep -i tdx`: major and minor version, build date, "initialized" or the reason against it;
//! `cat /sys/module/kvm_intel/parameters/tdx`.
//!
//! ## Refute
//! "module initialized" stands in `dmesg` and the parameter is Y. No key ID range: tdx/disabled-in-firmware.
//!
//! ## Fix
//! Update the BIOS (or the module on the EFI partition) to a current 1.5 module, add `nohibernate` and
//! `kvm_intel.tdx=1` to the kernel command line, and reboot.
//!
//! ## References
//! Linux `arch/x86/virt/vmx/tdx/tdx.c` `init_tdx_module()`, `check_features()`, `build_tdx_memlist()`,
//! `arch/x86/kvm/vmx/tdx.c` `tdx_bringup()`; Intel TDX module release notes.

use super::disabled_in_firmware::MODULE_SPOKEN_OF;
use crate::prelude::*;
use vmwright_formats::KernelCmdline;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["confidential", "tdx"],
    signs: &[
        Sign::proof("frame pointer (RBP) clobber bug present, upgrade TDX module"),
        Sign::proof("initialization failed: Hibernation support is enabled"),
        Sign::proof("initialization failed: TDMRs exhausted"),
        Sign::strong("virt/tdx: module initialization failed ({error})").unless(CALL),
        Sign::strong("virt/tdx: TDX module initialization failed ({error})").unless(CALL),
        Sign::strong("tdx: module initialization failed").unless(CALL),
        Sign::strong("Failed to initialize TDX module").unless(CALL),
        // Linux 7.
        Sign::strong("TDX-Module initialization failed ({error})").unless(CALL),
        Sign::proof("reserved areas exhausted.").and(&["TDMR ["]),
        Sign::strong("register_memory_notifier() failed").and(&["tdx: "]),
        Sign::strong("XSAVE is required for TDX"),
        Sign::strong("Self-snoop is required for TDX"),
        Sign::strong("APICv is required for TDX"),
        // Modules of the 1.0 line lack the metadata fields that the kernel reads.
        Sign::proof("major_version 1, minor_version 0,").and(&["SEAMCALL ("]),
        Sign::strong("major_version 1, minor_version 0,"),
        Sign::strong("build_date 2022").and(&["TDX module"]),
        Sign::strong("build_date 2023").and(&["SEAMCALL ("]),
        Sign::strong("TDX module: * too old"),
        Sign::strong("virt/tdx: module not loaded").unless(&["BIOS enabled: private KeyID range"]),
        Sign::support("virt/tdx: module not loaded"),
        Sign::support("TDX module not loaded"),
        Sign::strong("tdx: tdx requires kvm.enable_virt_at_load=1"),
        Sign::strong("Disable TDX: MAX_VCPU_PER_TD ({limit}) smaller than number of logical CPUs"),
        Sign::strong("TDP MMU and MMIO caching and EPT A/D bit is required for TDX"),
        Sign::strong("EPT is required for TDX"),
        Sign::support("MOVDIR64B is required for TDX"),
        Sign::support("module initialization failed ("),
        Sign::support("vm-type TDX not supported by KVM"),
        Sign::support("BIOS enabled: private KeyID range").unless(MODULE_SPOKEN_OF),
        Sign::hint("minor_version 5, build_date 2023"),
        Sign::hint("consumed TDMRs reaching limit"),
        Sign::strong("virt/tdx: module initialized").against(),
        Sign::strong("virt/tdx: TDX module initialized").against(),
        Sign::strong("TDX-Module initialized").against(),
        Sign::support("TDX requires mmio caching"),
    ],
    words: &["tdx module", "initialize tdx", "intel tdx", "trust domain", "kvm_intel", "upgrade"],
    tells: "dmesg",
    remedy: "update the BIOS to a current TDX 1.5 module and boot with nohibernate and kvm_intel.tdx=1",
    disruption: Disruption::HostReboot,
    needs: &[
        Need::Command(&["dmesg"]),
        Need::File("/sys/module/kvm_intel/parameters/tdx"),
        Need::File("/proc/cmdline"),
    ],
    check,
    ..Rule::NEW
};

/// A call into the module failed: that says why.
const CALL: &[&str] = &["SEAMCALL (", "SEAMCALL failed: ", "SEAMCALL TDH_"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if let Found::Text(text) = cx.file("/sys/module/kvm_intel/parameters/tdx") {
        draft = draft.looked();
        let strength = if cx.said("intel tdx") || draft.any() { Strength::Support } else { Strength::Hint };
        if matches!(text.as_str().trim(), "N" | "0") {
            draft = draft.because(strength, text.quote(1), "kvm_intel runs without TDX");
        }
    }
    if let Some(line) = cx.one::<KernelCmdline>() {
        let off = line.get("kvm_intel.tdx").filter(|one| matches!(one.value, Some("0" | "n" | "N")));
        let quote = off.and_then(|one| line.quote(one.line));
        draft = draft.because(Strength::Strong, quote, "the command line switches TDX off");
    }
    vec![draft.verdict()]
}
