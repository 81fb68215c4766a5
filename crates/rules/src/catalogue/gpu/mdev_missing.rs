//! # The vGPU or mediated device type is not offered, or its driver or licence is missing
//!
//! ## What it is
//! A mediated device (mdev) is a slice of a GPU that the host's driver makes. The VM names one that was not created,
//! of a type that the driver does not offer, or the guest's vGPU has no licence and is throttled.
//!
//! Heard as: no types for a vGPU can be chosen; mdev_supported_types or mdev_bus is not there.
//!
//! Known by: mdev_supported_types is empty; no vGPU profiles listed; unlicensed guest slow after twenty minutes; GVT-g
//! gone on new Intel; sriov-manage; mdevctl types shows nothing.
//!
//! ## Why it happens
//! mdevs do not survive a reboot unless mdevctl defines them; `kvmgt`, `vfio_mdev`, or the vGPU manager is not loaded;
//! `i915.enable_gvt=1` lacks, or the processor's generation has no GVT-g; all instances are taken; the licence server
//! is not reached. Since NVIDIA 17 on newer kernels vGPU uses SR-IOV and offers no mdev types at all.
//!
//! ## Confirm
//! `ls /sys/class/mdev_bus/*/mdev_supported_types`; `cat .../available_instances`; `mdevctl list`; in the guest
//! `nvidia-smi -q | grep -i license`.
//!
//! ## Refute
//! `/sys/bus/mdev/devices/<uuid>` exists with an iommu_group, and the guest's licence is active.
//!
//! ## Fix
//! Load the driver with its option, `mdevctl define --auto` and `mdevctl start` for the UUID, choose a type that has
//! free instances, put the licence configuration into the guest.
//!
//! ## References
//! Linux `Documentation/driver-api/vfio-mediated-device.rst`; libvirt `src/util/virmdev.c`; mdevctl(8); Proxmox VE
//! `PVE/SysFSTools.pm`; Linux `drivers/gpu/drm/i915/intel_gvt.c`; NVIDIA Virtual GPU Software User Guide.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["gpu", "passthrough"],
    signs: &[
        Sign::proof("mediated device '{uuid}' not found"),
        Sign::strong("no such host device").and(&["sysfsdev=/sys/bus/mdev"]),
        Sign::strong("no such host device").and(&["\"sysfsdev\":\"/sys/bus/mdev"]),
        Sign::proof("/sys/bus/mdev/devices/{uuid}/iommu_group': No such file"),
        Sign::strong("/sys/bus/mdev/devices/{uuid}: no such file"),
        Sign::strong("'/sys/bus/mdev/devices/{uuid}': No such file"),
        Sign::strong("device API '{api}' not supported yet"),
        Sign::strong("invalid device API '{api}' for device"),
        Sign::strong("does not support mediated devices"),
        Sign::strong("has no available instances of"),
        Sign::strong("unknown mdev type"),
        Sign::strong("failed to find mdev type"),
        Sign::strong("mdev_supported_types*No such file or directory"),
        Sign::hint("mdev_supported_types"),
        Sign::strong("write error: No space left on device").and(&["mdev"]),
        Sign::proof("GVT-g is disabled"),
        Sign::strong("Direct graphics virtualization requires"),
        Sign::strong("Module kvmgt not found"),
        Sign::strong("Module mdev not found"),
        Sign::strong("Module vfio_mdev not found"),
        Sign::strong("Failed to acquire license"),
        Sign::strong("Unlicensed (Unrestricted)"),
        Sign::strong("Unlicensed (Restricted)"),
        Sign::strong("Valid GRID license not found"),
        Sign::strong("License Status * Unlicensed"),
        Sign::support("failed to send vGPU configuration info to RM"),
        Sign::support("vgpu type is not supported"),
        Sign::support("vGPU mode is not supported"),
        Sign::strong("NVIDIA vGPU is not supported"),
        Sign::support("Unable to create device of type").and(&["mdev"]),
        Sign::strong("No supported devices in vGPU mode"),
        Sign::strong("error getting device from group {group}: Input/output error").and(&["/sys/bus/mdev"]),
        Sign::strong("error getting device from group {group}: Input/output error").and(&["mediated device"]),
        Sign::support("vmiop_env_log"),
        Sign::support("init_device_instance failed"),
        Sign::strong("failed to create mdev type"),
        Sign::support("failed to create mdevs of type"),
        Sign::support("failed to configure the desired mdev types"),
        Sign::support("mdev_bus*No such file").said(&["vgpu", "mdev", "types"]).or_near(),
        Sign::strong("vfio {a}-{b}-{c}-{d}-{e}: failed to read device config space"),
        Sign::strong("vfio {a}-{b}-{c}-{d}-{e}: error getting device from group"),
        Sign::strong("kvm_plugin_global_init failed"),
        Sign::support("[nvidia-vgpu-vfio] *start failed"),
        Sign::strong("vmiop_log: *Failed to allocate"),
        Sign::strong("nvidia-gridd: *Failed to acquire"),
        Sign::strong("vgpu type '{type}' not available for"),
        Sign::strong("could not set vgpu type to"),
        Sign::support("no nvidia sysfs api for"),
        Sign::strong("could not create mediated device"),
        Sign::strong("pci device '{device}' has no type '"),
        Sign::strong("failed to query NVIDIA vGPU types"),
        Sign::strong("unable to reset vgpu type"),
        Sign::strong("mdev type '{type}' not available"),
        Sign::strong("pci device '{device}' has no available instances of"),
        Sign::strong("vGPU live migration currently only supports a single vGPU"),
        Sign::strong("the migrating vmi should only have one vGPU"),
        Sign::strong("vfio: device doesn't support any (known) display method"),
        Sign::strong("xres and yres properties need edid support"),
        Sign::strong("No available mdev for profile"),
        Sign::strong("Invalid mdev profile"),
        Sign::strong("The requested profile {p} does not exist"),
        Sign::strong("Device type {type} not supported").and(&["mdev"]),
        Sign::strong("could not create 'type' for pci devices"),
        Sign::strong("could not create '{type}' for pci devices"),
        Sign::strong("no such mdev type"),
        Sign::strong("No vGPU types are supported"),
        Sign::strong("Failed to initialize RM client"),
        Sign::strong("none support vGPU"),
        Sign::strong("Unsupport GVT-g"),
        Sign::strong("gvt: *golden_hw_state failed"),
        Sign::support("nvidia-vgpu-mgr*Failed to attach device"),
        Sign::support("license state: Unlicensed"),
        Sign::strong("Failed to create mdev"),
        Sign::support("unable to read MDEV devices directory"),
        Sign::strong("error getting all vGPU devices"),
        Sign::strong("mdevctl types return nothing"),
        Sign::strong("mdevctl types*empty"),
        Sign::strong("mdev_supported_types*empty"),
    ],
    words: &["vgpu", "mdev", "gvt-g", "mediated device", "license", "grid", "nvidia-vgpu"],
    explains: &["vfio/device-unavailable", "iommu/disabled"],
    tells: "mdevctl list",
    remedy: "load the vGPU driver, define the mediated device so that it persists, and license the guest",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    rank: Rank::Specific,
    needs: &[
        Need::Glob("/sys/class/mdev_bus/*/mdev_supported_types/*/available_instances"),
        Need::Command(&["dmesg"]),
    ],
    ..Rule::NEW
};
