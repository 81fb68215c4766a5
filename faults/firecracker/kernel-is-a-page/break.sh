# The download of a kernel has brought the page of an error, and nobody has looked.
mkdir -p /srv/fc
printf '<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>NoSuchKey</body></html>\n' >/srv/fc/vmlinux
cat >/srv/fc/vm.json <<END
{
  "boot-source": {"kernel_image_path": "/srv/fc/vmlinux", "boot_args": "console=ttyS0 reboot=k panic=1"},
  "drives": [],
  "machine-config": {"vcpu_count": 1, "mem_size_mib": 128}
}
END
firecracker --no-api --config-file /srv/fc/vm.json 2>&1 | grep -i error | grep -v 'exiting with error' | tail -n 1
