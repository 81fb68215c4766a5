# Begins a libvirt daemon that a test in a mount namespace of its own has to itself; `$daemon` is its process.
mount -t tmpfs none /run
mkdir -p /run/libvirt /run/lock /run/etc
[ -L /var/run ] || mount --bind /run /var/run
for folder in lib cache log; do
    mkdir -p /run/$folder /var/$folder/libvirt
    mount --bind /run/$folder /var/$folder/libvirt
done
printf '%s\n' 'stdio_handler = "file"' 'user = "root"' 'group = "root"' 'security_driver = "none"' \
    'cgroup_controllers = []' 'namespaces = []' > /run/etc/qemu.conf
mkdir -p /etc/libvirt
mount --bind /run/etc /etc/libvirt
begin_daemon() {
    rm -f /run/libvirtd.pid /run/libvirt/libvirtd.pid
    libvirtd --timeout 120 >/run/daemon.log 2>&1 &
    daemon=$!
    for _ in $(seq 600); do virsh -c qemu:///system uri >/dev/null 2>&1 && break; sleep 0.1; done
}
begin_daemon
exec 2>&1
