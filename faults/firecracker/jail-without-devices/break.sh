# The jails lie on a file system that is mounted without device nodes.
mkdir -p /srv/jails
mount -t tmpfs -o nodev,mode=755 jails /srv/jails
useradd --system --groups kvm fc
jailer --id web --exec-file /usr/local/bin/firecracker --uid "$(id -u fc)" --gid "$(getent group kvm | cut -d : -f 3)" \
    --chroot-base-dir /srv/jails -- --no-api --config-file /vm.json 2>&1 | tail -n 3 || true
cat >/srv/jails/firecracker/web/root/vm.json <<END
{
  "boot-source": {"kernel_image_path": "/vmlinuz", "boot_args": "console=ttyS0 reboot=k panic=1"},
  "drives": [],
  "machine-config": {"vcpu_count": 1, "mem_size_mib": 128}
}
END
cp "/boot/vmlinuz-$(uname -r)" /srv/jails/firecracker/web/root/vmlinuz
rm -rf /srv/jails/firecracker/web/root/dev
echo "jailer --id web --exec-file /usr/local/bin/firecracker --chroot-base-dir /srv/jails -- --no-api --config-file /vm.json"
jailer --id web --exec-file /usr/local/bin/firecracker --uid "$(id -u fc)" --gid "$(getent group kvm | cut -d : -f 3)" \
    --chroot-base-dir /srv/jails -- --no-api --config-file /vm.json 2>&1 | grep -i error | tail -n 1
