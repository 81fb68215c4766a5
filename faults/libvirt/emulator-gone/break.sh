systemctl stop libvirtd
sed -i 's,<emulator>.*</emulator>,<emulator>/usr/bin/kvm-spice</emulator>,' /etc/libvirt/qemu/web.xml
systemctl start libvirtd
virsh -q start web 2>&1 || true
