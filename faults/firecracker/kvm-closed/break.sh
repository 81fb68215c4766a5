# Firecracker runs as a user of the group kvm. A hardening script has closed the device.
useradd --system --groups kvm fc
mkdir -p /srv/fc
cat >/srv/fc/vm.json <<END
{
  "boot-source": {"kernel_image_path": "/boot/vmlinuz-$(uname -r)", "boot_args": "console=ttyS0 reboot=k panic=1"},
  "drives": [],
  "machine-config": {"vcpu_count": 1, "mem_size_mib": 128}
}
END
chown root:root /dev/kvm
chmod 0600 /dev/kvm
runuser -u fc -- firecracker --no-api --config-file /srv/fc/vm.json 2>&1 | grep -i error | grep -v 'exiting with error' | tail -n 1
