//! # Emulator, firmware, kernel or disk belong to different architectures
//!
//! ## What it is
//! Parts of one VM were made for different CPUs: an aarch64 image in an x86 machine, an x86 boot loader under ARM
//! firmware, an emulator of another architecture than the domain, KVM asked for a foreign one.
//!
//! Heard as: nothing comes up: an arm64 image in an x86 machine or the other way round.
//!
//! Known by: exec format error; wrong qemu-system binary; arm64 image on amd64; 32 bit against 64 bit; Apple silicon;
//! kernel for another architecture; invalid ELF image.
//!
//! ## Why it happens
//! A cloud image of the wrong architecture was downloaded (arm64 laptops); the domain's `arch` and `emulator` were edited
//! apart; firmware of another package was named; containers run another platform's binaries.
//!
//! ## Confirm
//! `file IMAGE-OR-KERNEL`; `virsh -r dumpxml VM` (arch, emulator, loader); `uname -m`; in firmware shells the boot file's
//! name (BOOTX64.EFI, BOOTAA64.EFI).
//!
//! ## Refute
//! All names agree. An image without any boot loader is `firmware/not-bootable`.
//!
//! ## Fix
//! Take image, kernel and firmware of the VM's architecture, or the emulator `qemu-system-ARCH` of theirs with TCG.
//!
//! ## References
//! edk2 `MdeModulePkg/Core/Dxe/Image/Image.c` ("can't be loaded on"); libvirt `qemu_validate.c` ("does not support
//! arch"), `qemu_process.c` ("CPU mode ... on ... host"); QEMU `system/vl.c` ("invalid accelerator"); `execve(2)`, ENOEXEC.

use crate::prelude::*;
use vmwright_formats::{CpuInfo, DomainXml, QemuArgs};

/// What people say of a guest of another architecture.
const MUTE: &[&str] = &[
    "nothing",
    "not boot",
    "no output",
    "hang",
    "blank",
    "does not start",
    "the shell",
    "a shell",
    "efi shell",
];

pub const RULE: Rule = Rule {
    tags: &["machine", "boot"],
    signs: &[
        Sign::proof("Image type * can't be loaded on"),
        Sign::strong("does not support arch '{arch}'"),
        Sign::strong("CPU mode '{mode}' for aarch64 * domain on x86_64 host"),
        Sign::strong("CPU mode '{mode}' for x86_64 * domain on aarch64 host"),
        Sign::strong("invalid accelerator kvm"),
        Sign::strong("KVM not supported for this target"),
        Sign::strong("KVM is not supported for this target"),
        Sign::strong("invalid arch-dependent ELF magic"),
        Sign::strong("invalid arch-independent ELF magic"),
        Sign::strong("invalid arch independent ELF magic"),
        Sign::strong("wrong ELF class"),
        Sign::strong("Exec format error").and(&["qemu"]),
        Sign::support("exec format error"),
        Sign::strong("This kernel requires an x86-64 CPU, but only detected"),
        Sign::strong("does not match the detected host platform"),
        Sign::strong("could not find capabilities for arch=aarch64"),
        Sign::strong("No emulator found for arch"),
        Sign::strong("architecture * is not supported by CPU driver"),
        Sign::strong("wrong architecture"),
        Sign::strong("architecture mismatch"),
        Sign::hint("Invalid Image magic"),
        Sign::support("cannot execute binary file"),
        Sign::hint("Unsupported image type"),
        Sign::strong("arm64").and(&["qemu-system-x86_64"]).said(MUTE),
        Sign::strong("amd64").and(&["qemu-system-aarch64"]).said(MUTE),
        Sign::strong("x86_64").and(&["qemu-system-aarch64"]).unless(&["qemu-system-x86_64"]).said(MUTE),
        Sign::strong("Bad ELF magic"),
        Sign::strong("elfboot unsupported flags"),
        Sign::strong("module arch does not match"),
        Sign::strong("architecture from emulator '{e}' doesn't match given architecture"),
        Sign::strong("Requested architecture isn't supported by this host"),
        Sign::strong("Architecture isn't supported for virtual machines"),
    ],
    words: &["arm64", "aarch64", "apple silicon", "raspberry", "architecture", "x86 image"],
    explains: &["firmware/not-bootable", "guest/console-missing"],
    tells: "virsh -r dumpxml VM",
    remedy: "use image, kernel and firmware of the VM's architecture, or the emulator of theirs",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Architectures with words of file names that belong to no other.
const NAMES: [(&str, &[&str]); 4] = [
    ("x86_64", &["qemu-system-x86_64", "amd64", "x86_64", "X64.", "OVMF"]),
    ("aarch64", &["qemu-system-aarch64", "arm64", "aarch64", "AAVMF", "QEMU_EFI"]),
    ("riscv64", &["qemu-system-riscv64", "riscv64", "RISCV_VIRT"]),
    ("ppc64", &["qemu-system-ppc64", "ppc64"]),
];

/// The architecture that a path names, if it names just one.
fn arch_of(path: &str) -> Option<&'static str> {
    let mut found = NAMES.iter().filter(|known| known.1.iter().any(|word| path.contains(word)));
    let one = found.next()?.0;
    found.next().is_none().then_some(one)
}

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for xml in cx.all::<DomainXml>() {
        for domain in &xml.domains {
            let Some(arch) = &domain.os.arch else { continue };
            let wrong = |path: &&Spanned<String>| {
                arch_of(&path.value).is_some_and(|other| !arch.value.starts_with(other))
            };
            let known = NAMES.iter().any(|name| arch.value.starts_with(name.0));
            let parts = [&domain.devices.emulator, &domain.os.loader, &domain.os.kernel];
            let disks = domain.devices.disks.iter().map(|disk| &disk.source);
            let part = parts.into_iter().flatten().find(wrong).map(|part| (part, Strength::Strong));
            let part = part.or(disks.flatten().find(wrong).map(|part| (part, Strength::Support)));
            if let Some((part, strength)) = part.filter(|_| known) {
                draft = draft
                    .because(strength, xml.quote(part.line), "it is named after another architecture")
                    .because(Strength::Support, xml.quote(arch.line), "than the domain's");
            }
            let kvm = domain.domain_type.as_ref().filter(|kind| kind.value == "kvm");
            let x86_host = cx.one::<CpuInfo>().is_some_and(|cpu| cpu.vendor.is_some());
            if let Some(kvm) = kvm.filter(|_| x86_host && arch.value == "aarch64") {
                draft = draft.because(
                    Strength::Strong,
                    xml.quote(kvm.line),
                    "KVM runs the host's architecture only",
                );
            }
        }
    }
    for args in cx.all::<QemuArgs>() {
        for command in &args.commands {
            let Some(arch) = command.program.as_ref().and_then(|program| arch_of(&program.value)) else {
                continue;
            };
            let files = command
                .options
                .iter()
                .filter(|option| ["bios", "kernel", "drive", "pflash", "cdrom"].contains(&&*option.name));
            let wrong = files.into_iter().find(|option| {
                let other = option.value.as_deref().and_then(arch_of);
                other.is_some_and(|other| other != arch)
            });
            let strength = if wrong.is_some_and(|option| option.name == "drive") {
                Strength::Hint
            } else {
                Strength::Support
            };
            let line = wrong.map(|option| option.value_line);
            draft = draft.because(
                strength,
                line.and_then(|line| args.quote(line)),
                "it is named after another architecture",
            );
        }
    }
    vec![draft.verdict()]
}
