echo 'net.ipv4.ip_forward = 0' >/etc/sysctl.d/99-hardening.conf
sysctl -q net.ipv4.ip_forward=0
virsh -q start web
