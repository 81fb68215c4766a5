# Its virtual function was made by hand before the last boot.
pf=$(basename "$(dirname "$(ls /sys/bus/pci/devices/*/sriov_totalvfs | head -n 1)")")
echo 2 >/sys/bus/pci/devices/$pf/sriov_numvfs
vf=$(basename "$(readlink /sys/bus/pci/devices/$pf/virtfn0)")
bus=0x$(echo $vf | cut -d: -f2) slot=0x$(echo $vf | cut -d: -f3 | cut -d. -f1) function=0x$(echo $vf | cut -d. -f2)
echo 0 >/sys/bus/pci/devices/$pf/sriov_numvfs
sed -e 's/<name>web/<name>vf/' -e 's/web.qcow2/vf.qcow2/' \
    -e "s,<serial type,<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='$bus' slot='$slot' function='$function'/></source></hostdev><serial type," \
    /root/web.xml >/root/vf.xml
qemu-img create -q -f qcow2 /var/lib/libvirt/images/vf.qcow2 64M
virsh -q define /root/vf.xml
virsh -q start vf 2>&1 || true
