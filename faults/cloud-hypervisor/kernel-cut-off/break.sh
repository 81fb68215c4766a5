# The disk was full when the kernel was copied, and a part of it is there.
head -c 300 "/boot/vmlinuz-$(uname -r)" >/srv/vmlinux
cloud-hypervisor --kernel /srv/vmlinux --cpus boot=1 --memory size=128M --serial tty --console off 2>&1 | grep -v WARN
