//! # The firmware finds nothing that it can boot
//!
//! ## What it is
//! The VM starts and its firmware runs, but no device in the boot order holds a boot loader for this kind of
//! firmware. SeaBIOS says "No bootable device", OVMF tries PXE and ends in its shell.
//!
//! Heard as: the VM ends in the EFI shell, PXE or with no bootable device; imported or cloned disk of a PC; BIOS
//! installation in a UEFI VM or the other way round.
//!
//! ## Why it happens
//! The disk was installed with BIOS and is started with UEFI, or the reverse; the boot order lists the network or
//! an empty CD first or leaves the disk out; the image is empty, a partition only, or has the wrong format
//! declared (qcow2 read as raw); the ISO is for another architecture; the NVRAM entries were lost; the firmware
//! has no driver for the controller.
//!
//! ## Confirm
//! `virsh dumpxml NAME | grep -E '<os|loader|<boot|<disk|<driver|<source'`; `qemu-img info DISK`;
//! `virt-filesystems -a DISK --all --long` shows an EFI system partition, or a boot sector alone.
//!
//! ## Refute
//! A boot loader or kernel writes to the console: then the problem is behind the firmware.
//!
//! ## Fix
//! Use the firmware that the disk was installed with, put the disk first (`<boot order='1'/>`), declare its true
//! format, or boot the installation medium and install a boot loader (or the fallback `\EFI\BOOT\BOOTX64.EFI`).
//!
//! ## References
//! SeaBIOS `src/boot.c`, `do_boot()`; edk2 `MdeModulePkg/Universal/BdsDxe`, `OvmfPkg/Library/PlatformBootManagerLib`;
//! UEFI specification, "Boot Manager"; QEMU `docs/system/bootindex.rst`.

use crate::prelude::*;
use vmwright_formats::DomainXml;
use vmwright_formats::domain_xml::Domain;

/// Entries are tried in turn, and one of them was started.
const STARTED: &[&str] = &["BdsDxe: starting Boot"];

/// What people say of a firmware that finds nothing to boot.
const BOOT: &[&str] = &["efi shell", "uefi shell", "does not boot", "not boot", "no bootable"];

pub const RULE: Rule = Rule {
    tags: &["boot"],
    signs: &[
        Sign::strong("No bootable device."),
        Sign::strong("No bootable device"),
        Sign::strong("No bootable medium found"),
        Sign::strong("No bootable option or device was found"),
        Sign::strong("Boot failed: not a bootable disk"),
        Sign::strong("Boot failed: could not read the boot disk"),
        Sign::strong("Boot failed: Could not read from CDROM"),
        Sign::strong("BdsDxe: failed to load Boot*: Not Found").unless(STARTED),
        Sign::strong("BdsDxe: failed to start Boot*: Not Found"),
        Sign::support("BdsDxe: failed to load Boot*: Time"),
        Sign::support("BdsDxe: failed to start Boot*: "),
        Sign::support(">>Start PXE over IPv"),
        Sign::strong("UEFI Interactive Shell"),
        Sign::support("to skip startup.nsh"),
        Sign::support("map: Cannot find required map name"),
        Sign::strong("map: No mapping found"),
        Sign::strong("Nothing to boot: No such file or directory (http"),
        Sign::support("No more network devices"),
        Sign::support("PXE-E16: No offer received"),
        Sign::support("PXE-E18: Server response timeout"),
        Sign::strong("Operating System not found"),
        Sign::strong("Missing operating system"),
        Sign::strong("No operating system found"),
        Sign::strong("No boot device found"),
        Sign::support("Boot failed: EFI "),
        Sign::support("Boot Failed. EFI "),
        Sign::strong("Could not read from the boot disk"),
        Sign::strong("Boot failed: could not read the boot"),
        Sign::support("Boot0000 \"UiApp\"").and(&["BdsDxe"]),
        Sign::strong("Failed to boot both default and fallback entries"),
        Sign::support("error: disk `*' not found").and(&["grub rescue"]),
        Sign::strong("Reboot and Select proper Boot device"),
        Sign::strong("FATAL: INT18: BOOT FAILURE"),
        Sign::support("grub rescue>"),
        Sign::support("error: no such partition"),
        Sign::support("error: unknown filesystem").and(&["grub rescue"]),
        Sign::support("EFI stub: ERROR: "),
        Sign::hint("System BootOrder not found"),
        Sign::hint("Guest has not initialized the display"),
        Sign::hint("Booting from Hard Disk..."),
        Sign::strong("BdsDxe: failed to load Boot*: Access Denied").against(),
        // What a complaint makes of a configuration.
        Sign::strong("Disklabel type: dos").and(&["firmware=*efi"]).said(BOOT),
        Sign::strong("Disklabel type: dos").and(&["OVMF"]).said(BOOT),
        Sign::strong("Partition Table: msdos").and(&["OVMF"]).said(BOOT),
        Sign::strong("EFI System").and(&["SeaBIOS"]).said(BOOT),
        Sign::strong("Error loading uncompressed kernel without PVH ELF Note"),
        Sign::strong("Cannot load x86-64 image, give a 32bit one"),
    ],
    words: &[
        "bootable",
        "no bootable",
        "boot order",
        "does not boot",
        "won't boot",
        "uefi shell",
        "boot device",
        "booting from hard disk",
    ],
    tells: "virsh dumpxml NAME; qemu-img info DISK",
    remedy: "start the disk with the firmware it was installed for, put it first in the boot order, and declare its true format",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// What only a system installed for UEFI has.
const UEFI: [&str; 7] = [
    "systemd-boot",
    "bootctl",
    "(fat32, esp)",
    "EFI System Partition",
    "/boot/efi",
    "vmw:value=\"efi\"",
    "\\EFI\\BOOT",
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if !["booting from hard disk", "no bootable", "does not boot", "won't boot"]
        .iter()
        .any(|words| cx.said(words))
    {
        return vec![draft.verdict()];
    }
    // No firmware is named, so SeaBIOS starts what was installed for UEFI.
    for seen in cx.all::<DomainXml>() {
        let bios = |one: &&Domain| !one.fragment && one.os.os_type.is_some() && one.os.loader.is_none();
        let uefi = seen.text.holds("firmware='efi'") || seen.text.holds("firmware=\"efi\"");
        let Some(domain) = seen.domains.iter().find(bios).filter(|_| !uefi) else { continue };
        draft = draft.looked();
        let mut elsewhere = cx.lines_with(UEFI).filter(|(text, ..)| text.source != seen.text.source);
        let installed = elsewhere.find_map(|(text, number, _)| text.quote(number));
        if installed.is_some() {
            draft = draft
                .because(Strength::Strong, installed, "the disk was installed for UEFI")
                .because(Strength::Support, seen.quote(domain.line), "and the VM has a BIOS")
                .title("the disk was installed for UEFI, and the VM starts it with a BIOS");
        }
    }
    vec![draft.verdict()]
}
