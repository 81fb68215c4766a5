//! # The platform has no IOMMU, or the VM that is the host was given none
//!
//! ## What it is
//! Assignment needs an IOMMU under the device. Here there is none to switch on: an old or small platform, or a
//! host that is itself a VM without a virtual IOMMU.
//!
//! Heard as: this board or the VM that is my host has no IOMMU at all.
//!
//! Known by: board or cloud instance without VT-d; no IOMMU in this VM; noiommu mode only; nested passthrough without
//! virtual IOMMU; no iommu in ACPI tables; enable_unsafe_noiommu_mode.
//!
//! ## Why it happens
//! Nested set-ups: KVM works in the VM, and its PCI devices have no IOMMU above them. Processors or chipsets
//! without VT-d; boards whose firmware has no DMAR or IVRS table at all.
//!
//! ## Confirm
//! `systemd-detect-virt`; `ls /sys/firmware/acpi/tables` (no DMAR, IVRS, IORT, VIOT); `dmesg | grep -iE
//! 'DMAR|AMD-Vi|Hypervisor detected'`; the processor's data sheet.
//!
//! ## Refute
//! A DMAR or IVRS table is there: then the kernel has it off (iommu/disabled).
//!
//! ## Fix
//! Give the VM that is the host a virtual IOMMU: `-device intel-iommu,intremap=on,caching-mode=on` with
//! `kernel-irqchip=split`, libvirt `<iommu model='intel'>`, or `virtio-iommu`; or use hardware that has one. The
//! no-IOMMU mode of vfio protects nothing and works only for user-space drivers, not for VMs.
//!
//! ## References
//! libvirt `tools/virt-host-validate-common.c`; Linux `drivers/iommu/intel/dmar.c`,
//! `Documentation/driver-api/vfio.rst`; QEMU `hw/i386/intel_iommu.c`, `docs/devel/` on virtio-iommu.

use crate::catalogue::mitigation::host_vulnerable::is_vm;
use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["passthrough", "nested"],
    signs: &[
        Sign::strong("no iommu_group found").and(&["Hypervisor detected"]),
        Sign::support("no iommu_group found").and(&["nested"]),
        Sign::strong("No ACPI DMAR table found").and(&["Hypervisor detected"]),
        Sign::strong("No ACPI IVRS table found").and(&["Hypervisor detected"]),
        Sign::support("No ACPI DMAR table found"),
        Sign::support("No ACPI IVRS table found"),
        Sign::strong("No ACPI IORT table found, IOMMU not supported by this hardware platform"),
        Sign::support("Unknown if this platform has IOMMU support"),
        Sign::strong("No DMAR devices found"),
        Sign::support("IOMMU not present").and(&["Hypervisor detected"]),
        Sign::strong("Enabling unsafe no-IOMMU mode"),
        Sign::strong("enable_unsafe_noiommu_mode"),
        Sign::strong("vfio-noiommu"),
        Sign::strong("does not support VT-d"),
        Sign::strong("vIOMMU").and(&["no iommu_group found"]),
        Sign::strong("DMAR: DRHD base").against(),
        Sign::strong("Adding to iommu group").against(),
        Sign::hint("has no iommuGroup available"),
        Sign::strong("No supported address widths. Not attempting DMA translation"),
        Sign::support("Cannot bind to driver vfio-pci").and(&["in my VM"]),
        Sign::support("Cannot bind to driver vfio-pci").and(&["inside"]),
        Sign::support("Cannot bind to driver vfio-pci").and(&["Virtio"]),
        Sign::support("vfio-pci failed with error -22").and(&["Raspberry"]),
        Sign::support("IVRS table error:"),
        Sign::strong("No DRHD structure found in DMAR table"),
    ],
    words: &[
        "nested",
        "inside a vm",
        "virtual machine host",
        "viommu",
        "cloud instance",
        "does not have vt-d",
    ],
    explains: &["iommu/disabled", "vfio/module-missing", "vfio/wrong-driver"],
    tells: "/sys/firmware/acpi/tables",
    remedy: "give the host VM a virtual IOMMU with interrupt remapping, or use hardware that has one",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::HostReboot,
    escalation: Some(Agent::SystemsArchitect),
    needs: &[Need::Command(&["dmesg"])],
    check,
    ..Rule::NEW
};

/// `DMAR: IOMMU enabled` echoes `intel_iommu=on` and nothing more; where there is a unit, lines on it follow.
fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let found =
        ["DRHD base", "Adding to iommu group", "DMAR-IR: Enabled", "Virtualization Technology for Directed"];
    if let Some((text, number, _)) = cx.lines_with("DMAR: IOMMU enabled").next()
        && cx.lines_with(found).next().is_none()
        && let Some(vm) = is_vm(cx)
    {
        draft = draft
            .because(Strength::Strong, text.quote(number), "switched on, and no unit was found")
            .because(Strength::Hint, Some(vm), "the host is a VM, which was given none");
    }
    vec![draft.verdict()]
}
