# How the host stands: one fact a line, what it is about first. Two of these tell what a repair changed.
export LC_ALL=C
find /etc /boot -xdev -type f ! -path '/etc/vmwright/*' ! -path '/etc/lvm/archive/*' ! -path '/etc/lvm/backup/*' ! -path '/etc/apparmor.d/libvirt/*' \
    ! -path '/etc/openvswitch/conf.db' ! -name '.*.~lock~' -printf 'file %p %m %u:%g %s %T@\n'
find /srv /var/lib/libvirt/images -printf 'path %p %m %u:%g\n'
stat -c 'device %n %a %U:%G' /dev/kvm /dev/vfio/vfio 2>/dev/null
grep -H . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/* /proc/sys/net/ipv4/conf/default/* \
    /proc/sys/net/bridge/* /proc/sys/vm/nr_hugepages /proc/sys/vm/overcommit* /proc/sys/vm/max_map_count \
    /proc/sys/vm/swappiness /proc/sys/kernel/numa_* 2>/dev/null | sed -E 's,^/proc/sys/([^:]*):,sysctl \1 ,; s,/,.,g'
# A VM that runs brings its modules, the carrier of its bridge and its log's daemon with it.
lsmod | awk 'NR > 1 && $1 !~ /^(tap|tun|vhost|vhost_net|vhost_iotlb)$/ { print "module " $1 }'
# Few processes: under an emulator each takes its time.
grep -H . /sys/module/kvm*/parameters/* 2>/dev/null |
    sed -E 's,^/sys/module/([^/]*)/parameters/([^:]*):(.*),parameter \1 \2 \3,'
find /sys/bus/pci/devices/*/driver -maxdepth 0 -printf '%h %l\n' 2>/dev/null |
    sed -E 's,^/sys/bus/pci/devices/([^ ]*) .*/,driver \1 ,'
grep -H . /sys/bus/pci/devices/*/sriov_numvfs 2>/dev/null |
    sed -E 's,^/sys/bus/pci/devices/([^/]*)/sriov_numvfs:,sriov \1 ,'
ip -br link | awk '$1 !~ /^vnet/ { print "link " $1 " " ($NF ~ /[<,]UP[,>]/ ? "up" : "down") }'
ip -br address | awk '$1 !~ /^vnet/ { $2 = ""; print "address " $0 }'
iptables-save 2>/dev/null | grep -v '^#' | sed -e 's/\[[0-9:]*\]//' -e 's/^/firewall /'
names=$(virsh -q list --all --name 2>/dev/null)
virsh -q list --all 2>/dev/null | awk '{ print "vm " $2 " " $3 " " $4 }'
for name in $names; do
    echo "domain $name $(virsh -q dumpxml --inactive "$name" | sha256sum | cut -c 1-16)"
done
virsh -q net-list --all 2>/dev/null | awk '{ print "network " $1 " " $2 " " $3 }'
lvs --noheadings -o vg_name,lv_name,lv_size,lv_attr 2>/dev/null | awk '{ print "volume " $1 "/" $2 " " $3 " " $4 }'
ovs-vsctl -t 5 list-br 2>/dev/null | sed 's/^/ovs /'
systemctl list-units --plain --no-legend --type=service,socket --state=active |
    awk '$1 != "virtlogd.service" { print "service " $1 }'
find /etc/systemd/system -type l -printf 'unit %f %h\n'
echo "command-line $(cat /proc/cmdline)"
