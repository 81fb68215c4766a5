mkdir -m 0700 /srv/machines
mv /var/lib/libvirt/images/base.qcow2 /var/lib/libvirt/images/web.qcow2 /srv/machines/
virsh -q dumpxml --inactive web | sed 's,/var/lib/libvirt/images/web.qcow2,/srv/machines/web.qcow2,' >/root/moved.xml
virsh -q define /root/moved.xml
chown root:root /dev/kvm
chmod 0600 /dev/kvm
virsh -q start web 2>&1 || true
