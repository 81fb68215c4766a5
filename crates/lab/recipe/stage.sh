#!/bin/sh
# Makes a working hypervisor host of a lab that has booted for the first time. What is here is kept with its memory, and
# every lab begins so.
# What it does is told on the console, whose last lines are in the error where it fails.
exec 2>/dev/ttyS0
set -eux
export LC_ALL=C
timeout 180 systemctl is-system-running --wait >/dev/null || true
update-grub >/dev/null 2>&1
modprobe kvm_amd 2>/dev/null || modprobe kvm_intel

# Huge pages, as a host has them that gives them to its machines.
echo 'vm.nr_hugepages = 64' >/etc/sysctl.d/60-hugepages.conf
sysctl -q -p /etc/sysctl.d/60-hugepages.conf

# A volume group with a thin pool, on the second disk.
pvcreate -q -y /dev/vdb >/dev/null
vgcreate -q vg0 /dev/vdb >/dev/null
lvcreate -q -y -L 512M -T vg0/pool >/dev/null
lvcreate -q -y -V 256M -T vg0/pool -n data >/dev/null

# Networks: libvirt's own, and a switch of Open vSwitch.
virsh -q net-start default 2>/dev/null || true
virsh -q net-autostart default
ovs-vsctl --may-exist add-br ovsbr0
ip link set ovsbr0 up

# A machine on an image with a backing file: firmware alone, it needs no system to be started.
cd /var/lib/libvirt/images
qemu-img create -q -f qcow2 base.qcow2 256M
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 web.qcow2
cat >/root/web.xml <<'END'
<domain type='kvm'>
  <name>web</name>
  <memory unit='MiB'>96</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/><apic/></features>
  <cpu mode='host-passthrough'/>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/var/lib/libvirt/images/web.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='network'>
      <source network='default'/>
      <model type='virtio'/>
    </interface>
    <serial type='pty'/>
    <memballoon model='none'/>
  </devices>
</domain>
END
virsh -q define /root/web.xml
sync
echo 3 >/proc/sys/vm/drop_caches
