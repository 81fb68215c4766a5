# Machines on $backend under the lab's KVM, without a network and without virtio-serial: their agents are reached by
# vsock. In one it is QEMU's own, as a user runs it there; in the other the project's. Programs run in both, files go in and
# out, a snapshot brings memory back, and the gates that ask the guest have their answers.
state=/var/lib/vmwright
release=$(uname -r)
# What guests and VMMs said last, where something is not as it should be.
trap 'test $? = 0 || tail -n 8 $state/machines/*/serial.log $state/machines/*/vmm.log 2>/dev/null' EXIT

# Firecracker starts no compressed kernel: where that lies in a vmlinuz is told by the boot protocol of x86 (`payload_offset`).
python3 - "/boot/vmlinuz-$release" /root/vmlinux <<'END'
import lzma, struct, subprocess, sys, zlib
image = open(sys.argv[1], "rb").read()
offset, length = struct.unpack_from("<II", image, 0x248)
packed = image[(image[0x1F1] + 1) * 512 + offset:][:length]
if packed.startswith(b"\xfd7zXZ"):
    kernel = lzma.LZMADecompressor().decompress(packed)
elif packed.startswith(b"\x28\xb5\x2f\xfd"):
    kernel = subprocess.run(["zstd", "-dcq"], input=packed, stdout=subprocess.PIPE).stdout
else:
    kernel = zlib.decompressobj(31).decompress(packed)
assert kernel.startswith(b"\x7fELF"), packed[:8]
open(sys.argv[2], "wb").write(kernel)
END

# What both guests have: the modules of the lab's kernel, each behind those that it needs.
guest=/root/guest
mkdir -p $guest/modules $guest/dev $guest/proc $guest/sys $guest/bin $guest/lib $guest/tmp
mknod $guest/dev/console c 5 1
for module in $transport virtio_blk virtio_rng vmw_vsock_virtio_transport; do
    modprobe --show-depends "$module"
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r file; do
    cp "$file" $guest/modules/
    basename "$file" >>$guest/modules/order
done
pack() { (cd $guest && find . | cpio -o -H newc --quiet | gzip -1) >"$1"; }
cp /usr/local/bin/vmwright-guest $guest/init
pack /root/own.img

