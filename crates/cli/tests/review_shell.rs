//! `vmwright review --guest`: a guest without an agent, by the shell at its console and by its own SSH server.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;
#[path = "common/daemon.rs"]
mod daemon;
#[path = "../../guest/tests/support/mod.rs"]
mod support;

use common::Site;
use serde_json::Value;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Fills the folder `$1` with what the guest has beyond our initramfs, from what is installed and from what was unpacked for
/// tests, and packs it. The key `$2` may log in there.
const PACK: &str = r#"
    tree=$1 key=$2
    mkdir -p "$tree"/bin "$tree"/sbin "$tree"/etc "$tree"/root/.ssh "$tree"/run/sshd "$tree"/usr/sbin "$tree"/usr/bin "$tree"/tmp
    chmod 755 "$tree"
    busybox=$(command -v busybox || echo "$VMWRIGHT_TEST_PROGRAMS/bin/busybox")
    cp "$busybox" "$tree/bin/busybox"
    sshd=/usr/sbin/sshd
    [ -e $sshd ] || sshd=$VMWRIGHT_TEST_PROGRAMS/usr/sbin/sshd
    blkdiscard=$(command -v blkdiscard || true)
    cp "$sshd" $blkdiscard "$tree/usr/sbin"
    unpacked=$VMWRIGHT_TEST_PROGRAMS/usr/lib/x86_64-linux-gnu:$VMWRIGHT_TEST_PROGRAMS/lib/x86_64-linux-gnu
    LD_LIBRARY_PATH=$unpacked ldd "$sshd" $blkdiscard | grep -o '/[^ :]*' | while read -r library; do
        to=$library
        case $to in "$VMWRIGHT_TEST_PROGRAMS"*) to=${to#"$VMWRIGHT_TEST_PROGRAMS"} ;; esac
        mkdir -p "$tree$(dirname "$to")"
        cp -L "$library" "$tree$to"
    done
    cp "$key.pub" "$tree/root/.ssh/authorized_keys"
    cp "$key" "$tree/etc/host-key"
    chmod -R go-rwx "$tree/root" "$tree/etc/host-key"
    echo 'root:x:0:0::/root:/bin/sh
sshd:x:100:65534::/run/sshd:/bin/false' > "$tree/etc/passwd"
    printf 'HostKey /etc/host-key\nUsePAM no\nPermitRootLogin yes\nPidFile none\nStrictModes no\n' > "$tree/etc/sshd_config"
    printf 'ID=test\nNAME="A test"\n' > "$tree/etc/os-release"
    cat > "$tree/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
/usr/sbin/sshd -f /etc/sshd_config
while :; do setsid sh -c 'exec sh -i </dev/ttyS0 >/dev/ttyS0 2>&1'; done
END
    chmod 755 "$tree/init"
    cd "$tree" && find . | "$busybox" cpio -o -H newc 2>/dev/null
"#;

/// The specification of a machine `web` whose guest has a shell at its console and an SSH server, and no agent. The key is the
/// site's `key`.
fn specified(test: &str, site: &Site, network: &str) -> Option<PathBuf> {
    let parts = support::parts(test)?;
    let unpacked = std::env::var("VMWRIGHT_TEST_PROGRAMS").unwrap_or_default();
    let there = |file: &str| ["/", &unpacked].iter().any(|root| Path::new(root).join(file).exists());
    if !there("usr/sbin/sshd") || !there("bin/busybox") || !common::has(test, "ssh-keygen") {
        eprintln!("SKIPPED {test}: no SSH server and busybox are installed, nor unpacked for tests");
        return None;
    }
    let key = site.path("key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    let packed =
        Command::new("sh").args(["-ec", PACK, "pack"]).arg(site.path("tree")).arg(&key).output().unwrap();
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    // A kernel unpacks one archive after the other; the later one has the last word.
    let mut initrd = parts.initrd.clone();
    initrd.extend(packed.stdout);
    let initrd = site.file("initrd", &initrd);
    let disk = site.file("free.raw", vec![7; 8 << 20]);
    let spec = format!(
        "name = 'web'\naccelerator = 'tcg'\nagent = false\n[cpu]\ncount = 2\n[memory]\nsize = '256MiB'\n\
         [boot]\nkernel = '{kernel}'\ninitrd = '{initrd}'\ncmdline = 'console=ttyS0 no_timer_check panic=-1'\n\
         [[network]]\nkind = 'user'\nmac = '52:54:00:12:34:56'\naddress = '10.0.2.15/24'\n{network}\
         [[disk]]\npath = '{0}'\nformat = 'raw'\ndiscard = 'unmap'\n[review]\noverwrite = ['{0}']\n",
        disk.display(),
        kernel = parts.kernel.display(),
        initrd = initrd.display(),
    );
    Some(site.file("web.toml", spec))
}

/// The same, running; and the address of its SSH server.
fn started(test: &str, site: &Site) -> Option<String> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let spec = specified(test, site, &format!("[[network.forward]]\nhost = {port}\nguest = 22\n"))?;
    let key = site.path("key");
    site.call(&["vm", "create", spec.to_str().unwrap()]).ok();
    site.call(&["vm", "start", "web"]).ok();
    let host_key = fs::read_to_string(site.path("key.pub")).unwrap();
    let known = site.file("known_hosts", format!("[127.0.0.1]:{port} {host_key}"));
    let config = format!(
        "UserKnownHostsFile {}\nIdentityFile {}\nIdentitiesOnly yes\nUser root\n",
        known.display(),
        key.display()
    );
    in_front(site, &site.file("ssh_config", config));
    Some(format!("ssh://root@127.0.0.1:{port}"))
}

/// A `ssh` in front of the real one that has the test's configuration.
fn in_front(site: &Site, config: &Path) -> PathBuf {
    fs::create_dir_all(site.path("bin")).unwrap();
    let real = Command::new("sh").args(["-c", "command -v ssh"]).output().unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    let script = format!("#!/bin/sh\nexec {} -F {} \"$@\"\n", real.trim(), config.display());
    let ssh = site.file("bin/ssh", script);
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    ssh
}

/// The gates of a review by this way.
fn gates(site: &Site, way: &str, names: &str) -> Vec<Value> {
    let mut command = site.command(&["review", "web", "--guest", way, "--gates", names, "--format", "json"]);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", site.path("bin").display()));
    let review = common::done(command).json()["review"].clone();
    review["gates"].as_array().unwrap().clone()
}

/// What a gate says of one thing.
#[track_caller]
fn says(gate: &Value, name: &str) -> String {
    let mut checks = gate["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {gate:#}"));
    check["verdict"].as_str().unwrap().to_owned()
}

