//! # The GPU's option ROM is absent, unreadable or shadowed
//!
//! ## What it is
//! A guest's firmware and drivers need the card's video BIOS. The card's ROM cannot be read from the host, reads
//! as garbage, or the file named by `romfile` is not there, so the guest shows nothing or its driver gives up.
//!
//! Heard as: black screen or no signal with the only graphics card though all is bound and no error is logged.
//!
//! Known by: no video from GPU until driver; Invalid PCI ROM header signature, expecting 0xaa55; romfile dump; vBIOS;
//! primary GPU shadowed; cannot read device rom; techpowerup; no picture on monitor until driver loads; boot card;
//! vbios file; UEFI GOP; 0xaa55; single GPU.
//!
//! ## Why it happens
//! On the GPU that the host booted on, the firmware has copied and changed the ROM, so that what the BAR gives
//! lacks its signature; the device is asleep or not reset and reads ffff; laptop GPUs have no ROM chip at all;
//! or a path in `<rom file=>` is wrong or not readable for QEMU.
//!
//! ## Confirm
//! `dmesg | grep -i 'ROM'`; `ls -l <romfile>` as QEMU's user; the first two bytes of a dump must be `55 aa`
//! (`xxd -l 2 <romfile>`).
//!
//! ## Refute
//! A good dump given by `romfile=` changes nothing: then the framebuffer or the reset is the cause.
//!
//! ## Fix
//! Give a ROM dumped from this very card while it was not the boot GPU (without vendor header), or let the host
//! boot on another GPU; for devices that need none, `rombar=0`.
//!
//! ## References
//! Linux `drivers/pci/rom.c`, `pci_get_rom_size()`; QEMU `hw/vfio/pci.c`, `vfio_pci_load_rom()` and
//! `hw/pci/pci.c`, `pci_add_option_rom()`; libvirt domain XML, `<rom bar= file=/>`.

use crate::prelude::*;

/// QEMU's own ROMs for virtio and emulated NICs and VGAs: their absence is a packaging fault.
const OWN: &[&str] = &["romfile \"efi-", "romfile \"pxe-", "romfile \"vgabios", "romfile \"kvmvapic"];

/// What people say of a screen that stays dark.
const DARK: &[&str] = &[
    "no signal",
    "black screen",
    "goes black",
    "stays black",
    "stays dark",
    "no output",
    "no picture",
    "blank screen",
];

pub const RULE: Rule = Rule {
    tags: &["passthrough", "gpu"],
    signs: &[
        Sign::strong("Cannot read device rom at {device}"),
        Sign::support("Device option ROM contents are probably invalid"),
        Sign::support("Skip option ROM probe with rombar=0, or load from file with romfile="),
        Sign::strong("Invalid PCI ROM header signature: expecting 0xaa55, got"),
        Sign::strong("Invalid PCI ROM data signature: expecting 0x52494350, got"),
        Sign::strong("Invalid ROM contents"),
        Sign::strong("vfio: Error reading device ROM"),
        Sign::strong("vfio: Error getting ROM info"),
        Sign::strong("failed to find romfile \"{file}\"").unless(OWN),
        Sign::strong("failed to load romfile \"{file}\"").unless(OWN),
        Sign::strong("failed to get size of romfile \"{file}\"").unless(OWN),
        Sign::strong("romfile \"{file}\" is empty").unless(OWN),
        Sign::strong("Could not open option rom '{file}'").and(&["vfio-pci"]),
        Sign::strong("Rom loading for device at {device} has been disabled"),
        Sign::strong("Unable to locate a BIOS ROM"),
        Sign::strong("bios: unable to locate usable image"),
        Sign::support("Device has no ROM"),
        Sign::support("IGD device {device} has no ROM"),
        Sign::support("vbios").and(&["romfile"]),
        Sign::hint("Video device with shadowed ROM at"),
        Sign::strong("NVRM: failed to copy vbios to system memory"),
        Sign::strong("known to cause system instability issues during option rom execution"),
        Sign::support("ROM access failed"),
        // What a complaint makes of a configuration.
        Sign::support("Kernel driver in use: vfio-pci")
            .and(&["VGA compatible controller"])
            .unless(&["romfile", "<rom ", "Intel Corporation"])
            .said(DARK),
        Sign::support("video=efifb:off").unless(&["romfile=", "<rom file"]).said(DARK),
        Sign::strong("Specify rombar=1 or romfile to force"),
        Sign::strong("Proceeding anyway since user specified romfile"),
        Sign::strong("Proceeding anyway since user specified non zero value for rombar"),
        Sign::strong("Hot-plugged device without ROM bar can't have an option ROM"),
        Sign::hint("failed with error -22").and(&["amdgpu", "Unable to locate a BIOS ROM"]),
    ],
    words: &["vbios", "romfile", "rom file", "option rom", "no display", "black screen", "tianocore"],
    explains: &["vfio/code-43"],
    tells: "dmesg",
    remedy: "give the device a good ROM dump of this card with romfile, readable for QEMU",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    needs: &[Need::Command(&["dmesg"])],
    ..Rule::NEW
};
