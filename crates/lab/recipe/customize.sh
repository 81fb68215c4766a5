#!/bin/sh
# Makes a lab of a fresh Debian: $1 is the root of its tree. Run by mmdebstrap after the packages are there.
set -eu
root=$1

echo lab >"$root/etc/hostname"
printf '127.0.0.1 localhost lab\n' >"$root/etc/hosts"
echo 'LABEL=lab-root / ext4 noatime 0 1' >"$root/etc/fstab"
chroot "$root" passwd -d root >/dev/null
# A host has its identity from its first boot on: two labs from one image share what is kept of that boot.
: >"$root/etc/machine-id"

# The lab's own way out: QEMU's user-mode network, which is closed to everything but DHCP.
cat >"$root/etc/systemd/network/20-uplink.network" <<'END'
[Match]
Driver=virtio_net

[Network]
DHCP=ipv4
END
# A bridge for machines, as an administrator makes one.
cat >"$root/etc/systemd/network/10-br0.netdev" <<'END'
[NetDev]
Name=br0
Kind=bridge
END
cat >"$root/etc/systemd/network/10-br0.network" <<'END'
[Match]
Name=br0

[Network]
Address=10.20.0.1/24
ConfigureWithoutCarrier=yes
LinkLocalAddressing=no
END
chroot "$root" systemctl -q enable systemd-networkd

# Nothing that runs by the clock: a lab that was restored would do it at once, in the middle of a test.
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer \
    systemd-networkd-wait-online.service e2scrub_reap.service systemd-tmpfiles-clean.timer; do
    chroot "$root" systemctl -q mask "$unit" 2>/dev/null || true
done
# The daemon stays: one that ends when nobody has asked for two minutes makes every measurement another.
echo 'LIBVIRTD_ARGS=""' >"$root/etc/default/libvirtd"
chroot "$root" systemctl -q enable libvirtd 2>/dev/null || true

# Nodes trust each other: the key is this image's own, and no lab has a way out. Their servers start where there are nodes.
mkdir -p "$root/root/.ssh"
chmod 700 "$root/root/.ssh"
chroot "$root" ssh-keygen -q -t ed25519 -N '' -C lab -f /root/.ssh/id_ed25519
cp "$root/root/.ssh/id_ed25519.pub" "$root/root/.ssh/authorized_keys"
printf '* %s\n' "$(cut -d ' ' -f 1,2 "$root/etc/ssh/ssh_host_ed25519_key.pub")" >"$root/root/.ssh/known_hosts"
chroot "$root" systemctl -q disable ssh 2>/dev/null || true

# The boot loader as grub-pc would have set it up; it writes to the serial port, which the lab keeps as its log.
# On a busy machine QEMU's translator is too slow for two checks: the kernel would stop at that of the timer, and by that of
# the TSC it would fall back to the HPET, which is slower still.
cat >"$root/etc/default/grub" <<'END'
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console=ttyS0 no_timer_check tsc=reliable intel_iommu=on iommu=pt"
GRUB_TERMINAL=serial
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
GRUB_DISABLE_OS_PROBER=true
END
mkdir -p "$root/boot/grub"
cp -r "$root/usr/lib/grub/i386-pc" "$root/boot/grub/"
chroot "$root" grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o /boot/grub/core.img \
    biosdisk part_msdos ext2 normal search search_label linux serial terminal configfile echo test
chroot "$root" grub-editenv /boot/grub/grubenv create
kernel=$(basename "$root"/boot/vmlinuz-*)
# For the first boot; from then on `update-grub` writes it.
cat >"$root/boot/grub/grub.cfg" <<END
serial --unit=0 --speed=115200
terminal_output serial
search --no-floppy --label lab-root --set=root
linux /boot/$kernel root=LABEL=lab-root ro console=ttyS0 no_timer_check tsc=reliable intel_iommu=on iommu=pt
initrd /boot/initrd.img-${kernel#vmlinuz-}
boot
END
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
