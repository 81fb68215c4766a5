virsh -q dumpxml --inactive web | sed "s,<os>,<numatune><memory mode='strict' nodeset='3'/></numatune><os>," >/root/numa.xml
virsh -q define /root/numa.xml
virsh -q start web 2>&1 || true
