# The module was taken out by hand, and nobody put it back.
modprobe -r kvm_amd
virsh -q start web 2>&1 || true
