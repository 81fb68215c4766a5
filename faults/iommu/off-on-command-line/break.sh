sed -i 's/intel_iommu=on iommu=pt/intel_iommu=off/' /etc/default/grub
update-grub >/dev/null 2>&1
