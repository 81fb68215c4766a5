# A machine of libvirt's is held by the label that AppArmor has really put on it, and gate `isolation` tells so from the process
# itself: enforced it passes, only complaining it fails, and without one nothing passes for it.
test "$(cat /sys/module/apparmor/parameters/enabled)" = Y
cat >/root/labelled.xml <<END
<domain type='kvm'>
  <name>labelled</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>/var/lib/libvirt/images/labelled-kernel</kernel>
    <cmdline>console=ttyS0 panic=0</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <devices>
    <memballoon model='none'/>
  </devices>
</domain>
END
cp "/boot/vmlinuz-$(uname -r)" /var/lib/libvirt/images/labelled-kernel
virsh -q define /root/labelled.xml
virsh -q start labelled
pid=$(cat /run/libvirt/qemu/labelled.pid)
profile=libvirt-$(virsh domuuid labelled | tr -d '[:space:]')
label() { tr -d '\0' <"/proc/$pid/attr/current"; }
judged() { # VERDICT WORDS: what the gate says of the label
    vmwright review labelled --gates isolation --format json >/root/review.json || true
    python3 - "$@" <<'END'
import json, sys
[gate] = json.load(open("/root/review.json"))["review"]["gates"]
[check] = [check for check in gate["checks"] if check["name"] == "label"]
row = [row[1] for row in gate["tables"][0]["rows"] if row[0] == "label"]
print(f'label: {check["verdict"]} {check.get("why", "")} {row}')
verdict, words = sys.argv[1:]
assert check["verdict"] == verdict, gate
assert words in row[0] + check.get("why", ""), gate
END
}
test "$(label)" = "$profile (enforce)"
judged pass "$profile (enforce)"

# The profile only complains.
apparmor_parser --replace --Complain "/etc/apparmor.d/libvirt/$profile"
test "$(label)" = "$profile (complain)"
judged fail "the VMM's profile only complains: \`$profile (complain)\`"
virsh -q destroy labelled

# The same machine, which libvirt was told to give no label.
sed -i "s|</devices>|</devices><seclabel type='none'/>|" /root/labelled.xml
virsh -q undefine labelled
virsh -q define /root/labelled.xml
virsh -q start labelled
pid=$(cat /run/libvirt/qemu/labelled.pid)
test "$(label)" = unconfined
judged not-applicable "no label confines the VMM"
virsh -q destroy labelled
virsh -q undefine labelled
