modprobe vfio-pci
sed -e 's/<name>web/<name>pt/' -e 's/web.qcow2/pt.qcow2/' \
    -e "s,<serial type,<hostdev mode='subsystem' type='pci' managed='no'><source><address domain='0' bus='0' slot='0x1c' function='0'/></source></hostdev><serial type," \
    /root/web.xml >/root/pt.xml
qemu-img create -q -f qcow2 /var/lib/libvirt/images/pt.qcow2 64M
virsh -q define /root/pt.xml
echo vfio-pci >/sys/bus/pci/devices/0000:00:1c.0/driver_override
echo 0000:00:1c.0 >/sys/bus/pci/devices/0000:00:1c.0/driver/unbind
echo 0000:00:1c.0 >/sys/bus/pci/drivers_probe
virsh -q start pt 2>&1 || true
virsh -q net-destroy default
