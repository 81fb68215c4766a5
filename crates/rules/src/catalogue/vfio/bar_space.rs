//! # The device's memory regions (BARs) do not fit
//!
//! ## What it is
//! Modern GPUs and accelerators have BARs of 256 MiB to 256 GiB. Host firmware, the guest's firmware, or the
//! window that QEMU gives to the root bus has no room for them, so the device stays without its memory.
//!
//! Heard as: two cards or a card with large memory: one is not usable; Above 4G decoding, Resizable BAR.
//!
//! Known by: BAR 0: no space for, failed to assign; above 4G decoding, resizable BAR, big GPU memory; pci-hole64-size;
//! MMIO window; OVMF X-PciMmio64Mb; not enough address space; large BAR needs 64-bit window; guest sees no memory
//! resource; code 12; cannot find enough free resources; SeaBIOS, 32-bit hole; hot-plug of big card.
//!
//! ## Why it happens
//! Above 4G decoding is off; Resizable BAR enlarged the BAR; the guest has SeaBIOS on i440fx, or OVMF sized its
//! 64-bit MMIO window for less; two large cards share a window for one; root ports have a small prefetchable
//! reserve; the guest's physical address width is too narrow for a larger window.
//!
//! ## Confirm
//! In the guest (or host) `dmesg | grep -E 'BAR|can.t assign|no space'`, `lspci -vv -s <address>`: "Memory at
//! <unassigned>" or "<ignored>". Sum the BAR sizes of all assigned devices.
//!
//! ## Refute
//! All "Region" lines have addresses, and the driver's complaint names none.
//!
//! ## Fix
//! Host: Above 4G decoding on (and Resizable BAR off where the guest cannot have it). Guest: UEFI on q35, `-cpu
//! host` with the host's address width, `-global q35-pcihost.pci-hole64-size=`, `pcihole64` in libvirt,
//! `-fw_cfg name=opt/ovmf/X-PciMmio64Mb,string=65536`, `pci=realloc` in the guest.
//!
//! ## References
//! Linux `drivers/pci/setup-res.c`, `setup-bus.c`, `probe.c`; edk2 `OvmfPkg/PlatformPei/MemDetect.c`
//! (X-PciMmio64Mb); QEMU `hw/pci-host/q35.c`; PCIe specification, Resizable BAR.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["passthrough", "gpu", "firmware"],
    signs: &[
        Sign::proof("NVRM: This PCI I/O region assigned to your NVIDIA device is invalid"),
        Sign::support("Invalid PCI I/O region"),
        Sign::proof("NVRM: BAR0 is 0M @"),
        Sign::proof("NVRM: BAR1 is 0M @"),
        Sign::proof("NVRM: BAR2 is 0M @"),
        Sign::proof("NVRM: BAR3 is 0M @"),
        Sign::strong("BAR 0: no space for [mem size"),
        Sign::strong("BAR 1: no space for [mem size"),
        Sign::strong("BAR 2: no space for [mem size"),
        Sign::strong("BAR 3: no space for [mem size"),
        Sign::strong("BAR 4: no space for [mem size"),
        Sign::strong("BAR 0 [mem *: can't assign; no space"),
        Sign::strong("BAR 1 [mem *: can't assign; no space"),
        Sign::strong("BAR 2 [mem *: can't assign; no space"),
        Sign::strong("BAR 3 [mem *: can't assign; no space"),
        Sign::strong("BAR 4 [mem *: can't assign; no space"),
        Sign::support("BAR 0: failed to assign [mem size"),
        Sign::support("BAR 1: failed to assign [mem size"),
        Sign::support("BAR 2: failed to assign [mem size"),
        Sign::support("BAR 0 [mem *: failed to assign"),
        Sign::support("BAR 1 [mem *: failed to assign"),
        Sign::support("BAR 15: no space for [mem size * 64bit pref]"),
        Sign::support("bridge window [mem size * 64bit pref]: can't assign; no space"),
        Sign::strong("can't handle BAR above 4GB"),
        Sign::strong("can't handle BAR larger than 4GB"),
        Sign::strong("Memory at <unassigned>"),
        Sign::strong("Memory at <ignored>"),
        Sign::support("can't claim; no compatible bridge window"),
        Sign::support("not claimed; can't enable device"),
        Sign::support("not assigned; can't enable device"),
        Sign::support("Not enough PCI address space for a large BAR"),
        Sign::strong("Problem resizing BAR0"),
        Sign::support("PCI: OUT OF RESOURCES"),
        Sign::support("PciBus: Resource conflict"),
        Sign::hint("X-PciMmio64Mb"),
        Sign::hint("pci-hole64-size"),
        Sign::hint("pcihole64"),
        Sign::hint("Above 4G Decoding"),
        Sign::hint("Some PCI device resources are unassigned, try booting with pci=realloc"),
        // Cloud Hypervisor: the guest moves a BAR to where no room is.
        Sign::strong("Failed moving device BAR"),
        Sign::strong("failed allocating new MMIO range"),
        // A BAR that the host enlarged fits no window of the guest.
        Sign::support("Resizable BAR*enabled"),
        Sign::support("ReBAR*enabled"),
        Sign::strong("no space for [mem size"),
        Sign::support(": address conflict with").and(&["can't claim BAR"]),
    ],
    words: &[
        "above 4g",
        "resizable bar",
        "rebar",
        "large bar",
        "mmio",
        "bar space",
        "no devices were found",
        "hangs without",
        "hangs at start",
        "stuck at boot",
        "boot takes",
        "hang indefinitely",
    ],
    explains: &["vfio/code-43", "gpu/driver-mismatch"],
    tells: "lspci -vv",
    remedy: "make room: Above 4G decoding on the host, a larger 64-bit MMIO window and UEFI on q35 for the guest",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    needs: &[Need::Command(&["dmesg"])],
    check,
    ..Rule::NEW
};

/// Cards whose memory is one BAR of 16 GiB and more: the firmware of a guest has no window for it by itself.
const LARGE: [&str; 16] = [
    "P100",
    "V100",
    "A100",
    "A800",
    "A40 ",
    "A40]",
    "L40",
    "H100",
    "H200",
    "H800",
    "B200",
    "RTX A6000",
    "RTX 6000 Ada",
    "MI100",
    "MI210",
    "MI300",
];

/// How users call a VM that does not get through its firmware.
const STUCK: [&str; 5] =
    ["hangs without", "hangs at start", "stuck at boot", "boot takes", "hang indefinitely"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let stuck = cx.asked(&STUCK);
    let card = cx.lines_with(LARGE).filter(|_| stuck).find_map(|(text, number, _)| text.quote(number));
    draft = draft.because(Strength::Support, card, "this card needs a large 64-bit window in the guest");
    vec![draft.verdict()]
}
