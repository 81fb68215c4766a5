virsh -q dumpxml --inactive web | sed "s,</type>,</type><loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.gone.fd</loader><nvram>/var/lib/libvirt/qemu/nvram/web.fd</nvram>," >/root/efi.xml
virsh -q define /root/efi.xml
cp /usr/share/OVMF/OVMF_VARS_4M.fd /var/lib/libvirt/qemu/nvram/web.fd
systemctl stop libvirtd
sed -i "s/machine='[^']*'/machine='pc-q35-9.2'/" /etc/libvirt/qemu/web.xml
systemctl start libvirtd
virsh -q start web 2>&1 || true
