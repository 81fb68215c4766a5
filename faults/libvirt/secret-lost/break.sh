qemu-img create -q -f luks --object secret,id=key,data=passphrase -o key-secret=key,iter-time=10 /var/lib/libvirt/images/vault.luks 16M
virsh -q dumpxml --inactive web | sed -e "s,<interface type='network'>,<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/var/lib/libvirt/images/vault.luks'><encryption format='luks'><secret type='passphrase' uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/></encryption></source><target dev='vdb' bus='virtio'/></disk>&," >/root/vault.xml
virsh -q define /root/vault.xml
virsh -q start web 2>&1 || true
