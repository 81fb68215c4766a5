virsh -q dumpxml --inactive web | sed 's,<vcpu,<memoryBacking><hugepages/></memoryBacking><vcpu,' >/root/huge.xml
virsh -q define /root/huge.xml
systemctl -q stop dev-hugepages.mount
systemctl restart libvirtd
virsh -q start web 2>&1 || true
