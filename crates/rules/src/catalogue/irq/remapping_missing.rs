//! # Interrupt remapping is absent, so assignment is refused
//!
//! ## What it is
//! With interrupt remapping the IOMMU checks who may send which interrupt. Without it a guest's device could forge
//! any interrupt of the host, so VFIO refuses the container (EPERM) unless unsafe interrupts are allowed.
//!
//! Heard as: assignment is refused for lack of interrupt remapping; allow_unsafe_interrupts.
//!
//! Known by: failed to set up device: interrupt remapping not supported; allow_unsafe_interrupts; x2apic off by BIOS;
//! operation not permitted when attaching group; IR not enabled; unsafe interrupts; no DMAR_INTR_REMAP; old chipset
//! 5520 or X58; broken BIOS, intremap=off; device assignment refused for security.
//!
//! ## Why it happens
//! Platforms before Westmere-EP; chipsets with an erratum (5500/5520) where the kernel turns it off; AMD boards whose
//! IVRS table lacks the IOAPIC; `intremap=off`; a virtual IOMMU without `intremap=on`; firmware that opts out.
//!
//! ## Confirm
//! `dmesg | grep -iE 'remapping|DMAR-IR|AMD-Vi'`: "Enabled IRQ remapping in x2apic mode" or "Interrupt remapping
//! enabled" is missing; `acpidump -n DMAR` (its flag INTR_REMAP) and `acpidump -n IVRS` (its entries of IOAPICs) say what the
//! firmware offers; "vfio_iommu_type1_attach_group: No interrupt remapping" stands there after a try.
//!
//! ## Refute
//! One of these two lines stands in dmesg.
//!
//! ## Fix
//! A firmware update or setting; take `intremap=off` away; `intremap=on` for a virtual IOMMU;
//! `ivrs_ioapic[n]=...` for a wrong IVRS. Only for trusted guests: `vfio_iommu_type1.allow_unsafe_interrupts=1`.
//!
//! ## References
//! Linux `drivers/vfio/vfio_iommu_type1.c` `vfio_iommu_type1_attach_group()`;
//! `drivers/iommu/intel/irq_remapping.c`; `drivers/iommu/amd/init.c` `check_ioapic_information()`.

use crate::prelude::*;
use vmwright_formats::{AcpiTables, KernelCmdline, PciDevices};

/// Another reason for the same EPERM stands there.
const OTHER: &[&str] = &["platform RMRR requirement", "1:1 IOMMU mapping"];

pub const RULE: Rule = Rule {
    tags: &["passthrough", "security"],
    signs: &[
        Sign::proof("No interrupt remapping support"),
        Sign::proof("Use the module param \"allow_unsafe_interrupts\""),
        Sign::proof("No interrupt remapping for"),
        Sign::strong("Failed to set iommu for container: Operation not permitted").unless(OTHER),
        Sign::strong("failed to set iommu for container: 1 (Operation not permitted)").unless(OTHER),
        Sign::strong("You are vulnerable to irq-injection attacks"),
        Sign::strong("AMD-Vi: Disabling interrupt remapping"),
        Sign::strong("interrupt remapping will be disabled"),
        Sign::strong("Not enabling interrupt remapping"),
        Sign::strong("Not enable interrupt remapping"),
        Sign::strong("This system BIOS has enabled interrupt remapping"),
        Sign::strong("not in IVRS table"),
        Sign::strong("No southbridge IOAPIC found"),
        Sign::strong("Failed to setup irq remapping for"),
        Sign::hint("Present field in the IRTE entry is clear"),
        Sign::hint("allow_unsafe_interrupts"),
        Sign::strong("Enabled IRQ remapping in").against(),
        Sign::strong("AMD-Vi: Interrupt remapping enabled").against(),
        // VFIO since 6.3 and iommufd.
        Sign::proof("MSI interrupts are not secure, they cannot be isolated by the platform"),
        Sign::strong("failed to set container's IOMMU driver type as VfioType1V2*Operation not permitted"),
        Sign::support("Blocked a compatibility format interrupt request"),
        Sign::strong("Compatibility-format IRQs enabled despite intr remapping"),
        Sign::support("Failed to allocate IRTE"),
        Sign::strong("Failed to set source-id of IOAPIC"),
        Sign::strong("no free irte"),
        Sign::strong("failed to parse managed IOAPIC/HPET"),
    ],
    words: &["interrupt remapping", "unsafe interrupts", "intremap", "operation not permitted"],
    explains: &["vfio/group-permission", "vfio/group-not-viable"],
    tells: "dmesg",
    remedy: "enable interrupt remapping in firmware or for the virtual IOMMU; unsafe interrupts only for trusted guests",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::HostReboot,
    escalation: Some(Agent::SecurityEngineer),
    needs: &[
        Need::Command(&["dmesg"]),
        Need::File("/proc/cmdline"),
        Need::Probe(Probe::AcpiTables),
        Need::Probe(Probe::Pci),
    ],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for cmdline in cx.all::<KernelCmdline>() {
        let off = cmdline.get("intremap").filter(|found| found.value == Some("off"));
        if let Some(line) = off.map(|found| found.line).or(cmdline.get("nointremap").map(|found| found.line))
        {
            draft = draft
                .because(Strength::Strong, cmdline.quote(line), "the kernel is told to leave it off")
                .title("interrupt remapping is switched off on the kernel command line");
        }
    }
    // On a host that gives no device away it does not matter.
    let given = cx.all::<PciDevices>().iter().any(|seen| {
        seen.devices
            .iter()
            .any(|device| device.driver().is_some_and(|driver| driver.value == Some("vfio-pci")))
    });
    let strength = if given || cx.asked(RULE.words) { Strength::Strong } else { Strength::Hint };
    for seen in cx.all::<AcpiTables>() {
        draft = draft.looked();
        if let Some(none) = seen.dmar.as_ref().and_then(|dmar| dmar.interrupt_remapping.as_ref())
            && !none.value
        {
            let quote = seen.quote(none.line);
            draft = draft
                .because(
                    strength,
                    quote,
                    "the firmware's DMAR table says that the platform has none: flag INTR_REMAP is off",
                )
                .title("the firmware offers no interrupt remapping");
        }
        if let Some(ivrs) = seen.ivrs.as_ref().filter(|ivrs| ivrs.ioapics.is_empty())
            && let Some(unit) = ivrs.units.first()
        {
            draft = draft
                .because(
                    strength,
                    seen.quote(unit.line),
                    "the firmware's IVRS table names no IOAPIC for this IOMMU",
                )
                .title(
                    "the firmware's IVRS table names no IOAPIC, without which interrupts are not remapped",
                );
        }
    }
    vec![draft.verdict()]
}
