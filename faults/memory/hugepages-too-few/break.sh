virsh -q dumpxml --inactive web | sed 's,<vcpu,<memoryBacking><hugepages/></memoryBacking><vcpu,' >/root/huge.xml
virsh -q define /root/huge.xml
echo 'vm.nr_hugepages = 10' >/etc/sysctl.d/60-hugepages.conf
sysctl -q vm.nr_hugepages=10
virsh -q start web 2>&1 || true
