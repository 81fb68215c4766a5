//! # The guest has no virtio-fs driver or service, or mounts another tag
//!
//! ## What it is
//! Host and daemon are right; the guest cannot use the share. Linux needs the module `virtiofs` (since 5.4) and
//! the exact tag; Windows needs the VirtIO FS driver, WinFsp and the running service VirtioFsSvc.
//!
//! Heard as: the share does not appear in the guest; Windows without WinFsp or driver, old kernel.
//!
//! Known by: mount -t virtiofs: unknown filesystem type or wrong fs type, bad option; tag not found; WinFsp,
//! VirtioFsSvc; share not visible in guest; CONFIG_VIRTIO_FS; Windows share not mounted; tag mismatch; modprobe
//! virtiofs; no such device at mount; initramfs.
//!
//! ## Why it happens
//! The guest's kernel is older than 5.4 or built without CONFIG_VIRTIO_FS; the initramfs lacks the module; the
//! mount names a path or another tag than the `<target dir=...>` of the domain; on Windows the driver was
//! installed without WinFsp, or the service does not start by itself.
//!
//! ## Confirm
//! In the guest: `grep virtiofs /proc/filesystems`, `modinfo virtiofs`, `cat /sys/fs/virtiofs/*/tag`,
//! `dmesg | grep -i virtiofs`; in Windows `sc query VirtioFsSvc`. On the host `virsh dumpxml NAME | grep -A3 virtiofs`.
//!
//! ## Refute
//! The module is there, the tag is listed, and the mount hangs or fails with an I/O error: look at virtiofsd.
//!
//! ## Fix
//! Use a kernel with the module, mount by the tag (`mount -t virtiofs TAG DIR`), or install WinFsp and the
//! virtio-win driver and set the service to start automatically.
//!
//! ## References
//! Linux `Documentation/filesystems/virtiofs.rst`, `fs/fuse/virtio_fs.c`, `virtio_fs_get_tree()`;
//! virtio-win wiki, "Virtiofs: Shared file system"; libvirt `docs/kbase/virtiofs.rst`.

use crate::prelude::*;

/// What shows that virtio-fs is meant.
const FS: &[&str] = &["virtiofs"];

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["virtiofs", "guest"],
    signs: &[
        Sign::proof("unknown filesystem type 'virtiofs'"),
        Sign::proof("unknown filesystem type \"virtiofs\""),
        Sign::proof("unknown filesystem type 'virtio_fs'"),
        Sign::proof("Module virtiofs not found"),
        Sign::strong("virtio-fs: tag <{tag}> not found"),
        Sign::strong("virtiofs: tag <{tag}> not found"),
        Sign::strong("CONFIG_VIRTIO_FS is not set"),
        Sign::strong("No such device").and(&["mount -t virtiofs"]),
        Sign::strong("wrong fs type, bad option, bad superblock on").and(FS),
        Sign::support("special device * does not exist").and(FS),
        Sign::support("can't find in /etc/fstab").and(FS),
        Sign::strong("VirtioFsSvc*STOPPED"),
        Sign::support("VirtioFsSvc"),
        Sign::strong("VirtIO-FS Service * not start"),
        Sign::strong("VirtIO-FS * terminated unexpectedly"),
        Sign::support("VirtIO-FS Service"),
        Sign::hint("WinFsp"),
        Sign::support("winfsp-x64.dll"),
        Sign::support("Mass Storage Controller").and(FS),
        Sign::support("VEN_1AF4&DEV_105A"),
        Sign::strong("virtiofs*not listed in /proc/filesystems"),
        Sign::strong("mount: * unknown filesystem type*").and(&["mount -t virtiofs"]),
        // Linux has it since 5.4; what older guests are is often noted.
        Sign::strong("guest*kernel 3.").and(FS),
        Sign::strong("guest*kernel 4.").and(FS),
        Sign::strong("guest*kernel: 3.").and(FS),
        Sign::strong("guest*kernel: 4.").and(FS),
        Sign::support("CentOS 7 guest").and(FS),
        Sign::support("guest*CentOS 7").and(FS),
        Sign::strong("Please disable ACLs for virtiofs on Windows VMs"),
    ],
    words: &["virtiofs", "mount", "windows guest", "winfsp", "old kernel"],
    tells: "in the guest: grep virtiofs /proc/filesystems; dmesg | grep -i virtiofs",
    remedy: "give the guest the virtiofs module or the Windows driver with WinFsp, and mount by the domain's tag",
    applicability: Applicability::ManualOnly,
    ..Rule::NEW
};
