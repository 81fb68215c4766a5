mkdir -p /sys/fs/cgroup/firecracker
echo "50000 100000" > /sys/fs/cgroup/firecracker/cpu.max
jailer --id myid --parent-cgroup firecracker --cgroup-version 2 --exec-file /usr/local/bin/firecracker-v1.5.0 --uid 1000 --gid 1000  --chroot-base-dir /tmp
