# A hardening script has closed all device nodes that it did not know.
chown root:root /dev/kvm
chmod 0600 /dev/kvm
virsh -q start web 2>&1 || true
