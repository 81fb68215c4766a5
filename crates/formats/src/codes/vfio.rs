//! What an errno means by the VFIO call that gave it.
//!
//! Linux `drivers/vfio/group.c`, `container.c`, `vfio_iommu_type1.c`, `pci/vfio_pci_core.c`; the calls by the names that
//! QEMU, Cloud Hypervisor and DPDK print.

/// An errno: its text and name in lower case, and its negative as the kernel returns it (`asm-generic/errno-base.h`).
pub(super) type Errno = (&'static str, &'static str, &'static str);

/// One errno of one call.
pub(super) struct Refusal {
    /// Names by which programs call it, in lower case.
    pub(super) calls: &'static [&'static str],
    /// The errno.
    pub(super) errno: Errno,
    /// What it means there.
    pub(super) means: &'static str,
    /// Rules that tell more.
    pub(super) rules: &'static [&'static str],
}

const MAP: &[&str] =
    &["vfio_map_dma", "vfio_iommu_map_dma", "vfio_dma_map", "vfio_container_dma_map", "map_dma"];
const SET_IOMMU: &[&str] = &["vfio_set_iommu", "failed to set iommu for container"];
const OPEN_GROUP: &[&str] = &["/dev/vfio/", "failed to open vfio group", "failed to open /dev/vfio"];
const CONTAINER: &[&str] = &["vfio_group_set_container", "failed to set group container"];
const DEVICE: &[&str] = &["vfio_group_get_device_fd", "error getting device from group"];
const HOT_RESET: &[&str] = &["vfio_device_pci_hot_reset", "hot reset"];
const RESET: &[&str] = &["vfio_device_reset"];
const IRQS: &[&str] = &["vfio_device_set_irqs", "failed to enable msi", "failed to set up trigger_eventfd"];

const NO_MEMORY: Errno = ("cannot allocate memory", "enomem", "-12");
const INVALID: Errno = ("invalid argument", "einval", "-22");
const BUSY: Errno = ("device or resource busy", "ebusy", "-16");
const NOT_PERMITTED: Errno = ("operation not permitted", "eperm", "-1");
const DENIED: Errno = ("permission denied", "eacces", "-13");
const NO_DEVICE: Errno = ("no such device", "enodev", "-19");
const NO_FILE: Errno = ("no such file or directory", "enoent", "-2");
const NO_SPACE: Errno = ("no space left on device", "enospc", "-28");
const EXISTS: Errno = ("file exists", "eexist", "-17");
const BAD_ADDRESS: Errno = ("bad address", "efault", "-14");
const NO_IOCTL: Errno = ("inappropriate ioctl for device", "enotty", "-25");

const fn refusal(
    calls: &'static [&'static str],
    errno: Errno,
    means: &'static str,
    rules: &'static [&'static str],
) -> Refusal {
    Refusal { calls, errno, means, rules }
}

/// The refusals; the first whose call and errno stand in a line is meant.
pub(super) const REFUSALS: &[Refusal] = &[
    refusal(MAP, NO_MEMORY, "the guest's memory is more than the VMM may lock", &["memory/locked-limit"]),
    refusal(
        MAP,
        NO_SPACE,
        "the number of mappings of this container is used up (dma_entry_limit)",
        &["iommu/dma-entry-limit"],
    ),
    refusal(
        MAP,
        INVALID,
        "the address lies outside of what the IOMMU reaches, in a reserved region, or is not a multiple of its page",
        &["iommu/iova-limit", "iommu/rmrr-conflict"],
    ),
    refusal(MAP, EXISTS, "the address is mapped already", &["vfio/dma-map-failed"]),
    refusal(
        MAP,
        BAD_ADDRESS,
        "the memory cannot be pinned: a BAR of another device, or memory that is not mapped",
        &["vfio/dma-map-failed"],
    ),
    refusal(
        SET_IOMMU,
        NOT_PERMITTED,
        "the host cannot remap interrupts, and unsafe ones are not allowed",
        &["irq/remapping-missing"],
    ),
    refusal(
        SET_IOMMU,
        INVALID,
        "the device's reserved regions or reach conflict with what is mapped",
        &["iommu/rmrr-conflict", "iommu/iova-limit"],
    ),
    refusal(SET_IOMMU, NO_DEVICE, "vfio_iommu_type1 is not loaded", &["vfio/module-missing"]),
    refusal(
        CONTAINER,
        INVALID,
        "the group has a container already, or is not viable",
        &["vfio/group-not-viable", "vfio/device-busy"],
    ),
    refusal(CONTAINER, NO_DEVICE, "the group's last device has gone", &["vfio/device-unavailable"]),
    refusal(
        OPEN_GROUP,
        BUSY,
        "another process holds the group: another VM, or the same one twice",
        &["vfio/device-busy"],
    ),
    refusal(
        OPEN_GROUP,
        DENIED,
        "the user of the VMM may not open the group's file",
        &["vfio/group-permission"],
    ),
    refusal(
        OPEN_GROUP,
        NOT_PERMITTED,
        "the device control group forbids it, or the group has no IOMMU and CAP_SYS_RAWIO lacks",
        &["vfio/group-permission", "iommu/disabled"],
    ),
    refusal(
        OPEN_GROUP,
        NO_FILE,
        "no device of the group is bound to vfio-pci",
        &["vfio/wrong-driver", "vfio/module-missing"],
    ),
    refusal(
        OPEN_GROUP,
        NO_DEVICE,
        "no device of the group is bound to VFIO any more",
        &["vfio/wrong-driver"],
    ),
    refusal(DEVICE, NO_DEVICE, "the group has no such device", &["vfio/device-unavailable"]),
    refusal(DEVICE, INVALID, "the group has no IOMMU yet, or is not viable", &["vfio/group-not-viable"]),
    refusal(
        HOT_RESET,
        NOT_PERMITTED,
        "devices on the bus belong to somebody else",
        &["vfio/group-not-viable", "vfio/no-reset"],
    ),
    refusal(
        HOT_RESET,
        INVALID,
        "not every device that the reset hits was given to the VMM",
        &["vfio/no-reset"],
    ),
    refusal(HOT_RESET, NO_DEVICE, "neither the slot nor the bus can be reset", &["vfio/no-reset"]),
    refusal(RESET, INVALID, "the device knows no reset", &["vfio/no-reset"]),
    refusal(RESET, NO_IOCTL, "the device knows no reset", &["vfio/no-reset"]),
    refusal(IRQS, NO_SPACE, "the host has no interrupt vectors left", &["irq/msi-not-used"]),
    refusal(IRQS, BUSY, "another driver holds the device's interrupt line", &["vfio/device-busy"]),
    refusal(IRQS, INVALID, "the device has not this kind or number of interrupts", &["irq/msi-not-used"]),
];
