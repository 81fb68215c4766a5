mkdir /srv/golden
mv /var/lib/libvirt/images/base.qcow2 /srv/golden/
virsh -q start web 2>&1 || true
