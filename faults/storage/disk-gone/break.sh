rm /var/lib/libvirt/images/web.qcow2
virsh -q start web 2>&1 || true
