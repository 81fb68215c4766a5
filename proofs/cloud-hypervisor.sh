# programs: cloud-hypervisor vmwright-guest
# body: microvm
# Machines on Cloud Hypervisor.
backend=cloud-hypervisor
transport=virtio_pci
