# A virtual function comes into a running domain of libvirt's by a plan, and goes again when the run is taken back. While the
# guest does not let go of it, who holds it is named, nobody waits in the kernel, and the run can be taken back later.
# Where libvirt's QEMU may read.
images=/var/lib/libvirt/images
plan() {
    vmwright plan "$@" --format json >/root/plan.json
    id=$(python3 -c 'import json; print(json.load(open("/root/plan.json"))["id"])')
    vmwright approve "$id" --key /root/key --principal bench@vmwright --valid-for 1h >/dev/null
    vmwright apply "$id" --format json >/root/run.json || { cat /root/run.json; exit 1; }
    run=$(python3 -c 'import json; print(json.load(open("/root/run.json"))["run"])')
    # A step that could cut the user off waits for this word.
    vmwright confirm "$run" >/dev/null 2>&1 || true
}
driver() { basename "$(readlink "/sys/bus/pci/devices/$1/driver" 2>/dev/null)"; }
plugged() { virsh -q dumpxml hot | grep -c '<hostdev' || true; }
# Waits for a word of the guest's.
until_said() {
    for second in $(seq 1 240); do
        grep -aq "$1" $images/hot.log 2>/dev/null && return
        sleep 1
    done
    echo "the guest never said $1"
    exit 1
}

physical=$(basename "$(dirname "$(ls /sys/bus/pci/devices/*/sriov_totalvfs | head -n 1)")")
ip link set "$(ls "/sys/bus/pci/devices/$physical/net")" up
plan sriov "$physical" --vfs 2
function=$(basename "$(readlink "/sys/bus/pci/devices/$physical/virtfn0")")
udevadm settle
before=$(driver "$function")

# A guest of the lab's own kernel that tells which functions it sees.
guest=/root/guest
mkdir -p $guest/bin $guest/proc $guest/sys $guest/dev $guest/lib
cp /usr/lib/klibc/bin/* $guest/bin/
cp /lib/klibc-*.so $guest/lib/
cat >$guest/init <<'END_OF_INIT'
#!/bin/sh
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
echo PROOF-READY
had=
while true; do
    has=
    for one in /sys/bus/pci/devices/*; do
        read vendor <$one/vendor
        read device <$one/device
        # A virtual function of igb's.
        test "$vendor $device" = "0x8086 0x10ca" && has=yes
    done
    if test "$has" != "$had"; then
        test -n "$has" && echo PROOF-CAME || echo PROOF-WENT
        had=$has
    fi
    sleep 1
done
END_OF_INIT
chmod 755 $guest/init
(cd $guest && find . | cpio -o -H newc --quiet | gzip -1) >$images/hot.img
cat >/root/hot.xml <<END_OF_XML
<domain type='kvm'>
  <name>hot</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>/boot/vmlinuz-$(uname -r)</kernel>
    <initrd>$images/hot.img</initrd>
    <cmdline>console=ttyS0 no_timer_check quiet panic=-1</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='host-passthrough'/>
  <devices>
    <serial type='file'><source path='$images/hot.log'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
END_OF_XML
virsh -q define /root/hot.xml
virsh -q start hot
until_said PROOF-READY

plan passthrough hot "$function"
until_said PROOF-CAME
echo "came: driver $(driver "$function"), $(plugged) in the domain"
test "$(driver "$function")" = vfio-pci && test "$(plugged)" = 1

# A guest that stands still does not let go.
virsh -q suspend hot
status=0
timeout 300 vmwright undo "$run" >/root/held.txt 2>&1 || status=$?
echo "held: status $status: $(grep -ao 'in use by [^;,]*' /root/held.txt | head -n 1)"
test "$status" = 6 && grep -aq "in use by qemu-system-x86 (pid $(cat /run/libvirt/qemu/hot.pid))" /root/held.txt
test "$(driver "$function")" = vfio-pci
# Nobody is left who waits in the kernel.
test -z "$(ps -eo stat=,comm= | grep '^D.*vmwright' || true)"

virsh -q resume hot
until_said PROOF-WENT
vmwright undo "$run" >/root/undone.txt 2>&1 || { cat /root/undone.txt; exit 1; }
udevadm settle
echo "back: driver $(driver "$function"), $(plugged) in the domain"
test "$(driver "$function")" = "$before" && test "$(plugged)" = 0
test -z "$(virsh -q dumpxml --inactive hot | grep '<hostdev' || true)"
virsh -q destroy hot
virsh -q undefine hot
