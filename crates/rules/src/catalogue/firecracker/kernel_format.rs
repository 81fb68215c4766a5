//! # The guest kernel is not in a format that Firecracker boots
//!
//! ## What it is
//! Firecracker loads the kernel itself, without a boot loader. On x86-64 it takes an uncompressed ELF `vmlinux`
//! (bzImage only since the versions of late 2026), on aarch64 the uncompressed PE `Image`. Anything else is refused.
//!
//! Heard as: Firecracker does not take the vmlinuz of /boot.
//!
//! Known by: invalid ELF magic; cannot load kernel; bzImage or vmlinuz in place of uncompressed vmlinux; aarch64 wants
//! Image; KernelLoader.
//!
//! ## Why it happens
//! The file is the distribution's `/boot/vmlinuz`, a bzImage or gzip of it, a kernel for the other architecture, an
//! HTML page of a failed download, or a truncated copy. The name `vmlinux` proves nothing.
//!
//! ## Confirm
//! `file <kernel>` says "ELF 64-bit LSB executable, x86-64"; `od -An -tx1 -N4 <kernel>` shows `7f 45 4c 46`.
//! `4d 5a` is a bzImage, `1f 8b` gzip, `3c` HTML.
//! The size tells too: a `vmlinux` has tens of MiB, a bzImage about ten.
//!
//! ## Refute
//! The file is such an ELF and boots in another microVM; then memory size or the path is wrong.
//!
//! ## Fix
//! Take `vmlinux` from the kernel build, or extract it with the kernel's `scripts/extract-vmlinux`; on aarch64 build
//! `Image`.
//!
//! ## References
//! Firecracker `docs/rootfs-and-kernel-setup.md`, `src/vmm/src/arch/x86_64/mod.rs` `ConfigurationError`;
//! rust-vmm `linux-loader`, `loader/elf` and `loader/pe`; Linux `scripts/extract-vmlinux`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["firecracker", "boot"],
    signs: &[
        Sign::proof("Cannot load kernel due to invalid memory configuration or invalid kernel image"),
        Sign::proof("bzImage does not provide a 64-bit entry point"),
        // The same loader serves Cloud Hypervisor.
        Sign::strong("Invalid Elf magic number").unless(&["cloud-hypervisor"]),
        Sign::strong("failed to load ELF kernel image").unless(&["cloud-hypervisor"]),
        Sign::strong("failed to load PE kernel image").unless(&["cloud-hypervisor"]),
        Sign::strong("Kernel Loader: Invalid Image magic number").unless(&["cloud-hypervisor"]),
        Sign::strong("Kernel Loader: Unable to read ELF header").unless(&["cloud-hypervisor"]),
        Sign::strong("KernelLoader(InvalidElfMagicNumber)"),
        Sign::strong("Failed to read ELF header").and(&["firecracker"]),
        Sign::support("Linux kernel x86 boot executable bzImage").and(&["firecracker"]),
        Sign::support("\"kernel_image_path\": \"*vmlinuz"),
        Sign::support("\"kernel_image_path\":\"*vmlinuz"),
        Sign::support("\"kernel_image_path\": \"*bzImage"),
        Sign::hint("MS-DOS executable").and(&["firecracker"]),
        Sign::strong("KernelLoader(ReadElfHeader"),
        Sign::strong("KernelLoader(Elf("),
        Sign::strong("KernelLoader(Bzimage("),
        Sign::strong("KernelLoader(Pe("),
        Sign::support("\"kernel_image_path\"*bzImage"),
        Sign::support("kernel_image_path*vmlinuz"),
        Sign::support("firectl*--kernel*vmlinuz"),
        Sign::support("{file}: gzip compressed data").and(&["kernel_image_path"]),
        Sign::support("{file}: ELF 32-bit").and(&["kernel_image_path"]),
        Sign::support("Bad ELF magic"),
    ],
    words: &["firecracker", "vmlinux", "bzimage", "kernel image", "elf magic", "vmlinuz"],
    tells: "file vmlinux",
    remedy: "give Firecracker an uncompressed ELF vmlinux (x86-64) or Image (aarch64)",
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
