# nodes: 2
# A machine of libvirt's counts the seconds on the lab's first node. It is moved to the second one while it runs, over ssh and
# with its disk copied, and back. It counts on through both moves, from where it was and without a boot, and what it has
# written lies on the disk of the node that it ends on.
here=$(hostname)
other=${here%-1}-2
to() { ssh -o BatchMode=yes "$other" "$@"; }
to true
test "$(to hostname)" = "$other"

# A guest of the lab's own kernel with klibc's shell, and what drives its disk.
guest=/root/guest
mkdir -p $guest/bin $guest/dev $guest/proc $guest/lib
cp /usr/lib/klibc/bin/* $guest/bin/
cp /lib/klibc-*.so $guest/lib/
for module in virtio_pci virtio_blk; do
    modprobe --show-depends "$module" | sed -n 's/^insmod //p'
done | awk '!seen[$1]++ { print $1 }' >/root/modules
: >$guest/modules
while read -r file; do
    cp "$file" $guest/
    echo "/${file##*/}" >>$guest/modules
done </root/modules
cat >$guest/init <<'END'
#!/bin/sh
export PATH=/bin
mount -t devtmpfs none /dev
while read -r module; do insmod "$module"; done </modules
echo "COUNT-BOOT"
count=0
while true; do
    count=$((count + 1))
    echo "COUNT $count"
    echo "COUNT $count" >/dev/vda
    sync
    sleep 1
done
END
chmod 755 $guest/init
ln -sf bin/sh $guest/sh
(cd $guest && find . | cpio -o -H newc --quiet | gzip -1) >/var/lib/libvirt/images/count.img
cp "/boot/vmlinuz-$(uname -r)" /var/lib/libvirt/images/count-kernel
disk=/var/lib/libvirt/images/count.qcow2
qemu-img create -q -f qcow2 $disk 16M
scp -q /var/lib/libvirt/images/count.img /var/lib/libvirt/images/count-kernel "$other:/var/lib/libvirt/images/"
cat >/root/count.xml <<END
<domain type='kvm'>
  <name>count</name>
  <memory unit='MiB'>192</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>/var/lib/libvirt/images/count-kernel</kernel>
    <initrd>/var/lib/libvirt/images/count.img</initrd>
    <cmdline>console=ttyS0 no_timer_check tsc=reliable quiet panic=-1</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='host-passthrough'/>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none'/>
      <source file='$disk'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <serial type='file'><source path='/var/log/libvirt/qemu/count-console.log'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
END
log=/var/log/libvirt/qemu/count-console.log
last() { grep -a '^COUNT [0-9]' | tail -n 1 | tr -dc 0-9; }
first() { grep -a '^COUNT [0-9]' | head -n 1 | tr -dc 0-9; }
virsh -q define /root/count.xml
virsh -q start count
for second in $(seq 1 180); do
    test "$(last <$log)" -ge 3 2>/dev/null && break
    sleep 1
done
test "$(grep -ac COUNT-BOOT $log)" = 1
echo "counting on $here: $(last <$log)"

moves() {
    begin=$(date +%s)
    "$@" virsh -q migrate --live --persistent --undefinesource --copy-storage-all count "qemu+ssh://$target/system"
    echo "moved to $target in $(($(date +%s) - begin)) s"
}
# Where it goes, there is a disk of its size and nothing on it.
to qemu-img create -q -f qcow2 $disk 16M
target=$other
moves
test "$(to virsh domstate count)" = running
for second in $(seq 1 60); do
    to test -s $log && break
    sleep 1
done
sleep 3
left=$(last <$log) came=$(to cat $log | first)
echo "counted $left on $here, went on with $came on $other"
test "$came" -gt "$left" && test "$came" -le $((left + 2))
test "$(to grep -ac COUNT-BOOT $log || true)" = 0

# And back, to another such disk.
rm $disk $log
qemu-img create -q -f qcow2 $disk 16M
target=$here
moves to
test "$(virsh domstate count)" = running
sleep 3
left=$(to cat $log | last) came=$(first <$log)
echo "counted $left on $other, went on with $came on $here"
test "$came" -gt "$left" && test "$came" -le $((left + 2))
test "$(grep -ac COUNT-BOOT $log || true)" = 0
sleep 2
virsh -q destroy count
qemu-img convert -O raw $disk /root/count.raw
written=$(head -c 32 /root/count.raw | head -n 1 | tr -dc 0-9)
echo "the disk says $written, the console $(last <$log)"
test "$written" -gt "$came" && test "$written" -ge "$(($(last <$log) - 1))"