# QEMU's agent, beside a shell at the console and what a shell is asked with; with their libraries.
cp /usr/lib/klibc/bin/* $guest/bin/
cp /lib/klibc-*.so $guest/lib/
for program in qemu-ga dash setsid stty od head cat dd date ls uname base64 sleep; do
    file=$(command -v $program)
    cp --remove-destination -L "$file" $guest/bin/
    ldd "$file" | grep -o '/[^ ]*'
done | sort -u | while read -r library; do
    mkdir -p "$guest$(dirname "$library")"
    cp -L "$library" "$guest$library"
done
ln -sf dash $guest/bin/sh
cat >$guest/init <<'END'
#!/bin/sh
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
mkdir -p /var/run /var/log /run
qemu-ga --method=vsock-listen --path=4294967295:1234 --pidfile=/run/qemu-ga.pid --daemonize
while :; do setsid sh -c 'exec sh -i </dev/ttyS0 >/dev/ttyS0 2>&1'; done
END
chmod 755 $guest/init
ln -sf bin/sh $guest/sh
pack /root/qemu.img

machine() { # NAME INITRD 'PROGRAM ARGUMENTS' [SECTIONS]; $more is for the kernel
    truncate -s 16M "/root/$1.raw"
    test -z "${4:-}" || chown nobody "/root/$1.raw"
    cat >"/root/$1.toml" <<END
name = "$1"
accelerator = "kvm"

[cpu]
model = "host"

[memory]
size = "192MiB"

[boot]
kernel = "/root/vmlinux"
initrd = "$2"
cmdline = "console=ttyS0 no_timer_check reboot=k panic=-1 quiet ${more:-}"

[[disk]]
path = "/root/$1.raw"
format = "raw"

[vsock]

[review]
overwrite = ["/root/$1.raw"]
${4:-}
END
    vmwright vm create --backend $backend "/root/$1.toml" >/dev/null
    vmwright vm start "$1" >/dev/null
    # An agent that comes up late is waited for.
    for try in 1 2 3 4 5 6; do
        vmwright vm exec "$1" -- $3 >/root/said 2>/root/why && return
    done
    cat /root/why
    tail -n 5 $state/machines/"$1"/serial.log
    return 1
}
copied() { # NAME: a file of 300 kB goes in and comes out
    head -c 300000 /dev/urandom >/root/in
    vmwright vm cp /root/in "$1:/tmp/copy" >/dev/null
    vmwright vm cp "$1:/tmp/copy" /root/out >/dev/null
    cmp /root/in /root/out
}
went_back() { # NAME: a snapshot brings the file back that was in memory
    vmwright vm snapshot "$1" one >/dev/null
    echo other >/root/other
    vmwright vm cp /root/other "$1:/tmp/copy" >/dev/null
    vmwright vm restore "$1" one >/dev/null
    vmwright vm cp "$1:/tmp/copy" /root/out >/dev/null
    cmp /root/in /root/out
}
judged() { # NAME [GATE]: what a review's gates say; this one may fail
    vmwright review "$1" --format json >/root/review.json || true
    python3 - "$@" <<'END'
import json, sys
gates = json.load(open("/root/review.json"))["review"]["gates"]
verdicts = {gate["name"]: gate["verdict"] for gate in gates}
failed = [name for name in verdicts if verdicts[name] == "fail"]
for name, verdict in verdicts.items():
    print(f"{sys.argv[1]}: gate {name}: {verdict}")
for name in {"boot", "devices", "cpu-flaws", "utilisation", "isolation"}.difference(sys.argv[2:]):
    assert verdicts[name] == "pass", (name, verdicts)
assert set(failed) <= set(sys.argv[2:]), verdicts
# Bytes went both ways by vsock.
[devices] = [gate for gate in gates if gate["name"] == "devices"]
checks = {check["name"]: check["verdict"] for check in devices["checks"]}
assert checks["vsock"] == "pass", checks
END
}

# What the shell at a guest's console tells, and that the console is free again behind a review: it is asked twice.
at_console() { # NAME
    for try in first second; do
        vmwright review "$1" --guest console --gates boot,devices --format json >/root/console.json || true
        python3 - "$1" $try <<'END'
import json, sys
boot, devices = json.load(open("/root/console.json"))["review"]["gates"]
checks = {check["name"]: check["verdict"] for gate in (boot, devices) for check in gate["checks"]}
print(f"{sys.argv[1]}: at its console, {sys.argv[2]}: boot {boot['verdict']}, devices {devices['verdict']} {devices.get('why', '')}")
assert "shell at the console" in json.dumps(boot["evidence"]), boot
assert checks["reached"] == checks["processors"] == checks["memory"] == "pass", (boot, devices)
END
    done
}

# What is done with a disk that may be overwritten. Whether a discard reaches it is the VMM's: it is told.
disks() { # NAME
    vmwright review "$1" --gates disks --full --format json >/root/disks.json || true
    python3 - "$1" <<'END'
import json, sys
[gate] = json.load(open("/root/disks.json"))["review"]["gates"]
for check in gate["checks"]:
    print(f'{sys.argv[1]}: disks: {check["name"]}: {check["verdict"]} {check.get("why", "")}')
verdicts = {check["name"]: check["verdict"] for check in gate["checks"]}
assert gate["verdict"] == verdicts["write"] == verdicts["read"] == "pass", (gate["verdict"], verdicts)
END
}

# What a kernel says that was told to fight no flaw, where its host fights them.
worse_off() { # NAME
    vmwright review "$1" --gates cpu-flaws --format json >/root/flaws.json || true
    python3 - "$1" <<'END'
import json, sys
[gate] = json.load(open("/root/flaws.json"))["review"]["gates"]
print(f"{sys.argv[1]}: gate cpu-flaws: {gate['verdict']} {gate.get('why', '')}")
assert gate["verdict"] == "fail" and "it was booted with `mitigations=off`" in gate["why"], gate
END
}

machine own /root/own.img '/init say hello'
echo "own: $(cat /root/said)"
grep -qx hello /root/said
copied own
echo "own: 300000 bytes in and out"

went_back own
echo "own: a snapshot brought its memory back, and its agent answers"

# Of the gates that ask the guest none is without its answer. What the VMM does not tell stays unknown, and where it stays root
# that is a finding.
judged own isolation
disks own
# Two copies of it go on from its state, apart from the host. Whether they share random numbers is told, and is up to the VMM.
vmwright review own --gates save-restore --full --format json >/root/copies.json || true
python3 - <<'END'
import json
[gate] = json.load(open("/root/copies.json"))["review"]["gates"]
for check in gate["checks"]:
    print(f'own: copies: {check["name"]}: {check["verdict"]} {check.get("why", "")}')
verdicts = {check["name"]: check["verdict"] for check in gate["checks"]}
# It is our probe: its processor is asked itself. Its memory is told, and was not always under load when this was seen.
for name in ("restores", "guest", "clock", "processor flaws", "processor"):
    assert verdicts[name] == "pass", (name, verdicts)
# The machine has no network: nothing passes for it.
for name in ("MAC and address", "open connection", "side by side"):
    assert verdicts[name] == "not-applicable", (name, verdicts)
[flaws] = [table for table in gate["tables"] if table["title"].startswith("Processor flaws")]
assert flaws["columns"][1:4] == ["before", "guest 1", "guest 2"], flaws["columns"]
assert flaws["rows"] and all(len(set(row[1:])) == 1 for row in flaws["rows"]), flaws
END
# The guest has no driver for the keyboard or the button by which the VMM asks: its agent is asked.
vmwright vm stop own >/dev/null
vmwright vm list | grep -q '^own *defined'
test ! -e $state/machines/own/vsock
echo "own: ended by itself, and left nothing"

# What the way to a VMM costs: from the word to start until the guest's first program speaks, beside the same VMM that is run by
# hand with the same kernel, initramfs and devices. Only told: how fast a lab is depends on its host.
python3 - $backend <<'END'
import os, statistics, subprocess, sys, time
machine, init = "/var/lib/vmwright/machines/own", b"vmwright-guest: init"
def until(path, begin, lives):
    while init not in open(path, "rb").read():
        assert time.monotonic() - begin < 120, f"no word of the guest's: {open(path).read()}"
        assert lives(), f"it has ended: {open(path).read()}"
        time.sleep(0.005)
    return time.monotonic() - begin
def by_hand():
    # As it was started last; what a restore was started with names no kernel.
    words = open(machine + "/argv").read().splitlines()
    # By hand nobody asks it anything.
    api = "--api-sock" if sys.argv[1] == "firecracker" else "--api-socket"
    at = words.index(api)
    words[at:at + 2] = ["--no-api"] if sys.argv[1] == "firecracker" else []
    if os.path.lexists(machine + "/vsock"):
        os.unlink(machine + "/vsock")
    with open("/root/by-hand.log", "wb") as log:
        begin = time.monotonic()
        vmm = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.DEVNULL)
        took = until("/root/by-hand.log", begin, lambda: vmm.poll() is None)
    vmm.kill()
    vmm.wait()
    # What it has left does not keep ours from starting.
    return took
def by_us():
    open(machine + "/serial.log", "wb").close()
    begin = time.monotonic()
    start = subprocess.Popen(["vmwright", "vm", "start", "own"], stdout=subprocess.DEVNULL)
    took = until(machine + "/serial.log", begin, lambda: start.poll() in (None, 0))
    assert start.wait() == 0
    subprocess.run(["vmwright", "vm", "stop", "own", "--force"], check=True, stdout=subprocess.DEVNULL)
    return took
# The first of each fills the page cache.
rounds = [(by_us(), by_hand()) for _ in range(9)][1:]
ours, theirs = (statistics.median(side) for side in zip(*rounds))
print(f"own: until its init {ours:.2f} s, by hand {theirs:.2f} s: {ours / theirs:.3f}x in the medians of {len(rounds)}")
END

more=mitigations=off machine qemu /root/qemu.img '/bin/uname -r'
echo "qemu: $(cat /root/said)"
grep -qx "$release" /root/said
copied qemu
echo "qemu: 300000 bytes in and out"
disks qemu
at_console qemu
worse_off qemu
vmwright vm stop qemu --force >/dev/null

test -n "${jail:-}" || exit 0
# In the jail, as a user of its own: the same line to the agent leads in, and who runs the VMM is no finding any more.
machine jailed /root/own.img '/init say hello' "$jail"
grep -qx hello /root/said
copied jailed
pid=$(vmwright vm list | sed -n 's/^jailed .*pid \([0-9]*\).*/\1/p')
test "$(stat -c %U "/proc/$pid")" = nobody
echo "jailed: runs as nobody, and 300000 bytes in and out"
went_back jailed
echo "jailed: a snapshot brought its memory back, and its agent answers"
judged jailed
disks jailed
vmwright vm stop jailed >/dev/null
echo "jailed: ended by itself"
