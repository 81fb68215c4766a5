cloud-hypervisor \
  --kernel /srv/vmlinux \
  --cpus boot=2 \
  --memory size=2G \
  --fs tag=share,socket=/run/share.sock
