virsh -q dumpxml --inactive web | sed "s/machine='[^']*'/machine='pc-q35-9.2'/" >/root/newer.xml
virsh -q define --validate /root/newer.xml 2>&1 || true
# libvirt refuses it by itself, so it came by the file.
systemctl stop libvirtd
sed -i "s/machine='[^']*'/machine='pc-q35-9.2'/" /etc/libvirt/qemu/web.xml
systemctl start libvirtd
virsh -q start web 2>&1 || true
