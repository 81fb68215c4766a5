//! # The boot framebuffer holds the GPU's memory region
//!
//! ## What it is
//! The firmware left a picture in the boot GPU's memory, and the kernel's generic framebuffer (efifb, vesafb,
//! simplefb, simpledrm) claimed that range. vfio-pci cannot reserve the BAR, so the guest's accesses fail.
//!
//! Heard as: the boot console or framebuffer holds the GPU's memory; BAR can't be reserved; single or primary GPU
//! stays black.
//!
//! Known by: BAR 1: can't reserve; efifb, simplefb, vesafb, sysfb, BOOTFB in iomem; video=efifb:off; boot GPU black
//! with flood in dmesg; initcall_blacklist=sysfb_init.
//!
//! ## Why it happens
//! The GPU given to the guest is the one that the host booted on. Since Linux 5.15 the region is registered by
//! sysfb ("BOOTFB") even where `video=efifb:off` is given, because simpledrm or nobody took it over.
//!
//! ## Confirm
//! `grep -B3 -iE 'bootfb|efifb|simplefb|vesafb' /proc/iomem` as root: the range lies inside the GPU's BAR. `dmesg`
//! has "BAR n: can't reserve" for the device, and QEMU's log a flood of "vfio_region_write(...) failed: Device
//! or resource busy".
//!
//! ## Refute
//! The BAR's lines in `/proc/iomem` hold nothing but `vfio-pci`, or the busy range belongs to another device.
//!
//! ## Fix
//! Boot the host on another GPU; or keep the framebuffer off: `initcall_blacklist=sysfb_init` (5.15 and later),
//! `video=efifb:off,vesafb:off` (before); or remove and rescan the PCI device before the VM starts.
//!
//! ## References
//! Linux `drivers/firmware/sysfb.c`, `drivers/video/fbdev/efifb.c`, `drivers/pci/pci.c`
//! `__pci_request_region()`; `drivers/vfio/pci/vfio_pci_rdwr.c` `vfio_pci_core_setup_barmap()`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["passthrough", "gpu"],
    signs: &[
        Sign::strong("vfio-pci {device}: BAR {bar}: can't reserve"),
        Sign::support("vfio-pci {device}: BAR {bar} [mem *: can't reserve"),
        Sign::strong("vfio_region_write({device}:region{bar}+*failed: Device or resource busy"),
        Sign::strong("vfio_region_read({device}:region{bar}+*failed: Device or resource busy"),
        Sign::strong(" : BOOTFB"),
        Sign::strong(" : efifb"),
        Sign::strong(" : simplefb"),
        Sign::strong(" : vesafb"),
        Sign::strong(" : simple-framebuffer"),
        Sign::support("Failed to mmap {device} BAR {bar}. Performance may be slow"),
        Sign::hint("fb0: EFI VGA frame buffer device").and(&["vfio"]),
        Sign::hint("simpledrmdrmfb frame buffer device").and(&["vfio"]),
        Sign::hint("vgaarb: setting as boot VGA device").and(&["vfio"]),
        Sign::strong("initcall_blacklist=sysfb_init").against(),
        Sign::strong(" : simpledrm"),
        Sign::strong("efifb: cannot reserve video memory"),
        Sign::support("BAR has moved, updating efifb address"),
        Sign::support("efifb: abort, cannot"),
        Sign::hint("assigned to efifb").and(&["vfio"]),
        Sign::support("simple-framebuffer: cannot reserve"),
    ],
    words: &["bootfb", "efifb", "simplefb", "framebuffer", "boot gpu", "primary gpu", "black screen"],
    explains: &["vfio/rom-missing", "vfio/code-43", "vfio/bar-space"],
    tells: "/proc/iomem",
    remedy: "keep the boot framebuffer off the GPU: initcall_blacklist=sysfb_init, or boot the host on another GPU",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::HostReboot,
    rank: Rank::Specific,
    needs: &[Need::File("/proc/iomem"), Need::File("/proc/cmdline")],
    ..Rule::NEW
};
