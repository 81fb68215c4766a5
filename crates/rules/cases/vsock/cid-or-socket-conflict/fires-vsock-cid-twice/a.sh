qemu-system-x86_64 -enable-kvm -m 1G -device vhost-vsock-pci,guest-cid=3 -drive file=a.qcow2,if=virtio
