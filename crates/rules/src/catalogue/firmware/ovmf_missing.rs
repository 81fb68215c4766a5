//! # The firmware file named does not exist, or no firmware matches
//!
//! ## What it is
//! A UEFI VM needs a firmware image on the host (OVMF, AAVMF, edk2). Either a path is given and nothing lies
//! there, or libvirt and virt-install are to choose one by descriptors in `/usr/share/qemu/firmware` and none fits
//! what the VM asks for.
//!
//! Heard as: UEFI guests do not start after an upgrade, BIOS guests do; the path of OVMF or edk2 has changed;
//! firmware package not installed.
//!
//! Known by: edk2-ovmf or ovmf package not installed; could not find UEFI firmware for arch; unable to find any
//! firmware to satisfy efi; OVMF_CODE path of another distribution.
//!
//! ## Why it happens
//! The package (`ovmf`, `edk2-ovmf`, `qemu-efi-aarch64`) is not installed; a domain was moved between
//! distributions that name the files differently (`/usr/share/OVMF`, `/usr/share/edk2/x64`, a Nix store path that
//! was collected); an upgrade dropped the 2 MB builds; a self-built QEMU has no descriptors beside it.
//!
//! ## Confirm
//! `ls -l <path of loader>`, `ls /usr/share/qemu/firmware /etc/qemu/firmware`,
//! `virsh domcapabilities --machine q35 | sed -n '/<loader/,/<\/loader>/p'`.
//!
//! ## Refute
//! The file exists and is readable for QEMU's user, and domcapabilities lists `efi` and the path.
//!
//! ## Fix
//! Install the firmware package for the guest's architecture, then correct the path, or use
//! `<os firmware='efi'>` and let libvirt choose.
//!
//! ## References
//! QEMU `docs/interop/firmware.json`; libvirt `src/qemu/qemu_firmware.c`, `qemuFirmwareFillDomain()`;
//! QEMU `hw/i386/x86-common.c`, `x86_bios_rom_init()`.

use crate::prelude::*;
use vmwright_formats::{DomainXml, Images};
use vmwright_model::plan::DomainEdit;

