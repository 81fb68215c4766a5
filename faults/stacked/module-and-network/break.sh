modprobe -r kvm_amd
virsh -q net-destroy default
virsh -q start web 2>&1 || true
