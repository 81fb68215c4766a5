# Somebody keeps files in the memory of node 1, and web's memory is to come from there too.
mkdir -p /srv/scratch
mount -t tmpfs -o size=90%,mpol=bind:1 scratch /srv/scratch
free=$(awk '/MemFree/ { print int($4 / 1024) }' /sys/devices/system/node/node1/meminfo)
dd if=/dev/zero of=/srv/scratch/files bs=1M count=$((free - 100)) 2>/dev/null
virsh -q dumpxml --inactive web | sed -e 's,98304,524288,' \
    -e "s,<os>,<memoryBacking><locked/></memoryBacking><numatune><memory mode='strict' nodeset='1'/></numatune><os>," >/root/strict.xml
virsh -q define /root/strict.xml
virsh -q start web 2>&1 || true
