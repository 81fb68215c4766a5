virsh -q start web
sysctl -q net.ipv4.ip_forward=0
