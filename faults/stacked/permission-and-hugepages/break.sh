virsh -q dumpxml --inactive web | sed 's,<vcpu,<memoryBacking><hugepages/></memoryBacking><vcpu,' >/root/huge.xml
virsh -q define /root/huge.xml
rm /etc/sysctl.d/60-hugepages.conf
sysctl -q vm.nr_hugepages=0
chown root:root /dev/kvm
chmod 0600 /dev/kvm
virsh -q start web 2>&1 || true
