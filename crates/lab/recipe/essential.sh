#!/bin/sh
# Before the kernel is installed: an initramfs of what a lab boots from and nothing else, because under TCG each megabyte
# that is unpacked takes its time.
set -eu
root=$1
mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/etc/initramfs-tools/hooks"
printf 'MODULES=list\nCOMPRESS=zstd\n' >"$root/etc/initramfs-tools/conf.d/lab"
cat >"$root/etc/initramfs-tools/hooks/lab" <<'END'
#!/bin/sh
case "${1:-}" in prereqs) exit 0 ;; esac
. /usr/share/initramfs-tools/hook-functions
manual_add_modules virtio_pci virtio_blk ext4
END
chmod 755 "$root/etc/initramfs-tools/hooks/lab"