#[test]
fn a_guest_without_an_agent_is_asked_at_its_console_and_by_ssh() {
    let test = "a_guest_without_an_agent_is_asked_at_its_console_and_by_ssh";
    let site = Site::new();
    let Some(address) = started(test, &site) else { return };
    for (way, called) in [("console", "shell at the console"), (address.as_str(), "shell by SSH")] {
        let all = gates(&site, way, "boot,devices,network");
        let [boot, network, devices] = all.as_slice() else { panic!("three gates: {all:#?}") };
        assert_eq!(says(boot, "reached"), "pass", "{way}: {boot:#}");
        assert!(boot["evidence"].to_string().contains(called), "{way}: {boot:#}");
        for name in ["processors", "memory"] {
            assert_eq!(says(devices, name), "pass", "{way}: {devices:#}");
        }
        assert!(network["tables"].to_string().contains("10.0.2.15/24"), "{way}: {network:#}");
    }
    written(&site, &["console", &address]);
    restored(&site, &address);
    // Twice: the console's own shell is there again.
    assert_eq!(says(&gates(&site, "console", "boot")[0], "reached"), "pass");
    // Behind the same address is another machine, as far as its network cards tell: at once, and not by waiting.
    let path = site.path("state/machines/web/machine.toml");
    let spec = fs::read_to_string(&path).unwrap();
    fs::write(&path, spec.replace("52:54:00:12:34:56", "52:54:00:65:43:21")).unwrap();
    let boot = &gates(&site, &address, "boot")[0];
    assert_eq!(says(boot, "reached"), "fail");
    assert!(boot["why"].to_string().contains("another machine answers there"), "{boot:#}");
    // And whoever has no key there is not asked for one again and again.
    fs::write(&path, spec).unwrap();
    fs::remove_file(site.path("key")).unwrap();
    let boot = &gates(&site, &address, "boot")[0];
    assert!(boot["why"].to_string().contains("Permission denied"), "{boot:#}");
    site.call(&["vm", "stop", "web", "--force"]).ok();
}