pub const RULE: Rule = Rule {
    tags: &["boot", "uefi", "install"],
    needs: &[
        Need::Glob("/usr/share/qemu/firmware/*.json"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
        Need::Probe(Probe::Images),
        Need::Exists("/usr/share/OVMF/OVMF_CODE.fd"),
        Need::Exists("/usr/share/OVMF/OVMF_CODE_4M.fd"),
        Need::Exists("/usr/share/edk2/ovmf/OVMF_CODE.fd"),
    ],
    signs: &[
        Sign::proof("Could not open '*OVMF_CODE*': No such file or directory"),
        Sign::proof("Could not open '*OVMF.fd': No such file or directory"),
        Sign::proof("Could not open '*edk2*code*': No such file or directory"),
        Sign::proof("Could not open '*AAVMF_CODE*': No such file or directory"),
        Sign::proof("Could not open '*QEMU_EFI*': No such file or directory"),
        Sign::strong("Could not open '*/ovmf*': No such file or directory")
            .unless(&["OVMF_VARS*No such file"]),
        Sign::strong("could not load PC BIOS '{file}'"),
        Sign::strong("Could not find ROM image '{file}'"),
        Sign::strong("Unable to find any firmware to satisfy '{kind}'"),
        Sign::strong("Unable to find '{kind}' firmware that is compatible with the current configuration"),
        Sign::strong("Unable to find '{kind}' firmware"),
        Sign::proof("Did not find any UEFI binary path for arch"),
        Sign::proof("Don't know how to setup UEFI for arch"),
        Sign::proof("Libvirt did not detect any UEFI"),
        Sign::strong("libvirt does not support UEFI"),
        Sign::proof("Couldn't find one of the required UEFI firmware files"),
        Sign::proof("Required EFI firmware settings file missing"),
        Sign::proof("EFI base image '{file}' not found"),
        Sign::strong("EFI vars image '{file}' not found"),
        Sign::proof("EFI OVMF rom* missing"),
        Sign::strong("Unable to find the RISC-V BIOS"),
        Sign::strong("Unable to load the RISC-V firmware"),
        Sign::strong("Unable to find the * firmware \""),
        Sign::strong("cannot stat '*OVMF_*': No such file or directory"),
        Sign::strong("cannot access '*OVMF*': No such file or directory"),
        Sign::strong("open *OVMF*: no such file or directory"),
        Sign::strong("No such file or directory: '*OVMF"),
        Sign::strong("EFI firmware* not found"),
        Sign::proof("EFI boot requested but no EFI firmware found"),
        Sign::strong("Please install OVMF firmware"),
        Sign::strong("install OVMF"),
        Sign::strong("OVMF * not found"),
        Sign::strong("OVMF_CODE*not found"),
        Sign::strong("no firmware found for"),
        Sign::support("Failed to open file '*OVMF*': No such file"),
        Sign::strong("firmware not found*OVMF"),
        Sign::strong("could not find firmware for"),
        Sign::hint("failed to find romfile"),
        Sign::strong("no OVMF images known for architecture"),
        Sign::strong("Option ROM file is not specified"),
        Sign::strong("has invalid set of features").and(&["Firmware description"]),
        Sign::strong("firmware auto selection not implemented for this driver"),
        Sign::strong("Unable to locate a UEFI firmware"),
        Sign::strong("Unable to locate matching firmware"),
        Sign::strong("INCUS_EDK2_PATH set to"),
        Sign::strong("Required EFI firmware settings file missing"),
        Sign::strong("EFI firmware * not found"),
        Sign::strong("Libvirt version does not support UEFI"),
        Sign::strong("Couldn't configure UEFI"),
        Sign::strong("UEFI boot requested but no UEFI firmware found"),
        Sign::strong("was not found. Please install edk2"),
    ],
    words: &["firmware", "aavmf"],
    tells: "ls /usr/share/qemu/firmware; virsh domcapabilities --machine q35",
    remedy: "install the UEFI firmware package for the guest's architecture and correct the path in the domain",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for (text, number, line) in cx.lines_with("<loader") {
        let Some(rest) = line.trim().strip_prefix("<loader") else { continue };
        let path = rest.split('>').nth(1).and_then(|rest| rest.split('<').next()).unwrap_or("");
        if path.starts_with('/') && matches!(cx.file(path), Found::Absent) {
            let quote = text.quote(number);
            draft = draft
                .because(Strength::Proof, quote, "no such file on this host")
                .title(format!("the firmware {path} does not exist"));
        }
    }
    if let Some(images) = cx.one::<Images>() {
        draft = of_domains(cx, &images, draft);
    }
    vec![draft.verdict()]
}

/// What libvirt's own definitions name and is not there.
fn of_domains<'r>(cx: &Context<'_>, images: &Images, mut draft: Draft<'r>) -> Draft<'r> {
    for xml in cx.all::<DomainXml>() {
        if !xml.text.source.starts_with("/etc/libvirt/qemu/") {
            continue;
        }
        for domain in &xml.domains {
            let (Some(loader), Some(name)) = (&domain.os.loader, &domain.name) else { continue };
            let image = images.of(&loader.value);
            if image.and_then(|image| image.missing()).is_none_or(|why| why.value != "does not exist") {
                continue;
            }
            draft = draft
                .because(Strength::Proof, xml.quote(loader.line), "no such file on this host")
                .title(format!("the firmware {} of {} does not exist", loader.value, name.value));
            // The code has to be of the same build as its variables: 528 KiB of them are of the one of 4 MiB.
            let variables = domain.os.nvram.as_ref().and_then(|nvram| images.of(&nvram.value)?.get("file"));
            let small = variables.is_some_and(|file| file.value.ends_with(" 131072 bytes"));
            let there = CODES
                .iter()
                .find(|(path, of_small)| *of_small == small && matches!(cx.file(path), Found::Text(_)));
            if let Some((code, _)) = there.filter(|_| domain.os.loader_secure.is_none()) {
                draft = draft.remedy(format!("let {} have {code}", name.value)).action(Action::EditDomain {
                    connection: "qemu:///system".to_owned(),
                    domain: name.value.clone(),
                    edits: vec![DomainEdit::Text {
                        path: "os[1]/loader[1]".to_owned(),
                        from: loader.value.clone(),
                        to: (*code).to_owned(),
                    }],
                });
            }
        }
    }
    draft
}

/// Code of OVMF as distributions place it, and whether it is the build of 2 MiB.
const CODES: [(&str, bool); 3] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", false),
    ("/usr/share/OVMF/OVMF_CODE.fd", true),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", true),
];
