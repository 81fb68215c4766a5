modprobe vfio-pci
