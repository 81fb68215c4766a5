virsh -q start web
dd if=/dev/zero of=/var/lib/libvirt/images/old-backup.img bs=1M 2>/dev/null || true
