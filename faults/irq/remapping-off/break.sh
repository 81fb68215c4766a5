sed -i 's/iommu=pt/iommu=pt intremap=off/' /etc/default/grub
update-grub >/dev/null 2>&1
