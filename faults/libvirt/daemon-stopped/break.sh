systemctl -q disable --now libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd.service
