//! # The firmware file does not fit this machine
//!
//! ## What it is
//! The file exists, but it is not what this machine can run: another architecture's build, a build with SMM on a
//! machine without it, a variable store given as code, a flash image given as `-bios` or the other way round, or
//! an image whose size is no multiple of 4 KiB or passes 8 MiB on x86.
//!
//! Heard as: the VM hangs before any output or is refused because the firmware image is of another architecture,
//! size or build.
//!
//! Known by: black screen and nothing on serial from the start; OVMF of 4M with VARS of 2M; SEV, TDX or Xen build;
//! AAVMF on x86; -bios against pflash; SeaBIOS given as OVMF.
//!
//! ## Why it happens
//! Descriptors of several architectures lie in one directory and an old libvirt took the wrong one; a path was
//! copied from a guide for another distribution; 2 MB and 4 MB builds have nearly the same names; an aarch64
//! image was not padded to the 64 MiB of the `virt` machine's flash.
//!
//! ## Confirm
//! `virsh dumpxml NAME | grep -E 'arch=|loader|nvram'`; `ls -lL` of both files; the descriptor in
//! `/usr/share/qemu/firmware/*.json` that names the file lists its architectures, machines and features.
//!
//! ## Refute
//! The descriptor of the file names this architecture and machine type, and its features match the domain.
//!
//! ## Fix
//! Take the file whose descriptor fits (`virsh domcapabilities`, `<os firmware='efi'>`), as read-only pflash, with
//! the variable store of the same build. Secure Boot builds need q35 with SMM.
//!
//! ## References
//! QEMU `hw/i386/pc_sysfw.c`, `pc_system_flash_map()`; `hw/block/block.c`, `blk_check_size_and_read_all()`;
//! `docs/interop/firmware.json`; edk2 `OvmfPkg/README`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["boot", "uefi"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::proof("pflash segments cannot be mapped under"),
        Sign::proof("system firmware block device {device} has invalid size"),
        Sign::strong("its size must be a non-zero multiple of 0x"),
        Sign::proof("combined size of system firmware exceeds"),
        Sign::strong("bytes, block backend provides * bytes").and(&["*_CODE*"]).unless(&["_VARS"]),
        Sign::support("bytes, block backend provides * bytes"),
        // The flash banks of the aarch64 and riscv64 `virt` machines: the image was not padded.
        Sign::strong("device requires 67108864 bytes, block backend provides").unless(&["_VARS"]),
        Sign::strong("device requires 33554432 bytes, block backend provides").unless(&["_VARS"]),
        Sign::support("pflash with kvm requires KVM readonly memory support"),
        Sign::strong("could not load PC BIOS '*OVMF_VARS"),
        Sign::strong("could not load PC BIOS '*AAVMF"),
        Sign::strong("could not load PC BIOS '*aarch64"),
        Sign::strong("Only pflash loader type permits NVRAM"),
        Sign::strong("Unsupported loader format"),
        Sign::support("User requested Secure Boot, firmware '*' doesn't support it"),
        // Within one argument: the next one of the same line may well name the other file.
        Sign::strong("-bios OVMF_VARS"),
        Sign::strong("-bios {directory}OVMF_VARS"),
        Sign::support("-bios OVMF_CODE"),
        Sign::support("-bios {directory}OVMF_CODE"),
        Sign::strong("if=pflash{options}unit=0{options}OVMF_VARS"),
        Sign::strong("OVMF_VARS{name}if=pflash{options}unit=0"),
        Sign::strong("_VARS{suffix}</loader>"),
        Sign::strong("/qemu/nvram/{file}</loader>"),
        Sign::support("Initialization of device cfi.pflash01 failed: Block node is read-only"),
        Sign::strong("/aarch64/{file}</loader>").and(&["arch='x86_64'"]),
        Sign::strong("AAVMF{rest}</loader>").and(&["arch='x86_64'"]),
        Sign::strong("OVMF{rest}</loader>").and(&["arch='aarch64'"]),
        Sign::strong("/x64/{file}</loader>").and(&["arch='aarch64'"]),
        Sign::strong("if=pflash*/aarch64/").and(&["qemu-system-x86_64"]),
        Sign::strong("if=pflash*AAVMF").and(&["qemu-system-x86_64"]),
        Sign::strong("-bios *OVMF").and(&["qemu-system-aarch64"]),
        Sign::strong("secboot{suffix}</loader>").and(&["machine='pc-i440fx"]),
        Sign::strong("secboot{suffix}</loader>").and(&["machine='pc'"]),
        Sign::strong("*secboot*fd").and(&["if=pflash", "-machine pc-i440fx"]),
        Sign::support("<loader*type='rom'*OVMF_CODE"),
        Sign::support("<loader*type='pflash'*bios-256k"),
        Sign::support("qemu: could not load PC BIOS"),
        Sign::strong("failed to locate and/or save reset vector"),
        Sign::strong("User specified max allowed firmware size"),
        Sign::strong("combined firmware exceeds"),
        Sign::strong("OVMF table has invalid size"),
        Sign::strong("can't get size of block device"),
        Sign::support("Arch Protocol not present!!"),
        Sign::support("QEMU Flash: Failed to find probe location"),
        Sign::support("Unable to find DXE FV section"),
        Sign::support("Unable to find PEI FV section"),
        Sign::support("LOADING MODULE FIXED ERROR"),
        Sign::strong("UEFI image too big"),
    ],
    words: &["pflash", "secboot", "aarch64", "firmware"],
    explains: &["firmware/ovmf-missing", "firmware/nvram-problem"],
    tells: "virsh dumpxml NAME | grep -E 'arch=|loader|nvram'",
    remedy: "choose the firmware build whose descriptor fits this architecture, machine type and Secure Boot setting",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
