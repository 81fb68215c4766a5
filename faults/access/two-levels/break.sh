mkdir -p -m 0750 /srv/store
mkdir -m 0700 /srv/store/vms
chmod 0700 /srv/store
mv /var/lib/libvirt/images/base.qcow2 /var/lib/libvirt/images/web.qcow2 /srv/store/vms/
virsh -q dumpxml --inactive web | sed 's,/var/lib/libvirt/images/web.qcow2,/srv/store/vms/web.qcow2,' >/root/moved.xml
virsh -q define /root/moved.xml
virsh -q start web 2>&1 || true
