//! # The firmware image has no SEV metadata or no table for kernel hashes
//!
//! ## What it is
//! An encrypted VM needs OVMF built for it: it carries tables at its end (SEV reset block, secret area, SNP metadata,
//! hashes table) that QEMU fills. SeaBIOS and ordinary OVMF builds lack some or all of them.
//!
//! Heard as: the confidential guest does not start with the distribution's firmware; hashes table or metadata.
//!
//! Known by: OVMF without SEV metadata or hashes table; OvmfPkg AmdSev build needed; kernel hashes: guest firmware does
//! not support; pflash not allowed with SNP, use -bios; edk2 build without confidential support; measured direct boot
//! with kernel, initrd, cmdline; stateless firmware; OVMF.amdsev.fd.
//!
//! ## Why it happens
//! Distributions ship several images. Plain SEV runs with a normal OVMF of 2019 or later; SEV-ES needs the reset
//! block (edk2 202011), SNP the metadata (202202 or later), and measured direct boot (`kernel-hashes=on`) needs the
//! AmdSev build, `OVMF.amdsev.fd`, which alone has the hashes table and the secret area.
//!
//! ## Confirm
//! The message of QEMU names the table that is missing; `ls -l` of the image in `<loader>` or `-bios`, and
//! `grep -l amd-sev /usr/share/qemu/firmware/*.json` shows which images are meant for SEV.
//!
//! ## Refute
//! The same image starts a VM of the same level elsewhere with the same QEMU.
//! The image may be right and the way it is loaded wrong: SNP takes it by `-bios` (libvirt: a stateless ROM loader).
//!
//! ## Fix
//! Use the distribution's image with the feature (`OVMF.amdsev.fd` for kernel hashes and SNP), or update edk2.
//!
//! ## References
//! edk2 `OvmfPkg/AmdSev/`, `OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm`; QEMU `target/i386/sev.c`,
//! `hw/i386/pc_sysfw_ovmf.c`; QEMU `docs/interop/firmware.json`, features amd-sev, amd-sev-es, amd-sev-snp.

use crate::prelude::*;
use vmwright_formats::{sev_code, sev_termination};

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["confidential", "sev", "boot"],
    signs: &[
        Sign::proof("SEV information block/Firmware GUID Table block not found in pflash rom"),
        Sign::proof("Failed to locate SEV metadata header"),
        Sign::proof("has no hashes table GUID"),
        Sign::proof("guest firmware hashes table area is invalid"),
        Sign::strong("cannot map hashes table guest memory area"),
        Sign::proof("SEV: no secret area found in OVMF"),
        Sign::proof("SEV-ES reset address is zero"),
        Sign::strong("SEV: Failed to encrypt pflash rom"),
        Sign::strong("Failed to add metadata page gpa"),
        Sign::proof("OVMF footer GUID not found"),
        Sign::proof("OVMF tables zero length"),
        Sign::proof("SEV info block GUID not found"),
        Sign::strong("SEV reset block entry not found"),
        Sign::support("Unable to find 'efi' firmware that is compatible with the current configuration")
            .and(&["<launchSecurity type='sev"]),
        Sign::support("Unable to find any firmware to satisfy 'efi'").and(&["<launchSecurity type='sev"]),
        Sign::support(ENDED),
        Sign::strong("To use AMD SEV, you need to change the BIOS to OVMF"),
        Sign::strong("SEV-SNP uses consolidated read-only firmware"),
        Sign::strong("vmgexit: ghcb usage"),
        Sign::support("vmgexit: exit code"),
        Sign::strong("vmgexit: GHCB gpa is not set"),
        Sign::strong("svm: vmgexit: unsupported AP jump table request"),
    ],
    words: &["ovmf", "kernel hashes", "kernel-hashes", "direct boot", "amd sev", "launch secret"],
    explains: &["firmware/ovmf-missing", "firmware/wrong-binary"],
    tells: "/var/log/libvirt/qemu/",
    remedy: "use a firmware image with the SEV tables: OVMF.amdsev.fd for kernel hashes, secrets and SNP",
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// KVM's line for a guest that ends itself, by its firmware (set 0 of reasons) or its kernel (set 1).
const ENDED: &str = "SEV-ES guest requested termination: {set}:{reason}";

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let told = cx.hits(ENDED).iter().find_map(|hit| {
        let number = |name: &str| sev_code(hit.get(name)?);
        sev_termination(number("set")?, number("reason")?)
    });
    if let Some(told) = told {
        draft = draft.title(format!("the encrypted guest ended itself: {told}"));
    }
    vec![draft.verdict()]
}
