virsh -q start web
