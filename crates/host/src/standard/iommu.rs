//! PCI devices, IOMMU, VFIO and mediated devices.

use vmwright_model::{Need, Probe};

pub(super) const NEEDS: &[Need] = &[
    Need::Exists("/sys/bus/pci/drivers/vfio-pci"),
    Need::Exists("/sys/firmware/acpi/tables/DMAR"),
    Need::Exists("/sys/firmware/acpi/tables/IVRS"),
    Need::Exists("/sys/module/iommufd"),
    Need::Glob("/sys/bus/mdev/devices/*/mdev_type/name"),
    Need::Glob("/sys/class/iommu/*/amd-iommu/cap"),
    Need::Glob("/sys/class/iommu/*/amd-iommu/features"),
    Need::Glob("/sys/class/iommu/*/intel-iommu/cap"),
    Need::Glob("/sys/class/iommu/*/intel-iommu/ecap"),
    Need::Glob("/sys/class/iommu/*/intel-iommu/version"),
    Need::Glob("/sys/class/mdev_bus/*/mdev_supported_types/*/available_instances"),
    Need::Glob("/sys/class/mdev_bus/*/mdev_supported_types/*/name"),
    Need::Glob("/sys/kernel/iommu_groups/*/reserved_regions"),
    Need::Glob("/sys/kernel/iommu_groups/*/type"),
    Need::Probe(Probe::Pci),
    Need::Probe(Probe::DeviceNodes),
    Need::Probe(Probe::AcpiTables),
];
