# programs: firecracker jailer vmwright-guest
# body: microvm
# Machines on Firecracker.
backend=firecracker
transport=virtio_mmio
jail='
[process]
jailer = true
user = "nobody"'
