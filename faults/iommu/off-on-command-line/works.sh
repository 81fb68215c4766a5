test -e /sys/kernel/iommu_groups/0
