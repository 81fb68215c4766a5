//! The messages of the rule beside: the kernel-irqchip setting does not fit the guest or one of its devices.

use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    Sign::proof("Interrupt Remapping cannot work with kernel-irqchip=on"),
    Sign::proof("eim=on requires accel=kvm,kernel-irqchip=split"),
    Sign::proof("interrupt remapping requires split I/O APIC"),
    Sign::strong("requires kernel irqchip and X2APIC API support"),
    Sign::strong("requires kernel-irqchip=split"),
    Sign::strong("requires kernel_irqchip=split"),
    Sign::strong("only supports kernel-irqchip=split"),
    Sign::strong("requires kernel-irqchip"),
    Sign::strong("requires in-kernel irqchip"),
    Sign::strong("Could not enable split IRQ mode"),
    Sign::strong("Could not enable split irqchip mode"),
    Sign::strong("Split IRQ chip mode not supported"),
    Sign::strong("Create kernel irqchip failed"),
    Sign::strong("Enable kernel irqchip failed"),
    Sign::support("PCI: Bug - unimplemented PCI INTx routing"),
    Sign::support("userspace irqchip"),
    // The machine type whose default was split; looked at in `check`.
    Sign::hint("pc-q35-4.0"),
    // The release in which `q35` meant pc-q35-4.0.
    Sign::hint("QEMU 4.0"),
    Sign::strong("eim=on cannot be selected without intremap=on"),
    Sign::strong("IOMMU eim requires interrupt remapping"),
    Sign::strong("requires support on the KVM side(X2APIC_API"),
    Sign::strong("AMD IOMMU xtsup=on requires x2APIC"),
    Sign::strong("AMD IOMMU with x2APIC configuration requires xtsup=on"),
    Sign::strong("MSI-X is not supported by interrupt controller"),
    Sign::strong("MSI is not supported by interrupt controller"),
    Sign::strong("Create kernel PIC irqchip failed"),
    Sign::strong("failed to setup resample irqfd"),
    Sign::strong("Lost tick policy not supported"),
    Sign::strong("unable to init event notifier:").and(&["irqchip"]),
    Sign::support("virtio-blk failed to set guest notifier"),
    Sign::support("Failed to set guest notifiers"),
    Sign::strong("In-kernel PIT not available"),
    Sign::strong("no route for guest_irq"),
    Sign::strong("Disabled LAPIC found during irq injection"),
    Sign::strong("kvm: exhaust allocatable IRQ sources"),
    // A host whose interrupt controller is a GICv2, and a VMM that knows GICv3 alone.
    Sign::support("kvmgicv3.rs"),
    Sign::support("KVM GICv3 creation failed"),
];
