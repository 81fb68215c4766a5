//! # A VFIO module is not loaded or not built
//!
//! ## What it is
//! Passthrough needs `vfio` (which makes `/dev/vfio/vfio`), `vfio-pci` (which holds the device) and
//! `vfio_iommu_type1` (which maps guest memory on x86 and Arm). One of them is absent, so that the container
//! cannot be opened, no IOMMU model is found, or the device cannot be bound.
//!
//! Heard as: vfio modules are not loaded or not built.
//!
//! Known by: /dev/vfio/vfio: No such file or directory; modprobe vfio-pci not found; vfio_iommu_type1; CONFIG_VFIO not
//! set; unable to load vfio; unknown iommu type.
//!
//! ## Why it happens
//! The module was never loaded, is blacklisted, its package (`linux-modules-extra`) is not installed, the
//! running kernel's module directory went away with an update, or the kernel is built without it.
//!
//! ## Confirm
//! `lsmod | grep vfio`; `ls -l /dev/vfio`; `modinfo vfio_pci vfio_iommu_type1`;
//! `grep VFIO /boot/config-$(uname -r)`.
//!
//! ## Refute
//! `/sys/module/vfio_iommu_type1` and `/sys/bus/pci/drivers/vfio-pci` exist, and `/dev/vfio/vfio` can be opened.
//! `vfio_virqfd` missing alone is no fault: since Linux 6.2 it is a part of `vfio`.
//!
//! ## Fix
//! `modprobe vfio-pci vfio_iommu_type1` and a line in `/etc/modules-load.d/`; install the kernel's extra
//! modules; reboot into the kernel whose modules are installed.
//!
//! ## References
//! QEMU `hw/vfio/container.c`, `vfio_get_iommu_type()` ("No available IOMMU models"); libvirt
//! `src/util/virpci.c`; Linux `drivers/vfio/Kconfig`, `Documentation/driver-api/vfio.rst`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["passthrough", "kernel"],
    signs: &[
        Sign::proof("No available IOMMU models"),
        Sign::strong("failed to open /dev/vfio/vfio: No such file or directory"),
        Sign::strong("failed to open /dev/vfio/vfio container: No such file or directory"),
        Sign::strong("failed to open /dev/vfio/vfio: No such device"),
        Sign::support("Could not open '/dev/vfio/vfio': No such file or directory"),
        Sign::support("/dev/vfio/vfio: no such file or directory"),
        Sign::support("'/dev/vfio/vfio': No such file or directory"),
        Sign::support("'/dev/vfio': No such file or directory"),
        Sign::support("cannot open VFIO container, error 2 (No such file or directory)"),
        Sign::strong("Module vfio-pci not found"),
        Sign::strong("Module vfio_pci not found"),
        Sign::strong("Module vfio_iommu_type1 not found"),
        Sign::strong("Module vfio not found"),
        Sign::strong("Cannot find vfio-pci module"),
        Sign::strong("Failed to load PCI stub module vfio-pci"),
        Sign::strong("Failed to load PCI driver module vfio-pci"),
        Sign::strong("/sys/bus/pci/drivers/vfio-pci/{file}: No such file or directory"),
        Sign::strong("modprobe vfio-pci` failed"),
        Sign::support("Mediated host device assignment requires VFIO support"),
        Sign::support("host doesn't support VFIO PCI passthrough"),
        Sign::support("pci backend driver '{driver}' is not supported"),
        Sign::support("pci backend driver type '{driver}' is not supported"),
        Sign::support("host doesn't support passthrough of host PCI devices").and(&["DMAR: IOMMU enabled"]),
        Sign::support("host doesn't support passthrough of host PCI devices").and(&["Adding to iommu group"]),
        Sign::strong("# CONFIG_VFIO is not set"),
        Sign::strong("# CONFIG_VFIO_PCI is not set"),
        Sign::strong("# CONFIG_VFIO_IOMMU_TYPE1 is not set"),
        Sign::strong("blacklist vfio"),
        Sign::support("VFIO support could not be initialized"),
        Sign::hint("failed to open /dev/vfio/{group}: No such file or directory"),
        Sign::strong("could not load module vfio"),
        Sign::strong("missing VFIO extension"),
        Sign::strong("container doesn't support VfioType1V2 IOMMU"),
        Sign::strong("Failed to load PCI stub module {module}: administratively prohibited"),
        Sign::strong("vfio: Unknown symbol"),
        Sign::strong("vfio_pci: Unknown symbol"),
        Sign::support("VFIO device assignment is currently not supported on this system"),
        Sign::strong("VFIO control node missing"),
        Sign::support("supported vfio version: "),
        Sign::strong("VFIO IOMMU Type1 is not supported"),
        Sign::strong("Failed to open /dev/vfio/vfio: No such file"),
        Sign::strong("could not open /dev/vfio/vfio: No such file"),
        Sign::strong("Failed to load PCI stub module"),
        Sign::strong("No stub driver configured for PCI device"),
        Sign::strong("Unknown stub driver configured for PCI device"),
        Sign::strong("KVM device assignment is no longer supported on this system"),
        Sign::strong("host doesn't support legacy PCI passthrough"),
        Sign::strong("Failed overriding driver for VF device"),
    ],
    words: &["vfio_iommu_type1", "modprobe", "kernel module", "vfio modules", "lsmod"],
    explains: &["vfio/wrong-driver", "vfio/bind-order", "vfio/group-permission"],
    tells: "lsmod",
    remedy: "load vfio-pci and vfio_iommu_type1 now and at boot, or install the kernel's extra modules",
    applicability: Applicability::NeedsApproval,
    needs: &[Need::File("/proc/modules"), Need::File("/sys/module/vfio_iommu_type1/initstate")],
    ..Rule::NEW
};
