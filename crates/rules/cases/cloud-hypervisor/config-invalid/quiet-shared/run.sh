cloud-hypervisor \
  --kernel /srv/vmlinux \
  --cpus boot=2,max=4 \
  --memory size=2G,shared=on \
  --fs tag=share,socket=/run/share.sock
