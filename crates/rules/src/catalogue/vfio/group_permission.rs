//! # The VM's user may not open the VFIO group or device node
//!
//! ## What it is
//! `/dev/vfio/<group>`, `/dev/vfio/vfio`, or with iommufd `/dev/vfio/devices/vfioN` and `/dev/iommu` exist, but
//! the process that runs the VM is refused: by mode and owner, by a device cgroup, or because the node is not in
//! its private `/dev`.
//!
//! Heard as: an ordinary user's QEMU cannot open /dev/vfio.
//!
//! Known by: could not open /dev/vfio/12: Permission denied; udev rule for vfio group; non-root passthrough; chown of
//! group file; /dev/vfio/devices.
//!
//! ## Why it happens
//! QEMU runs as an ordinary user and no udev rule gives it the node; a container lacks `--device
//! /dev/vfio/<group>`; libvirt did not know of the device (raw arguments) and so neither labelled it nor added it
//! to the cgroup; a systemd or udev update changed the mode of `/dev/vfio/vfio`, which should be 0666.
//!
//! ## Confirm
//! `ls -ln /dev/vfio`, `id` of the VM's user; in a container also `cat /proc/self/cgroup` and the device list
//! that it was started with. "Permission denied" is mode or MAC, "Operation not permitted" a device cgroup.
//!
//! ## Refute
//! The same user can open the node read-write, or the audit log shows an AppArmor or SELinux denial for it.
//!
//! ## Fix
//! A udev rule `SUBSYSTEM=="vfio", GROUP="kvm", MODE="0660"`, the device given to the container, or a proper
//! `<hostdev>` instead of raw arguments (else `cgroup_device_acl` in qemu.conf).
//!
//! ## References
//! QEMU `hw/vfio/container.c`, `vfio_get_group()` and `hw/vfio/iommufd.c`; Linux
//! `Documentation/driver-api/vfio.rst`; systemd `rules.d/50-udev-default.rules.in`; libvirt qemu.conf.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["passthrough", "permission"],
    signs: &[
        Sign::strong("failed to open /dev/vfio/{node}: Permission denied").unless(MAC),
        Sign::support("failed to open /dev/vfio/{node}: Permission denied"),
        Sign::proof("failed to open /dev/vfio/{node}: Operation not permitted"),
        Sign::strong("error opening /dev/vfio/{node}: Permission denied"),
        Sign::strong("error opening /dev/vfio/{node}: Operation not permitted"),
        Sign::strong("failed to open /dev/vfio/{node} group: Permission denied"),
        Sign::strong("failed to open /dev/vfio/{node} group: Operation not permitted"),
        Sign::strong("failed to open /dev/vfio/vfio container: Permission denied"),
        Sign::strong("failed to open /dev/vfio/vfio container: Operation not permitted"),
        Sign::strong("Could not open '/dev/vfio/{node}': Permission denied"),
        Sign::strong("Could not open '/dev/vfio/{node}': Operation not permitted"),
        Sign::strong("open /dev/vfio/{node}: permission denied"),
        Sign::strong("open /dev/vfio/{node}: operation not permitted"),
        Sign::strong("open /dev/iommu: Permission denied"),
        Sign::strong("'/dev/iommu': Permission denied"),
        Sign::support("/dev/vfio/{node}: Permission denied"),
        Sign::support("cannot open VFIO container, error 13"),
        Sign::support("failed to open /dev/vfio/{node}: No such file or directory").and(&["container"]),
        Sign::hint("crw-------* root root * /dev/vfio/{node}"),
        Sign::support("crw-------*/dev/vfio/vfio"),
        Sign::support("/dev/vfio/{node} * EACCES"),
        Sign::support("/dev/vfio/{node} * Permission denied"),
        Sign::strong("Failed to open VFIO group file"),
        Sign::strong("USB permission changes are required"),
    ],
    words: &["/dev/vfio", "udev rule", "non-root", "rootless", "unprivileged", "device cgroup"],
    explains: &[],
    tells: "ls -ln /dev/vfio",
    remedy: "give the VM's user the node: a udev rule for the vfio subsystem, or the device in its container",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};

/// Another authority refused it, and says so.
const MAC: &[&str] = &["apparmor=\"DENIED\" * vfio", "avc:  denied * vfio"];
