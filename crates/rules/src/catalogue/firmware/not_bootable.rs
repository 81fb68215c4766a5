//! # The firmware finds nothing that it can boot
//!
//! ## What it is
//! The VM starts and its firmware runs, but no device in the boot order holds a boot loader for this kind of
//! firmware. SeaBIOS says "No bootable device", OVMF tries PXE and ends in its shell.
//!
//! Heard as: the VM ends in the EFI shell, PXE or with no bootable device; imported or cloned disk of a PC; BIOS
//! installation in a UEFI VM or the other way round.
//!
//! Known by: no bootable device; boot failed: not a bootable disk; UEFI shell appears; BdsDxe failed to load Boot0001;
//! MBR disk under OVMF; PXE loop; boot order; empty image; installed in BIOS mode and started with UEFI or reverse; no
//! bootable medium; ESP missing; disk order; iPXE; installation ISO not attached; grub rescue.
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

#[path = "messages/not_bootable.rs"]
mod messages;

/// Entries are tried in turn, and one of them was started.
const STARTED: &[&str] = &["BdsDxe: starting Boot"];

/// What people say who get a BIOS instead of UEFI.
const WANTED: &[&str] =
    &["bios mode", "legacy mode", "instead of uefi", "not in uefi", "no uefi", "boots in bios"];

/// What people say of a firmware that finds nothing to boot.
const BOOT: &[&str] = &["efi shell", "uefi shell", "does not boot", "not boot", "no bootable"];

/// What people say of a boot that ends in the firmware's shell.
const ENDS: &[&str] =
    &["stuck", "drops", "ends in", "ends up", "lands in", "remain", "instead", "only get", "falls into"];

pub const RULE: Rule = Rule {
    tags: &["boot"],
    signs: messages::SIGNS,
    words: &[
        "bootable",
        "no bootable",
        "boot order",
        "does not boot",
        "won't boot",
        "uefi shell",
        "boot device",
        "booting from hard disk",
        "bios mode",
        "legacy mode",
        "instead of uefi",
        "not in uefi",
        "no uefi",
        "boots in bios",
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
    // UEFI is wanted, and no firmware of it is named.
    if WANTED.iter().any(|words| cx.said(words)) {
        for seen in cx.all::<DomainXml>() {
            let uefi =
                ["firmware='efi'", "firmware=\"efi\"", "<loader"].iter().any(|word| seen.text.holds(*word));
            let plain = |one: &&Domain| !one.fragment && one.os.os_type.is_some();
            if let Some(domain) = seen.domains.iter().find(plain).filter(|_| !uefi) {
                draft = draft
                    .because(Strength::Support, seen.quote(domain.line), "the VM has no UEFI firmware")
                    .title("UEFI is wanted, and the VM is configured with a BIOS");
            }
        }
    }
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
