# QEMU 7.2 looks up the node's processors, which the profile of libvirt 9.0 denies it: `access/node-map-denied`.
mkdir -p /etc/apparmor.d/local/abstractions
echo '/sys/devices/system/node/node[0-9]*/cpumap r,' >>/etc/apparmor.d/local/abstractions/libvirt-qemu
virsh -q dumpxml --inactive web | sed -e "s,<os>,<memoryBacking><hugepages/></memoryBacking><numatune><memory mode='strict' nodeset='1'/></numatune><os>," >/root/strict.xml
virsh -q define /root/strict.xml
virsh -q start web 2>&1 || true
