qemu-img create -q -f raw /var/lib/libvirt/images/raw.img 64M
virsh -q dumpxml --inactive web | sed -e "s,type='qcow2'/>,type='raw'/>," -e 's/web.qcow2/raw.img/' >/root/raw.xml
virsh -q define /root/raw.xml
virsh -q snapshot-create-as web before-upgrade 2>&1 || true
