//! # The guest's NVIDIA driver refuses to run in a VM
//!
//! ## What it is
//! A Windows guest shows "Code 43" for an NVIDIA GeForce card, or a Linux guest's driver fails in RmInitAdapter,
//! although the device is properly assigned: drivers before 465 stop when they see a hypervisor.
//!
//! Heard as: yellow triangle on the NVIDIA card in Windows; the driver stopped it; bare metal is fine.
//!
//! Known by: Windows has stopped this device because it has reported problems; NVIDIA error 43; hide hypervisor
//! kvm=off, vendor_id; consumer GeForce.
//!
//! ## Why it happens
//! The driver looks at the CPUID hypervisor bit, KVM's signature and the Hyper-V vendor id. Newer drivers (465 and
//! later) allow it, but laptop cards also want a battery and an ACPI ROM, and the same code 43 comes from a bad
//! ROM, a missing MMIO window, or a card that was not reset.
//!
//! ## Confirm
//! In the guest, Device Manager, and the driver's version; on the host `virsh dumpxml <vm>`: no
//! `<kvm><hidden state='on'/>` and no `<vendor_id state='on'>` below `<hyperv>`; QEMU: no `kvm=off`.
//!
//! ## Refute
//! Both are set, or the driver is 465 or later, and the code stays: look at ROM, BARs and reset.
//!
//! ## Fix
//! Update the guest's driver; or `<kvm><hidden state='on'/></kvm>` and `<vendor_id state='on'
//! value='whatever'/>`; `-cpu host,kvm=off,hv_vendor_id=whatever`.
//!
//! ## References
//! NVIDIA, "GeForce GPU passthrough for Windows virtual machine" (release 465); libvirt domain XML, hypervisor
//! features; QEMU `target/i386/cpu.c` (`kvm`, `hv-vendor-id`).

use crate::prelude::*;

/// The VM hides that it is one already.
const HIDDEN: &[&str] = &["hidden state='on'", "hidden state=\"on\"", "kvm=off", "\"kvm\":false", "hidden=1"];

/// What people see in the device manager.
const STOPPED: &[&str] =
    &["yellow triangle", "exclamation mark", "stopped this device", "driver stops", "code 43", "error 43"];

pub const RULE: Rule = Rule {
    tags: &["passthrough", "gpu", "windows"],
    signs: &[
        Sign::strong("Code 43").unless(HIDDEN),
        Sign::support("Code 43"),
        Sign::support("Error 43"),
        Sign::strong("Code43").unless(HIDDEN),
        Sign::support("Windows has stopped this device because it has reported problems"),
        Sign::strong("CM_PROB_FAILED_POST_START"),
        Sign::hint("RmInitAdapter failed").and(&["hypervisor"]),
        Sign::hint("NVIDIA Corporation").unless(HIDDEN),
        Sign::support("AMD Radeon").and(&["Code 43"]).against(),
        // What a complaint makes of a configuration.
        Sign::support("<hostdev").unless(HIDDEN).said(STOPPED),
        Sign::support("vfio-pci").unless(HIDDEN).said(STOPPED),
        Sign::support("hostpci{n}: ").unless(HIDDEN).said(STOPPED),
        // Intel's driver of a virtual function wants to see the hypervisor.
        Sign::strong("hypervisor=off").said(STOPPED),
    ],
    words: &["code 43", "error 43", "device manager", "geforce", "nvidia driver"],
    explains: &[],
    tells: "virsh dumpxml <vm>",
    remedy: "use guest driver 465 or later, or hide KVM (kvm hidden, Hyper-V vendor id)",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
