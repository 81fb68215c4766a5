//! # Kernel, QEMU, libvirt or firmware come from different generations of TDX
//!
//! ## What it is
//! Before TDX went upstream (KVM in Linux 6.16, QEMU 10.1, libvirt 11.6), vendors shipped patched stacks whose
//! user interface differs: other ioctl layouts, other object properties, other firmware needs. Parts of different
//! generations do not work together although each says that it knows TDX.
//!
//! Heard as: QEMU, kernel or libvirt do not know TDX or know another generation of it.
//!
//! Known by: tdx-guest object unknown; QEMU without TDX support; old TDVF or host kernel of preview; attributes not
//! supported; quote generation service; mixed Ubuntu and upstream packages; command line of an older tutorial; property
//! of tdx object refused; Canonical TDX or CentOS SIG packages; quoting; guest kernel lacks TDX; qemu says invalid
//! object type.
//!
//! ## Why it happens
//! One part was updated and the others were not: an upstream QEMU on a vendor kernel (or the reverse), QEMU or libvirt
//! of the distribution instead of that of the TDX archive, an OVMF without TDVF metadata, a CPU model other than
//! `host`, or options that the upstream object renamed (`quote-generation-service`, `sept-ve-disable`).
//!
//! ## Confirm
//! `uname -r`, `qemu-system-x86_64 --version`, `virsh version`, the package of the OVMF file: do they come from one
//! source? `virsh domcapabilities | grep -i -A3 launchSecurity`.
//!
//! ## Refute
//! `dmesg` shows that the module itself failed (tdx/module-problem), or all parts come from one release.
//!
//! ## Fix
//! Take all parts from one generation: either the upstream versions above or later, or one vendor archive in whole.
//!
//! ## References
//! Linux `Documentation/virt/kvm/x86/intel-tdx.rst`; QEMU `docs/system/i386/tdx.rst`, `target/i386/kvm/tdx.c`,
//! `hw/i386/tdvf.c`; libvirt formatdomain, launchSecurity type tdx.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["confidential", "tdx"],
    signs: &[
        Sign::proof("KVM_TDX_CAPABILITIES failed: Inappropriate ioctl for device"),
        Sign::strong("KVM_TDX_CAPABILITIES failed"),
        Sign::strong("TDX ioctl KVM_TDX_CAPABILITIES failed, hw_errors: 0x0"),
        Sign::strong("TDX ioctl KVM_TDX_INIT_VM failed, hw_errors: 0x0"),
        Sign::support("KVM_TDX_INIT_MEM_REGION failed"),
        Sign::support("KVM_TDX_INIT_VM failed"),
        Sign::strong("kvm-type 'tdx' not supported by KVM"),
        Sign::strong("vm-type tdx not supported by KVM"),
        Sign::strong("host kernel does not support requested TDX VM type"),
        Sign::strong("invalid object type: tdx-guest"),
        Sign::strong("'tdx-guest' is not a valid object type name"),
        Sign::strong("Parameter 'qom-type' does not accept value 'tdx-guest'"),
        Sign::strong("Property 'tdx-guest.{name}' not found"),
        Sign::strong("unsupported launch security type 'tdx'"),
        Sign::strong("'tdx' launch security is not supported with this QEMU binary"),
        Sign::strong("INTEL TDX launch security is not supported with this QEMU binary"),
        Sign::strong("KVM doesn't support KVM_CAP_X86_APIC_BUS_CYCLES_NS"),
        Sign::strong("KVM TDX seems broken that number of CPUID entries"),
        Sign::strong("TDVF metadata doesn't specify TD_HOB location"),
        Sign::strong("Invalid TDVF metadata"),
        Sign::strong("failed to find TDVF metadata"),
        Sign::strong("Unsupported TDVF section"),
        // hw/i386/tdvf.c and target/i386/kvm/tdx.c of QEMU 10.1 and later.
        Sign::strong("TDVF contains unsupported section type"),
        Sign::strong("failed to parse TDVF for TDX VM"),
        Sign::strong("Cannot find TDX_METADATA_OFFSET_GUID"),
        Sign::strong("Invalid TDVF signature in metadata"),
        Sign::strong("Broken metadata RawDataSize"),
        Sign::strong("TDVF metadata len (*mismatch"),
        Sign::strong("Invalid XFAM {bits} for TDX VM"),
        Sign::strong("Some QEMU unsupported TD attribute bits being requested"),
        Sign::support("Unable to set core crystal clock frequency to 25MHz"),
        Sign::support("memory-backend-memfd-private"),
        Sign::strong("Named cpu model is not supported for TDX yet"),
        Sign::strong("TDX VM requires kernel_irqchip to be split"),
        Sign::strong("TDX VM doesn't support SMM"),
        Sign::strong("TDX VM doesn't support PIC"),
        Sign::strong("for TDX VM (KVM supported: 0x"),
        Sign::strong("TDX requires guest CPU physical bits ("),
        Sign::support("TDX doesn't support requested feature"),
        Sign::strong("CPU hotplug is not permitted with TDX"),
        Sign::strong("No TDX firmware specified"),
        Sign::strong("Error parsing TDVF"),
        Sign::support("private memory slot").and(&["tdx-guest"]),
        Sign::strong("Your CPU does not support Intel TDX"),
        Sign::strong("To use Intel TDX, you need to change the BIOS to OVMF"),
    ],
    words: &["tdx guest", "qemu version", "td guest", "intel tdx", "after update", "upstream"],
    tells: "dmesg",
    remedy: "take kernel, QEMU, libvirt and TDVF firmware from one generation of TDX",
    disruption: Disruption::HostReboot,
    needs: &[Need::Command(&["dmesg"]), Need::File("/proc/version")],
    ..Rule::NEW
};
