virsh -q start web
virsh -q migrate --live web qemu:///system 2>&1 || true
