//! # The kernel lacks the PVH entry, or the format, that Cloud Hypervisor boots
//!
//! ## What it is
//! On x86-64 Cloud Hypervisor enters an ELF kernel by the PVH note (Xen note type 18), or a bzImage in versions that
//! support it (from 43). An ELF without the note, or another file, is refused. On aarch64 it takes a PE `Image`.
//!
//! Heard as: my own kernel boots in QEMU and not in Cloud Hypervisor; bzImage or ELF without PVH.
//!
//! Known by: KernelLoad, UefiLoad or Elf error; compressed bzImage without PVH; CONFIG_PVH; distribution vmlinuz does
//! not load, vmlinux wanted.
//!
//! ## Why it happens
//! The kernel was built without `CONFIG_PVH=y` (kernels made for Firecracker's Linux boot protocol often are), the
//! note was stripped by `objcopy`, or the file is a compressed kernel and the version is older.
//!
//! ## Confirm
//! `readelf -n vmlinux` lists an owner "Xen" with type 0x12; `file` of the kernel; `cloud-hypervisor --version`.
//! `grep CONFIG_PVH .config` in the build tree. A kernel that QEMU boots by `-kernel` proves little: QEMU takes bzImages
//! and Multiboot as well. On aarch64 `file` must say "Linux kernel ARM64 boot executable Image".
//!
//! ## Refute
//! The note is there and the error is about memory or the path.
//!
//! ## Fix
//! Build with `CONFIG_PVH=y` and use the uncompressed `vmlinux`, or use a firmware that boots the disk's own kernel.
//!
//! ## References
//! Cloud Hypervisor `README.md` (custom kernel), `vmm/src/vm.rs` `KernelMissingPvhHeader`; Linux
//! `arch/x86/platform/pvh/`, `Documentation/arch/x86/boot.rst`; rust-vmm `linux-loader`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["cloud-hypervisor", "boot"],
    signs: &[
        Sign::proof("KernelMissingPvhHeader"),
        Sign::proof("Kernel lacks PVH header"),
        Sign::proof("VmBoot(KernelLoad("),
        Sign::strong("KernelLoad(Elf("),
        Sign::strong("KernelLoad(Bzimage("),
        Sign::strong("KernelLoad(Pe("),
        Sign::strong("Cannot load the kernel into memory"),
        Sign::strong("Invalid Elf magic number").and(&["cloud-hypervisor"]),
        Sign::strong("failed to load ELF kernel image").and(&["cloud-hypervisor"]),
        Sign::strong("failed to load bzImage").and(&["cloud-hypervisor"]),
        Sign::support("Linux kernel x86 boot executable bzImage").and(&["cloud-hypervisor"]),
        Sign::support("CONFIG_PVH is not set"),
        Sign::strong("VmBoot(InvalidElfMagicNumber"),
        Sign::strong("Kernel Loader: Invalid").and(&["cloud-hypervisor"]),
        Sign::strong("Kernel Loader: Unable to").and(&["cloud-hypervisor"]),
        Sign::strong("failed to load PE kernel image").and(&["cloud-hypervisor"]),
    ],
    words: &["cloud-hypervisor", "cloud hypervisor", "pvh", "vmlinux", "bzimage", "custom kernel"],
    tells: "readelf -n vmlinux",
    remedy: "build the kernel with CONFIG_PVH=y and use the uncompressed vmlinux",
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
