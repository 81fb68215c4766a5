# A virtual function is made and given to a machine by plans of vmwright's. The machine boots with it under the lab's KVM,
# asks for an address through it, and its driver's counters in the guest tell what came. A review sees the function in the
# guest with its driver, and fails where the guest has none. Taken back, the function is the host's again.
state=/var/lib/vmwright
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

physical=$(basename "$(dirname "$(ls /sys/bus/pci/devices/*/sriov_totalvfs | head -n 1)")")
# A function that is used: its virtual functions have a link only while it is up.
ip link set "$(ls "/sys/bus/pci/devices/$physical/net")" up
plan sriov "$physical" --vfs 2
function=$(basename "$(readlink "/sys/bus/pci/devices/$physical/virtfn0")")
udevadm settle
before=$(driver "$function")
echo "function $function of $physical, driver ${before:-none}"

# A guest of the lab's own kernel: klibc's DHCP client, the driver of the function, and a shell at the console with what a
# review asks it for.
guest=/root/guest
mkdir -p $guest/bin $guest/proc $guest/sys $guest/dev $guest/tmp
cp /usr/lib/klibc/bin/* $guest/bin/
mkdir -p $guest/lib
cp /lib/klibc-*.so $guest/lib/
for program in dash setsid stty od head cat dd date ls uname base64 sleep grep readlink; do
    file=$(command -v $program)
    cp --remove-destination -L "$file" $guest/bin/
    ldd "$file" | grep -o '/[^ ]*'
done | sort -u | while read -r library; do
    mkdir -p "$guest$(dirname "$library")"
    cp -L "$library" "$guest$library"
done
find "/lib/modules/$(uname -r)" -name 'igbvf.ko*' -exec cp {} $guest/igbvf.ko \;
cat >$guest/init <<'END'
#!/bin/sh
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
if ! grep -q driverless /proc/cmdline; then
    insmod /igbvf.ko
    ipconfig -t 40 -c dhcp eth0
    for name in /sys/class/net/e*; do
        echo "PROOF ${name##*/} rx $(cat $name/statistics/rx_packets) tx $(cat $name/statistics/tx_packets)"
    done
fi
echo PROOF-END
while :; do setsid sh -c 'exec sh -i </dev/ttyS0 >/dev/ttyS0 2>&1'; done
END
chmod 755 $guest/init
ln -sf dash $guest/bin/sh
(cd $guest && find . | cpio -o -H newc --quiet | gzip -1) >/root/guest.img
cat >/root/pt.toml <<END
name = "pt"
accelerator = "kvm"
agent = false

[cpu]
model = "host"

[memory]
size = "256MiB"

[boot]
kernel = "/boot/vmlinuz-$(uname -r)"
initrd = "/root/guest.img"
cmdline = "console=ttyS0 no_timer_check quiet panic=-1"
END
vmwright vm create /root/pt.toml >/dev/null
plan passthrough pt "$function"
echo "plan: $(python3 -c 'import json; print("; ".join(step["why"] for step in json.load(open("/root/plan.json"))["plan"]["steps"]))')"
test "$(driver "$function")" = vfio-pci
booted() {
    vmwright vm start pt >/dev/null
    for second in $(seq 1 240); do
        grep -q PROOF-END "$state"/machines/pt/serial.log 2>/dev/null && break
        sleep 1
    done
    grep -a PROOF "$state"/machines/pt/serial.log
}
reviewed() { # VERDICT WORDS: what gate devices says of the function. Of what else the guest lacks nothing is asked here
    vmwright review pt --guest console --gates devices --format json >/root/review.json || true
    python3 - "$function" "$@" <<'END'
import json, sys
function, verdict, words = sys.argv[1:]
[gate] = json.load(open("/root/review.json"))["review"]["gates"]
[check] = [check for check in gate["checks"] if check["name"] == "host devices"]
[row] = [row for row in gate["tables"][0]["rows"] if row[0].startswith(f"host device {function}")]
print(f"gate devices: {check['verdict']} {check.get('why', '')} {row}")
assert check["verdict"] == verdict and words in check.get("why", "") + row[3], gate
END
}
booted
grep -aq 'PROOF e[a-z0-9]* rx [1-9][0-9]* tx [1-9]' "$state"/machines/pt/serial.log
reviewed pass igbvf
vmwright vm stop --force pt >/dev/null
# The same guest, which loads no driver for it.
sed -i 's/panic=-1/& driverless/' "$state"/machines/pt/machine.toml
booted
reviewed fail 'no driver of the guest took it'
vmwright vm stop --force pt >/dev/null
sed -i 's/ driverless//' "$state"/machines/pt/machine.toml
vmwright undo "$run" >/dev/null
udevadm settle
echo "back with ${before:-no driver}: $(driver "$function")"
test "$(driver "$function")" = "$before"
