qemu-system-x86_64 -enable-kvm -m 2G -netdev user,id=n0 -device virtio-net-pci,netdev=n0
