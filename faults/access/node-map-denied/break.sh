virsh -q dumpxml --inactive web | sed -e 's,98304,49152,' -e "s,<os>,<memoryBacking><hugepages/></memoryBacking><numatune><memory mode='strict' nodeset='1'/></numatune><os>," >/root/strict.xml
virsh -q define /root/strict.xml
virsh -q start web 2>&1 || true
