virsh -q net-destroy default
virsh -q net-autostart default --disable
virsh -q start web 2>&1 || true
