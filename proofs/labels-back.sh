# Labels that were switched off come back by a plan: libvirt's own in qemu.conf, whose other bytes stay, while a machine runs on,
# and those of a domain that goes without. Each is seen on the process, and taken back the file is as it was, byte for byte.
plan() {
    vmwright plan "$@" --format json >/root/plan.json
    id=$(python3 -c 'import json; print(json.load(open("/root/plan.json"))["id"])')
    vmwright preview "$id" >/root/preview.txt
    vmwright approve "$id" --key /root/key --principal bench@vmwright --valid-for 1h >/dev/null
    vmwright apply "$id" --format json >/root/run.json || { cat /root/run.json; exit 1; }
    run=$(python3 -c 'import json; print(json.load(open("/root/run.json"))["run"])')
    vmwright confirm "$run" >/dev/null 2>&1 || true
}
label() { tr -d '\0' <"/proc/$(cat "/run/libvirt/qemu/$1.pid")/attr/current"; }
# On a busy host libvirt sees the end of QEMU before its own call has come to it, and says that there is nothing to end.
destroy() { virsh -q destroy "$1" || test "$(virsh domstate "$1")" = "shut off"; }
domain() {
    cat >"/root/$1.xml" <<END
<domain type='kvm'>
  <name>$1</name>
  <memory unit='MiB'>96</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>/var/lib/libvirt/images/labelled-kernel</kernel>
    <cmdline>console=ttyS0 panic=0</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <devices><memballoon model='none'/></devices>
  $2
</domain>
END
    virsh -q define "/root/$1.xml"
}
conf=/etc/libvirt/qemu.conf

test "$(cat /sys/module/apparmor/parameters/enabled)" = Y
cp "/boot/vmlinuz-$(uname -r)" /var/lib/libvirt/images/labelled-kernel
cp -p $conf /root/qemu.conf.own
printf 'security_driver = "none" # it was in the way\n' >>$conf
cp -p $conf /root/qemu.conf.before
systemctl restart libvirtd
domain runs ""
domain open "<seclabel type='none'/>"
virsh -q start runs
test "$(label runs)" = unconfined
before=$(cat /run/libvirt/qemu/runs.pid)

plan harden
grep 'writes `apparmor` for `none` (`security_driver`)' /root/preview.txt
grep 'VMs that run on as they are: runs;' /root/preview.txt
# libvirt wrote `model='none'` into it while it gave no labels, with which it would not start any more.
grep "takes <seclabel type='none' model='none'/> out of" /root/preview.txt
host_run=$run
test "$(tail -n 1 $conf)" = 'security_driver = "apparmor" # it was in the way'
test "$(systemctl is-active libvirtd)" = active
# What ran goes on as it was, and has its label from its next start.
test "$(cat /run/libvirt/qemu/runs.pid)" = "$before"
test "$(label runs)" = unconfined
destroy runs
virsh -q start runs
echo "label: $(label runs)"
test "$(label runs)" = "libvirt-$(virsh domuuid runs | tr -d '[:space:]') (enforce)"
virsh -q start open
test "$(label open)" = "libvirt-$(virsh domuuid open | tr -d '[:space:]') (enforce)"
destroy open

# A domain that goes without, made while there are labels.
domain bare "<seclabel type='none'/>"
virsh -q start bare
test "$(label bare)" = unconfined
plan harden bare
grep "takes <seclabel type='none'" /root/preview.txt
bare_run=$run
test "$(label bare)" = unconfined
destroy bare
virsh -q start bare
echo "label: $(label bare)"
test "$(label bare)" = "libvirt-$(virsh domuuid bare | tr -d '[:space:]') (enforce)"
destroy bare

# A profile that only complains.
profile="/etc/apparmor.d/libvirt/libvirt-$(virsh domuuid bare | tr -d '[:space:]')"
sed -i 's/flags=(/flags=(complain,/' "$profile"
cp -p "$profile" /root/profile.before
virsh -q start bare
test "$(label bare)" = "$(basename "$profile") (complain)"
destroy bare
plan harden bare
virsh -q start bare
test "$(label bare)" = "$(basename "$profile") (enforce)"
destroy bare
vmwright undo "$run" >/dev/null
cmp "$profile" /root/profile.before

vmwright undo "$bare_run" >/dev/null
virsh dumpxml bare | grep "<seclabel type='none'"
vmwright undo "$host_run" >/dev/null
cmp $conf /root/qemu.conf.before
test "$(systemctl is-active libvirtd)" = active
destroy runs
virsh -q start runs
virsh -q dumpxml open | grep "<seclabel type='none'"
test "$(label runs)" = unconfined
echo "taken back: $(label runs)"
for name in runs open bare; do
    virsh -q destroy $name 2>/dev/null || true
    virsh -q undefine $name
done
cp -p /root/qemu.conf.own $conf
systemctl restart libvirtd
