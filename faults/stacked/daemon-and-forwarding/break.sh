echo 'net.ipv4.ip_forward = 0' >/etc/sysctl.d/99-hardening.conf
sysctl -q net.ipv4.ip_forward=0
systemctl -q disable --now libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd.service
