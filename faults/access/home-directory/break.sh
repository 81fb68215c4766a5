mkdir -p -m 0700 /home/anna
mv /var/lib/libvirt/images/base.qcow2 /var/lib/libvirt/images/web.qcow2 /home/anna/
virsh -q dumpxml --inactive web | sed 's,/var/lib/libvirt/images/web.qcow2,/home/anna/web.qcow2,' >/root/moved.xml
virsh -q define /root/moved.xml
virsh -q start web 2>&1 || true
