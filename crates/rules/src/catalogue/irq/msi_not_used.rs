//! # The device uses INTx where MSI is needed
//!
//! ## What it is
//! Legacy INTx interrupts are level-triggered lines, often shared, and each one costs exits to mask and unmask it. A
//! passed-through device that uses INTx instead of MSI or MSI-X is slow (crackling sound, stutter), loses
//! interrupts, or cannot start because the host shares its line.
//!
//! Heard as: the passed-through sound or GPU crackles, drops out or has high DPC latency; line-based interrupts.
//!
//! Known by: legacy interrupt line, INTx shared; audio crackles or stutter in passed-through card; MSI utility; lspci
//! shows MSI: Enable-; nobody cared irq disabled; sound crackling, GPU latency, xhci resets; interrupt storm, irq 16;
//! MSISupported registry; line-based; pin; disabled IRQ.
//!
//! ## Why it happens
//! Windows leaves some drivers (HDMI audio, USB) on INTx; `pci=nomsi`; the device's INTx masking is broken and its
//! line is shared with a host driver, which vfio-pci cannot allow; the guest driver disables MSI.
//!
//! ## Confirm
//! `lspci -vv -s <address>` on the host while the VM runs: "MSI: Enable-"; `grep vfio /proc/interrupts`: `vfio-intx`;
//! in a Windows guest a positive IRQ number in Device Manager.
//!
//! ## Refute
//! `vfio-msi` or `vfio-msix` lines count up.
//!
//! ## Fix
//! Windows: `MSISupported=1` in the device's registry key (or the MSI utility); Linux guest: `snd_hda_intel
//! enable_msi=1`; take `pci=nomsi` away; for a shared line unbind the host driver that shares it.
//!
//! ## References
//! Linux `drivers/vfio/pci/vfio_pci_intrs.c`, `vfio_intx_enable()`, `drivers/vfio/pci/vfio_pci_core.c` ("Masking
//! broken INTx support"); QEMU `hw/vfio/pci.c` `vfio_intx_enable()`; Microsoft, "Enabling MSI in the registry".

use crate::prelude::*;
use vmwright_formats::KernelCmdline;

pub const RULE: Rule = Rule {
    tags: &["passthrough", "performance"],
    signs: &[
        Sign::proof("Flags mismatch irq {irq}. * (vfio-intx("),
        Sign::strong(
            "eventfd signaling for interrupt INTX-0: VFIO_DEVICE_SET_IRQS failure: Device or resource busy",
        ),
        Sign::strong("Failed to setup INTx fd: Device or resource busy"),
        Sign::strong("failed to setup INTx fd"),
        Sign::strong("vfio: Error: Failed to enable MSI"),
        Sign::strong("vfio: failed to enable MSI-X"),
        Sign::strong("Masking broken INTx support"),
        Sign::support("vfio-intx("),
        Sign::support("nobody cared (try booting with the \"irqpoll\" option)"),
        Sign::support("MSISupported"),
        Sign::support("MSI utility"),
        Sign::hint("MSI: Enable-").and(&["vfio-pci"]),
        Sign::hint("Disabling IRQ #"),
        Sign::support("MSI: Enable-").and(&["crackl"]),
        Sign::support("MSI: Enable-").and(&["stutter"]),
        Sign::support("MSI: Enable-").and(&["latency"]),
        Sign::strong("line-based interrupt"),
        Sign::support("MSI: Enable-").said(&["crackl", "drops out", "latency", "sound", "stutter"]).or_near(),
        Sign::support("Failed to disable INTx irqfd"),
        Sign::support("vfio: failed to enable vectors"),
        Sign::strong("vfio: Error: Failed to enable {n} MSI vectors"),
        Sign::support("vfio: Error: Failed to setup MSI fds"),
    ],
    words: &["msi", "intx", "crackling", "audio stutter", "legacy interrupt", "line-based", "latency"],
    explains: &[],
    tells: "/proc/interrupts",
    remedy: "make the guest's driver use MSI (MSISupported=1, enable_msi=1), or free the shared interrupt line",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    needs: &[Need::File("/proc/interrupts"), Need::File("/proc/cmdline")],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for cmdline in cx.all::<KernelCmdline>() {
        let told = cmdline
            .get("pci")
            .filter(|found| found.value.is_some_and(|value| value.split(',').any(|word| word == "nomsi")));
        if let Some(found) = told {
            draft = draft
                .because(Strength::Strong, cmdline.quote(found.line), "the kernel is told to use no MSI")
                .title("pci=nomsi on the kernel command line");
        }
    }
    vec![draft.verdict()]
}
