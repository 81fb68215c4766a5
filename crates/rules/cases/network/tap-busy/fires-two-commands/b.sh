qemu-system-x86_64 -name b -enable-kvm -m 2G -netdev tap,id=n0,ifname=tap0,script=no -device virtio-net-pci,netdev=n0,mac=52:54:00:00:00:0b
