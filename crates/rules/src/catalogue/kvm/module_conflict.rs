//! # Another hypervisor or the wrong vendor module owns the CPU's virtualization
//!
//! ## What it is
//! VT-x or SVM can have one owner. VirtualBox, VMware, Xen or Hyper-V holds it and KVM is refused, or KVM holds it and
//! the other one is refused; or a second KVM vendor module is loaded on top of the first.
//!
//! Heard as: another product for VMs, such as VirtualBox or VMware, was used before; KVM VMs are refused until it
//! is stopped; device or resource busy.
//!
//! Known by: VirtualBox or VMware running; ioctl(KVM_CREATE_VM) failed: 16 device or resource busy; vboxdrv uses VMX
//! root mode; Xen dom0; kvm_intel on AMD; VM creation EBUSY; another virtualization program running at the same time;
//! hypervisor already in use; VirtualBox AMD-V in use; unload vboxdrv, vmmon; Hyper-V, Xen; modprobe of both vendors.
//!
//! ## Why it happens
//! Both products are installed and start at boot. Since Linux 6.12 KVM switches virtualization on when its module loads
//! (`kvm.enable_virt_at_load=1`) and not first with the first VM, so VirtualBox fails where it worked before.
//!
//! ## Confirm
//! `lsmod | grep -e kvm -e vbox -e vmmon`; "VERR_VMX_IN_VMX_ROOT_MODE" in VirtualBox's log; `ioctl(KVM_CREATE_VM)`
//! fails with EBUSY; the kernel says "already loaded vendor module" or "enabling virtualization on CPU0 failed".
//!
//! ## Refute
//! Only one hypervisor's modules are loaded and the error stays.
//!
//! ## Fix
//! Stop the other hypervisor's VMs and unload its module. To keep both on Linux 6.12 and later, set
//! `kvm.enable_virt_at_load=0` and run one at a time.
//!
//! ## References
//! Linux `virt/kvm/kvm_main.c`, `kvm_enable_virtualization()`; `Documentation/admin-guide/kernel-parameters.txt`,
//! kvm.enable_virt_at_load; `arch/x86/kvm/x86.c` ("already loaded vendor module"); VirtualBox
//! `src/VBox/Main/../include/VBox/err.h`.

use crate::prelude::*;
use vmwright_formats::LsMod;

/// By which one sees that KVM can be used all the same.
const WORKS: &[&str] = &["KVM acceleration can be used", "run with acceleration"];

pub const RULE: Rule = Rule {
    tags: &["kvm"],
    needs: &[Need::Command(&["lsmod"])],
    signs: &[
        Sign::proof("VERR_VMX_IN_VMX_ROOT_MODE"),
        Sign::proof("operate in VMX root mode"),
        Sign::proof("VERR_SVM_IN_USE"),
        Sign::strong("Hypervisor detected: Xen PV").said(&[
            "dom0",
            "installed xen",
            "xen hypervisor",
            "boot xen",
        ]),
        Sign::strong("is being used by another hypervisor"),
        Sign::strong("is in use by another hypervisor"),
        Sign::support("another hypervisor is running"),
        Sign::support("a hypervisor is already running"),
        // The second module is refused and the first one works on.
        Sign::support("already loaded vendor module").unless(WORKS),
        Sign::support("already loaded the other module").unless(WORKS),
        Sign::strong("ioctl(KVM_CREATE_VM) failed: Device or resource busy"),
        Sign::strong("ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy"),
        Sign::strong("failed to initialize kvm: Device or resource busy"),
        Sign::strong("Cannot create a VM: Device or resource busy"),
        Sign::strong("Failed to create VM*Device or resource busy (os error 16)"),
        Sign::strong("could not insert 'kvm_intel': Device or resource busy"),
        Sign::strong("could not insert 'kvm_amd': Device or resource busy"),
        Sign::strong("kvm: enabling virtualization on CPU"),
        Sign::strong("enable_virt_at_load").unless(&["module parameters"]),
        Sign::support("Please disable the KVM kernel extension"),
        Sign::strong("are not compatible*Device/Credential Guard"),
        Sign::support("Module 'HV' power on failed"),
        // Booted as a Xen domain, the kernel cannot give VMX to KVM.
        Sign::support("Booting paravirtualized kernel on Xen").and(&["could not insert 'kvm"]),
        Sign::strong("PR_KVM_CREATE_BUSY"),
    ],
    words: &["virtualbox", "vmware", "hyper-v", "vboxdrv", "both hypervisors", "root mode"],
    explains: &["kvm/device-missing"],
    tells: "lsmod",
    remedy: "stop the other hypervisor and unload its module, or set kvm.enable_virt_at_load=0 and use one at a time",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if let Some(modules) = cx.one::<LsMod>() {
        let module = |names: &[&str]| names.iter().find_map(|name| modules.get(name));
        let foreign = module(&["vboxdrv", "vmmon"]).filter(|module| module.used > 0);
        if let (Some(foreign), Some(kvm)) = (foreign, module(&["kvm_intel", "kvm_amd"])) {
            draft = draft
                .because(
                    Strength::Support,
                    modules.quote(foreign.line),
                    "another hypervisor's module is in use",
                )
                .because(Strength::Hint, modules.quote(kvm.line), "KVM is loaded beside it");
        }
        if let (Some(one), Some(_)) = (modules.get("kvm_intel"), modules.get("kvm_amd")) {
            draft =
                draft.because(Strength::Support, modules.quote(one.line), "both vendor modules are loaded");
        }
        if modules.header {
            draft = draft.looked();
        }
    }
    vec![draft.verdict()]
}
