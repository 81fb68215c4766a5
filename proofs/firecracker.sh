# programs: firecracker vmwright-guest
# body: microvm
# Machines on Firecracker.
backend=firecracker
transport=virtio_mmio
