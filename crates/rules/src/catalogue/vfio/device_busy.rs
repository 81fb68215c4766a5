//! # Another process, VM or the host holds the device
//!
//! ## What it is
//! The device, or its whole IOMMU group, is in use: another VM has it open, libvirt has given it to another
//! domain, or a host process (display server, persistence daemon, container) keeps the driver from letting go.
//!
//! Heard as: the card is in use by another VM, process or display manager.
//!
//! Known by: Failed to open group: Device or resource busy; in use by driver or another domain; PCI device already in
//! use; nvidia-persistenced, X server or docker uses GPU; unbind hangs.
//!
//! ## Why it happens
//! Two domains list the same device and are started together; a QEMU of an earlier attempt still lives; the
//! host driver is unbound while somebody uses the device, which blocks until the last user has closed it.
//!
//! ## Confirm
//! `fuser -v /dev/vfio/<group>` or `lsof /dev/nvidia* /dev/dri/*`; `virsh list`, and for each domain `virsh
//! dumpxml | grep -A3 hostdev`; `dmesg` for "blocked until".
//!
//! ## Refute
//! Nobody has `/dev/vfio/<group>` open and the device's driver is vfio-pci: then look at the group's viability.
//!
//! ## Fix
//! Stop the other user (the other VM, the display manager, `nvidia-persistenced`) before the device is unbound
//! or assigned. To share one card among VMs use SR-IOV or mediated devices.
//!
//! ## References
//! Linux `drivers/vfio/group.c` (one opener a group: EBUSY), `drivers/vfio/vfio_main.c`,
//! `vfio_unregister_group_dev()`; libvirt `src/hypervisor/virhostdev.c`; QEMU `hw/vfio/container.c`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["passthrough"],
    signs: &[
        Sign::proof("failed to open /dev/vfio/{group}: Device or resource busy"),
        Sign::proof("error opening /dev/vfio/{group}: Device or resource busy"),
        Sign::proof("failed to open /dev/vfio/{group} group: Device or resource busy"),
        Sign::proof("open /dev/vfio/{group}: device or resource busy"),
        Sign::proof("PCI device {device} is in use by driver"),
        Sign::strong("PCI device {device} is in use"),
        Sign::proof("PCI device '{device}' already in use"),
        Sign::proof("mediated device {device} is in use by"),
        Sign::strong("NVMe device {device} already in use by driver"),
        Sign::strong("USB device {device} is in use by driver"),
        Sign::support("Not detaching active device"),
        Sign::support("Not resetting active device"),
        Sign::support("Not reattaching active device"),
        Sign::support("Device {device} is already in use"),
        Sign::strong("vfio {device}: device is already attached"),
        Sign::strong("error getting device from group {group}: Device or resource busy"),
        Sign::strong("error getting device {device} from group {group}: Device or resource busy"),
        Sign::strong("to iommufd={fd}: Device or resource busy"),
        Sign::strong("Device is currently in use, task"),
        Sign::strong("No device request channel registered, blocked until released by user"),
        Sign::support("Relaying device request to user"),
        Sign::proof("NVRM: Attempting to remove device {device} with non-zero usage count"),
        Sign::strong("Attempting to remove minor device {minor} with non-zero usage count"),
        Sign::strong("Module nvidia is in use"),
        Sign::strong("Module nvidia_drm is in use"),
        Sign::strong("Module nvidia_uvm is in use"),
        Sign::strong("Module amdgpu is in use"),
        Sign::strong("Module i915 is in use"),
        Sign::support("Failed to unbind PCI device '{device}' from"),
        Sign::strong("Module nouveau is in use"),
        Sign::strong("Module nvidia_modeset is in use"),
        Sign::strong("Module radeon is in use"),
        Sign::strong("Module xe is in use"),
        Sign::strong("Module snd_hda_intel is in use"),
        // What users and scripts say of an unbind that waits for the last user.
        Sign::strong("omething is still using"),
        Sign::strong("unbind*hang"),
        Sign::strong("hang*unbind"),
        Sign::strong("detach*hang"),
        Sign::strong("hang*detach"),
        Sign::strong("unbind*never return"),
        Sign::strong("unbinding*never return"),
        Sign::strong("detach*never return"),
        Sign::strong("unbind*timed out"),
        Sign::support("/Xorg").and(&["nodedev-detach"]),
        Sign::support("/Xorg").and(&["unbind"]),
        Sign::support("gnome-shell").and(&["nodedev-detach"]),
        Sign::support("gnome-shell").and(&["unbind"]),
        Sign::strong("vfio*device is already attached"),
        Sign::support("Failed to add group {n} to KVM VFIO device"),
        Sign::strong("is currently reserved for use by VMID"),
        Sign::strong("PCI device '{device}' already in use by VMID"),
        Sign::strong("vfio: subchannel {n} has already been attached"),
        Sign::strong("Cannot use device {d}, {n} processes are still attached to it"),
        Sign::strong("Interface {i} is in use by the host"),
    ],
    words: &[
        "busy",
        "in use",
        "already",
        "another vm",
        "two vms",
        "hangs when unbinding",
        "detach",
        "still using",
    ],
    explains: &["vfio/wrong-driver"],
    tells: "fuser -v /dev/vfio/*",
    remedy: "stop the process or VM that holds the device, or give each VM a device of its own",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
