# A jail of an earlier run was not taken away, and the next microVM has its name.
useradd --system --groups kvm fc
root=/srv/jailer/firecracker/web/root
mkdir -p $root
echo 4711 >$root/firecracker.pid
cat >$root/vm.json <<END
{
  "boot-source": {"kernel_image_path": "/vmlinuz", "boot_args": "console=ttyS0 reboot=k panic=1"},
  "drives": [],
  "machine-config": {"vcpu_count": 1, "mem_size_mib": 128}
}
END
cp "/boot/vmlinuz-$(uname -r)" $root/vmlinuz
jailer --id web --exec-file /usr/local/bin/firecracker --uid "$(id -u fc)" --gid "$(getent group kvm | cut -d : -f 3)" \
    -- --no-api --config-file /vm.json 2>&1 | grep -i error | tail -n 1
