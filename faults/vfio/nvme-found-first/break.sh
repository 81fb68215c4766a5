# Ids for vfio-pci, as every guide has them; and nothing that has it come before the driver of NVMe in the initramfs.
function=$(basename "$(readlink -f /sys/class/nvme/nvme0/device)")
bus=$(echo "$function" | cut -d : -f 2)
ids=$(sed 's/0x//' "/sys/bus/pci/devices/$function/vendor"):$(sed 's/0x//' "/sys/bus/pci/devices/$function/device")
echo "options vfio-pci ids=$ids" >/etc/modprobe.d/vfio.conf
sed -e 's/<name>web/<name>pt/' -e 's/web.qcow2/pt.qcow2/' \
    -e "s,<serial type,<hostdev mode='subsystem' type='pci' managed='no'><source><address domain='0' bus='0x$bus' slot='0' function='0'/></source></hostdev><serial type," \
    /root/web.xml >/root/pt.xml
qemu-img create -q -f qcow2 /var/lib/libvirt/images/pt.qcow2 64M
virsh -q define /root/pt.xml
virsh -q start pt 2>&1 || true
