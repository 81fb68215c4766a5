# The mark that QEMU leaves in an image whose tables it found broken.
printf '\0\0\0\0\0\0\0\2' | dd of=/var/lib/libvirt/images/web.qcow2 bs=1 seek=72 conv=notrunc 2>/dev/null
virsh -q start web 2>&1 || true