/// A disk that may be overwritten is proven by each way, and fails where somebody else writes to it.
fn written(site: &Site, ways: &[&str]) {
    let disk = site.path("free.raw");
    for way in ways {
        fs::write(&disk, vec![7; 8 << 20]).unwrap();
        let all = gates(site, way, "disks");
        let row = &all[0]["tables"][0]["rows"][0];
        assert_eq!(row[2], "3 of 3 places of 32 KiB", "{way}: {all:#?}");
        // Where no blkdiscard(8) could be packed for the guest, that is not known, and no failure.
        let discards = Command::new("blkdiscard").arg("--version").output().is_ok();
        let (gate, discard) = if discards { ("pass", "pass") } else { ("unknown", "unknown") };
        assert_eq!(
            (all[0]["verdict"].as_str(), &*says(&all[0], "discard")),
            (Some(gate), discard),
            "{all:#?}"
        );
        // The host finds what the guest wrote in the middle, and what nobody wrote beside it.
        let bytes = fs::read(&disk).unwrap();
        assert!(bytes[4 << 20..][..32768].iter().any(|byte| *byte != 7), "{way}");
        assert_eq!((bytes[2 << 20], bytes[6 << 20]), (7, 7), "{way}");
    }
    let over = AtomicBool::new(false);
    let bad = thread::scope(|scope| {
        scope.spawn(|| {
            let other = File::options().write(true).open(&disk).unwrap();
            while !over.load(Ordering::Relaxed) {
                other.write_all_at(&[9; 4096], 4 << 20).unwrap();
                thread::sleep(Duration::from_micros(200));
            }
        });
        let bad = gates(site, ways[ways.len() - 1], "disks");
        over.store(true, Ordering::Relaxed);
        bad
    });
    let why = bad[0]["why"].as_str().unwrap_or_default();
    assert!(
        bad[0]["verdict"] == "fail" && why.contains("at byte 4194304 the guest reads other bytes"),
        "{bad:#?}"
    );
}

/// Copies that go on from the guest's state are asked at their consoles; by SSH they cannot be, and that is told.
fn restored(site: &Site, address: &str) {
    let gate = &gates(site, "console", "save-restore")[0];
    for name in ["restores", "guest", "clock"] {
        assert_eq!(says(gate, name), "pass", "{name}: {gate:#}");
    }
    // Nothing told them that they were restored, and no kernel can know by itself.
    assert_ne!(says(gate, "random numbers"), "pass", "{gate:#}");
    let gate = &gates(site, address, "save-restore")[0];
    let why = gate["why"].as_str().unwrap_or_default();
    assert!(gate["verdict"] == "unknown" && why.contains("its SSH server is not reached there"), "{gate:#}");
}

/// The machine on libvirt's daemon; and the same once nobody is at its console any more.
const ON_LIBVIRT: &str = r#"
    trap 'set +e; virsh destroy web; kill $daemon; wait $daemon; true' EXIT
    "$VMWRIGHT" vm create "$SITE/web.toml" --backend libvirt
    "$VMWRIGHT" vm start web
    look() { "$VMWRIGHT" review web --guest console --gates $2 --format json --output "$SITE/$1.json" || echo "status $?"; }
    look first boot,devices,disks,save-restore
    look second boot
    virsh domstate web
"#;

#[test]
fn a_guest_of_libvirt_is_asked_at_its_console() {
    let test = "a_guest_of_libvirt_is_asked_at_its_console";
    let site = Site::new();
    if !daemon::can_run(test, &["virt-qemu-run"]) || specified(test, &site, "").is_none() {
        return;
    }
    let done = daemon::run(&site, &[], ON_LIBVIRT);
    let gates = |name: &str| {
        let text = fs::read_to_string(site.path(name)).unwrap_or_else(|error| panic!("{error}: {done:#?}"));
        serde_json::from_str::<Value>(&text).unwrap()["review"]["gates"].as_array().unwrap().clone()
    };
    let first = gates("first.json");
    let [boot, devices, restored, disks] = first.as_slice() else { panic!("four gates: {first:#?}") };
    assert_eq!(says(boot, "reached"), "pass", "{boot:#}");
    assert_eq!(says(devices, "processors"), "pass", "{devices:#}");
    for name in ["write", "read"] {
        assert_eq!(says(disks, name), "pass", "{disks:#}");
    }
    for name in ["restores", "guest", "clock"] {
        assert_eq!(says(restored, name), "pass", "{name}: {restored:#}");
    }
    // The console is free again behind a review.
    let second = gates("second.json");
    assert_eq!(says(&second[0], "reached"), "pass", "{second:#?}");
    assert!(done.out.contains("running"), "{done:#?}");
}

#[test]
fn another_way_is_told() {
    let site = Site::new();
    site.machine("web", "").ok();
    for way in ["telnet://web", "ssh://", "ssh://root:secret@web"] {
        let refused = site.call(&["review", "web", "--guest", way]);
        assert_eq!(refused.status, 2, "{way}: {refused:?}");
        assert!(refused.err.contains("way to a guest") || refused.err.contains("no host"), "{refused:?}");
    }
    let host = site.call(&["review", "localhost", "--guest", "console"]);
    assert!(host.err.contains("goes with a VM"), "{host:?}");
}
