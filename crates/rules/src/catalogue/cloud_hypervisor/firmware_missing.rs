//! # Cloud Hypervisor is given no firmware or kernel that it can boot
//!
//! ## What it is
//! A VM needs a payload: either a firmware (`hypervisor-fw`, `CLOUDHV.fd`) that boots the disk, or a kernel. Without
//! one, or with a path that cannot be opened, there is nothing to run. It has no BIOS of its own.
//!
//! Heard as: the cloud image does not boot, nothing on the serial console, I gave no kernel and no firmware.
//!
//! Known by: payload missing, no kernel given; needs hypervisor-fw or CLOUDHV.fd; QEMU's OVMF_CODE given; no boot after
//! --firmware; nothing on the console.
//!
//! ## Why it happens
//! Only a disk was given, as one does with QEMU; the firmware was not downloaded or lies elsewhere; QEMU's OVMF
//! (`OVMF_CODE.fd`) is used, which does not know this platform; `--kernel` names a firmware image that is no PVH ELF.
//!
//! ## Confirm
//! `ls -l` of the path after `--firmware` or `--kernel`; `file` of it.
//! Debug forms of older versions: `VmBoot(KernelFile(Os { code: 2, ... }))` is a path that does not exist, code 13 one
//! that may not be read. The disk needs no boot loader where a kernel is given, and needs one where a firmware is.
//!
//! ## Refute
//! The payload exists and is loaded, and the guest stops later.
//!
//! ## Fix
//! Pass `--firmware /path/hypervisor-fw` or `CLOUDHV.fd` for disks with a boot loader, or `--kernel vmlinux`.
//!
//! ## References
//! Cloud Hypervisor `README.md`, `docs/uefi.md`, `vmm/src/vm_config.rs` `PayloadConfigError`, `vmm/src/vm.rs`
//! `Error`; rust-hypervisor-firmware; edk2 `OvmfPkg/CloudHv/`.

use super::config_invalid::command::commands;
use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["cloud-hypervisor", "boot"],
    signs: &[
        Sign::proof("No bootitem provided: neither firmware nor kernel"),
        Sign::proof("Payload configuration is not bootable"),
        // clap, where neither option of the group `payload` is given.
        Sign::proof("<--firmware <firmware>|--kernel <kernel>"),
        Sign::proof("KernelFile(Os { code: 2"),
        Sign::proof("VmBoot(FirmwareFile("),
        Sign::strong("FirmwareFile(Os { code: 2"),
        Sign::strong("Cannot open kernel file").unless(&["firecracker"]),
        Sign::strong("Cannot open firmware file"),
        Sign::strong("Error manipulating firmware file"),
        Sign::strong("Cannot load the UEFI binary in memory"),
        Sign::strong("UefiLoad("),
        Sign::strong("Firmware too big"),
        Sign::strong("Failed to copy firmware to memory"),
        Sign::strong("InvalidPayload").and(&["cloud-hypervisor"]),
        Sign::strong("MissingPayload"),
        Sign::strong("PayloadConfig(MissingBootitem)"),
        Sign::strong("VmMissingKernel"),
        Sign::strong("ValidationError(KernelMissing)"),
        Sign::strong("Missing kernel configuration").and(&["cloud-hypervisor"]),
        Sign::strong("TDX firmware missing"),
        Sign::strong("No TDX firmware specified"),
        Sign::support("OVMF_CODE").and(&["cloud-hypervisor --"]),
        Sign::support("hypervisor-fw: No such file"),
        Sign::support("CLOUDHV.fd*No such file"),
        Sign::strong("VmBoot(AllocateFirmwareMemory("),
        Sign::strong("Failed to allocate firmware RAM"),
        Sign::strong("VmBoot(FirmwareLoad("),
        Sign::strong("VmBoot(FirmwareTooLarge"),
        Sign::strong("VmBoot(UefiLoad("),
        Sign::strong("VmBoot(KernelFile("),
        Sign::strong("(ValidateMissingKernelConfig"),
        Sign::strong("No kernel specified").and(&["cloud-hypervisor"]),
        Sign::strong("Cannot open igvm file"),
    ],
    words: &["cloud-hypervisor", "cloud hypervisor", "hypervisor-fw", "firmware", "cloudhv"],
    tells: "ls -l hypervisor-fw",
    remedy: "pass a firmware for Cloud Hypervisor (hypervisor-fw or CLOUDHV.fd) or a kernel that exists",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let payloads = ["--kernel", "--firmware", "--igvm", "--payload", "--restore", "--tdx"];
    let bare = commands(cx)
        .into_iter()
        .find(|command| command.has("--disk") && !payloads.iter().any(|option| command.has(option)));
    if let Some(command) = bare {
        draft = draft.because(Strength::Strong, command.quote, "it has a disk and nothing that boots it");
    }
    vec![draft.verdict()]
}
