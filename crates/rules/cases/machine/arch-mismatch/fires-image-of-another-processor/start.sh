qemu-system-x86_64 -accel kvm -m 1G -drive file=server-arm64.qcow2,if=virtio -nographic
