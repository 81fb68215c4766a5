lvchange -q --errorwhenfull y vg0/pool
lvcreate -q -y -V 1G -T vg0/pool -n full >/dev/null 2>&1
dd if=/dev/urandom of=/dev/vg0/full bs=1M count=560 oflag=direct 2>/dev/null || true
