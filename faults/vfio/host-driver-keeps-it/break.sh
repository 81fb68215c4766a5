# The whole NIC, which nobody has bound for it.
modprobe vfio-pci
device=$(basename "$(dirname "$(ls /sys/bus/pci/devices/*/sriov_totalvfs | head -n 1)")")
bus=0x$(echo $device | cut -d: -f2) slot=0x$(echo $device | cut -d: -f3 | cut -d. -f1) function=0x$(echo $device | cut -d. -f2)
sed -e 's/<name>web/<name>pt/' -e 's/web.qcow2/pt.qcow2/' \
    -e "s,<serial type,<hostdev mode='subsystem' type='pci' managed='no'><source><address domain='0' bus='$bus' slot='$slot' function='$function'/></source></hostdev><serial type," \
    /root/web.xml >/root/pt.xml
qemu-img create -q -f qcow2 /var/lib/libvirt/images/pt.qcow2 64M
virsh -q define /root/pt.xml
virsh -q start pt 2>&1 || true
