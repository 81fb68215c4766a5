dd if=/dev/zero of=/dev/vg0/full bs=1M count=1 seek=600 oflag=direct
