# A domain that is tuned for latency has its CPU for itself: the interrupt of the card below its bridge, and those that are set up
# later, come to another one. Taken back, all is as it was.
plan() {
    vmwright plan "$@" --format json >/root/plan.json
    id=$(python3 -c 'import json; print(json.load(open("/root/plan.json"))["id"])')
    vmwright preview "$id" >/root/preview.txt
    vmwright approve "$id" --key /root/key --principal bench@vmwright --valid-for 1h >/dev/null
    vmwright apply "$id" --format json >/root/run.json || { cat /root/run.json; exit 1; }
    run=$(python3 -c 'import json; print(json.load(open("/root/run.json"))["run"])')
    vmwright confirm "$run" >/dev/null 2>&1 || true
}
test ! -e /sys/fs/cgroup/system.slice/irqbalance.service/cgroup.procs
card=
for link in /sys/class/net/*; do
    case "$(readlink "$link/device/driver")" in */e1000) card=${link##*/} ;; esac
done
test -n "$card"
ip link set "$card" master br0 up
irq=$(awk -v card="$card" '$NF == card { sub(":", "", $1); print $1 }' /proc/interrupts)
allowed() { cat "/proc/irq/$irq/smp_affinity_list"; }
mask() { cat /proc/irq/default_smp_affinity; }
echo "card $card, interrupt $irq on $(allowed), later ones on mask $(mask)"
before="$(allowed) $(mask)"
cat >/root/quick.xml <<END
<domain type='kvm'>
  <name>quick</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <interface type='bridge'><source bridge='br0'/><model type='virtio'/></interface>
  </devices>
</domain>
END
virsh -q define /root/quick.xml
plan tune quick --for latency
grep "interrupt" /root/preview.txt
own=$(virsh -q vcpupin quick | awk '{ print $2 }')
echo "the domain has CPU $own; interrupt $irq on $(allowed), later ones on mask $(mask)"
test -n "$own"
test "$(allowed)" != "$own"
test $((0x$(mask) >> own & 1)) = 0
# What is kept for the next boot does the same.
after=$(mask)
echo "${before#* }" >/proc/irq/default_smp_affinity
systemd-tmpfiles --create /etc/tmpfiles.d/90-vmwright-interrupts.conf
test "$(mask)" = "$after"
# Interrupts that the kernel places itself are told by its refusal.
managed=$(awk '$NF ~ /^nvme[0-9]+q[1-9]/ { sub(":", "", $1); print $1; exit }' /proc/interrupts)
test -n "$managed"
if echo 0 2>/dev/null >"/proc/irq/$managed/smp_affinity_list"; then exit 1; fi
vmwright undo "$run" >/dev/null
test "$(allowed) $(mask)" = "$before"
test ! -e /etc/tmpfiles.d/90-vmwright-interrupts.conf
echo "taken back: interrupt $irq on $(allowed), later ones on mask $(mask)"
virsh -q undefine quick
ip link set "$card" nomaster
