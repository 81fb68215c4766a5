/usr/local/bin/cloud-hypervisor --kernel /srv/vmlinux --cpus boot=8,max=4 --memory size=2G
