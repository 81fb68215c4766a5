//! # The kernel-irqchip setting does not fit the guest or one of its devices
//!
//! ## What it is
//! The interrupt controllers live in KVM (`on`), in QEMU (`off`), or half in each (`split`). Interrupt remapping by a
//! virtual IOMMU, more than 255 vCPUs and some devices need one of the three; INTx of assigned devices suffers in others.
//!
//! Heard as: host or guest hangs with an assigned device since QEMU 4.0 or with split irqchip; no interrupts
//! arrive.
//!
//! Known by: split, off or full irqchip; kernel_irqchip; intel-iommu with intremap wants split; ioapic; guest hang or
//! no interrupts; KVM_CREATE_IRQCHIP failed; assigned device gets no interrupt; userspace APIC; kernel_irqchip=on
//! cures; EOI; Hyper-V SynIC needs in-kernel APIC; x2apic with more CPUs.
//!
//! ## Why it happens
//! `-device intel-iommu,intremap=on` without `kernel-irqchip=split`; machine pc-q35-4.0, whose default was split and
//! broke INTx of assigned devices; raw arguments that contradict libvirt's `<ioapic driver='qemu'/>`; a VMM or platform
//! that has no split mode.
//!
//! ## Confirm
//! `-machine` in the VM's command line (`ps -o args= -C qemu-system-x86_64`), `<features><ioapic driver=.../>` in
//! `virsh -r dumpxml VM`; `lspci -vv` for devices without MSI (they use INTx).
//!
//! ## Refute
//! The setting is the machine type's default and neither a virtual IOMMU nor INTx is in use.
//!
//! ## Fix
//! `kernel-irqchip=split` (`<ioapic driver='qemu'/>`) with a remapping virtual IOMMU; `on` for the rest, above all for
//! assigned devices that use INTx.
//!
//! ## References
//! QEMU `hw/i386/x86-iommu.c` ("Interrupt Remapping cannot work with kernel-irqchip=on"), `hw/i386/intel_iommu.c`,
//! `accel/kvm/kvm-all.c`, `kvm_irqchip_create()`; libvirt formatdomain, feature `ioapic`, and `qemu_validate.c`.

use crate::catalogue::vmm::known_bug::programs::{Program, Range, version_of};
use crate::prelude::*;
use vmwright_formats::{DomainXml, QemuArgs};

#[path = "messages/irqchip_mismatch.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["kvm", "interrupts", "passthrough"],
    needs: &[Need::Probe(Probe::Vmms)],
    signs: messages::SIGNS,
    words: &["irqchip", "split irqchip", "interrupt remapping", "ioapic"],
    tells: "virsh -r dumpxml VM",
    remedy: "set kernel-irqchip to split with a remapping virtual IOMMU, and to on for assigned devices that use INTx",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let version = version_of(cx, Program::Qemu)
        .map(|(version, _)| Range { from: &[4], fixed: &[&[4, 1]] }.holds(&version));
    let qemu_4_0 = version.unwrap_or_else(|| cx.said("QEMU 4.0") || cx.stands("pc-q35-4.0"));
    for args in cx.all::<QemuArgs>() {
        let chip =
            args.property("machine", "kernel-irqchip").or_else(|| args.property("M", "kernel-irqchip"));
        let chip = chip.or_else(|| args.property("accel", "kernel-irqchip"));
        let mode = chip.as_ref().map_or("", |chip| chip.value.as_str());
        let iommu = args.devices("intel-iommu").next();
        let remaps =
            iommu.filter(|(_, opts)| opts.get("intremap") == Some("on") || opts.get("eim") == Some("on"));
        let assigned = args.devices("vfio").next().map(|(option, _)| option.value_line);
        match (remaps, assigned) {
            (Some((iommu, _)), _) if !["split", "off"].contains(&mode) => {
                draft = draft.because(Strength::Strong, args.quote(iommu.value_line), "it remaps interrupts");
            }
            // In QEMU 4.0 the alias q35 meant pc-q35-4.0, whose default is split.
            (None, Some(device)) if mode.is_empty() && qemu_4_0 => {
                let machine = args.first("machine").or_else(|| args.first("M"));
                let machine = machine.filter(|machine| machine.value.as_deref().is_some_and(is_q35_4_0));
                if let Some(machine) = machine {
                    draft = draft
                        .because(
                            Strength::Strong,
                            args.quote(machine.value_line),
                            "its default is a split irqchip",
                        )
                        .because(Strength::Hint, args.quote(device), "an assigned device may use INTx");
                }
            }
            // Without a remapping IOMMU nothing needs split, and INTx goes round through QEMU.
            (None, Some(device)) if mode == "split" || mode == "off" => {
                let line = chip.map_or(0, |chip| chip.line);
                draft = draft
                    .because(Strength::Support, args.quote(line), "the I/O APIC is in QEMU")
                    .because(Strength::Hint, args.quote(device), "an assigned device may use INTx")
                    .because(
                        Strength::Hint,
                        cx.hits("pc-q35-4.0").first().and_then(|hit| cx.evidence(hit)),
                        "it is its default",
                    );
            }
            _ => {}
        }
    }
    for xml in cx.all::<DomainXml>() {
        for domain in &xml.domains {
            let raw = domain.qemu_arg("kernel_irqchip=on").or_else(|| domain.qemu_arg("kernel-irqchip=on"));
            let remaps = domain.devices.other("iommu").find(|iommu| iommu.detail.is_some());
            let ioapic = xml.attribute("features/ioapic", "driver");
            let kvm = ioapic.as_ref().filter(|ioapic| ioapic.value == "kvm").map(|ioapic| ioapic.line);
            if let (Some(iommu), Some(line)) = (remaps, kvm.or(raw.map(|raw| raw.line))) {
                draft = draft.because(Strength::Strong, xml.quote(line), "the I/O APIC is in KVM").because(
                    Strength::Support,
                    xml.quote(iommu.line),
                    "the virtual IOMMU remaps interrupts",
                );
            }
        }
    }
    vec![draft.verdict()]
}

/// Whether a machine option means the machine type pc-q35-4.0 in QEMU 4.0.
fn is_q35_4_0(machine: &str) -> bool {
    let name = machine.split(',').next().unwrap_or_default().trim_start_matches("type=");
    name == "q35" || name == "pc-q35-4.0"
}
