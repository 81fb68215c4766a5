# Makes a lab that has just begun one node of several: $name, $number, $machine, its identity, and $hosts, who is who. All of
# them began in the same memory, so what tells two hosts apart is set here.
set -eu
export LC_ALL=C
echo "$name" >/proc/sys/kernel/hostname
echo "$name" >/etc/hostname
printf '%s' "$hosts" >/etc/hosts

# Who has read the old identity starts anew: systemd, its journal, which has a folder of that name, and its network, which names
# itself by it. The bus keeps it in its memory until the next boot; the file is for all others, its own is a link to it.
old=$(cat /etc/machine-id)
echo "$machine" >/etc/machine-id
for journal in /var/log/journal /run/log/journal; do
    [ ! -d "$journal/$old" ] || mv "$journal/$old" "$journal/$machine"
done
systemctl daemon-reexec
systemctl restart systemd-journald

# The NIC's own address is the same in all nodes.
cat >/etc/systemd/network/15-nodes.network <<END
[Match]
PermanentMACAddress=52:54:00:1a:b0:10

[Link]
MACAddress=52:54:00:1a:b1:0$number

[Network]
Address=10.30.0.$number/24
LinkLocalAddressing=no
IPv6AcceptRA=no
END
systemctl restart systemd-networkd

# libvirt moves nothing to a host that has its own identity.
sed -i '/^host_uuid/d' /etc/libvirt/libvirtd.conf
echo "host_uuid = \"6c616200-0000-4000-8000-00000000000$number\"" >>/etc/libvirt/libvirtd.conf
systemctl restart libvirtd
systemctl start ssh

for second in $(seq 1 60); do
    ip -4 -o address show | grep -q "10\.30\.0\.$number/" && exit 0
    sleep 1
done
echo "the NIC has no address after 60 s" >&2
exit 1
