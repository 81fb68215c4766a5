mkdir -p /srv/pool
virsh -q pool-define-as data dir --target /srv/pool
virsh -q pool-start data
virsh -q vol-create-as data second.qcow2 16M --format qcow2
virsh -q dumpxml --inactive web | sed "s,<interface type='network'>,<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/><source pool='data' volume='second.qcow2'/><target dev='vdb' bus='virtio'/></disk>&," >/root/volume.xml
virsh -q define /root/volume.xml
virsh -q pool-destroy data
virsh -q start web 2>&1 || true
