# Somebody keeps machines from what is theirs, and has forgotten it.
mkdir -p /etc/apparmor.d/local/abstractions
echo 'audit deny /var/lib/libvirt/images/** rwk,' >>/etc/apparmor.d/local/abstractions/libvirt-qemu
virsh -q start web 2>&1 || true
