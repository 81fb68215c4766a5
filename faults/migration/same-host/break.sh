virsh -q start web
virsh -q migrate --live --unsafe web qemu:///system 2>&1 || true
