//! A libvirt daemon of our own, in a mount namespace of its own, which nobody else's domains are in.

use anyhow::{Context as _, Result, anyhow};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// The daemon keeps everything below `$1` and ends when its standard input does.
const DAEMON: &str = r#"
    set -e
    place=$1
    mkdir -p "$place/run/libvirt" "$place/run/lock" "$place/lib" "$place/cache" "$place/log" "$place/etc"
    for folder in lib cache log; do mkdir -p /var/$folder/libvirt; mount --bind "$place/$folder" /var/$folder/libvirt; done
    mkdir -p /etc/libvirt
    printf '%s\n' 'stdio_handler = "file"' 'user = "root"' 'group = "root"' 'security_driver = "none"' \
        'cgroup_controllers = []' 'namespaces = []' > "$place/etc/qemu.conf"
    mount --bind "$place/etc" /etc/libvirt
    mount --bind "$place/run" /run
    [ -L /var/run ] || mount --bind "$place/run" /var/run
    libvirtd --timeout 600 > "$place/daemon.log" 2>&1 &
    daemon=$!
    for _ in $(seq 600); do virsh -c qemu:///system uri > /dev/null 2>&1 && break; sleep 0.05; done
    for number in $(seq -w "$2"); do
        echo "<domain type='qemu'><name>many$number</name><memory unit='MiB'>32</memory><os><type arch='x86_64' machine='q35'>hvm</type></os></domain>" > "$place/$number.xml"
        echo "define $place/$number.xml"
    done > "$place/commands"
    virsh -q -c qemu:///system < "$place/commands" > /dev/null
    echo ready
    cat > /dev/null
    kill $daemon
    wait $daemon || true
"#;

/// Does something with a daemon of its own, which has so many domains and keeps everything in `place`.
pub(crate) fn with_daemon(place: &Path, domains: usize, what: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    if place.exists() {
        fs::remove_dir_all(place).context("cannot clear the daemon's own folder")?;
    }
    fs::create_dir_all(place).context("cannot make the daemon's own folder")?;
    let mut daemon = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "bash", "-c", DAEMON, "daemon"])
        .arg(place)
        .arg(domains.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run `unshare`")?;
    let mut said = String::new();
    BufReader::new(daemon.stdout.take().context("no pipe")?).read_line(&mut said).context("cannot read")?;
    let measured = if said.trim() == "ready" {
        what(&format!("qemu:///system?socket={}", place.join("run/libvirt/libvirt-sock").display()))
    } else {
        Err(anyhow!("no libvirt daemon comes up here; this needs root, libvirtd, its QEMU driver and virsh"))
    };
    // It ends with its standard input.
    drop(daemon.stdin.take());
    daemon.wait().context("cannot wait for the daemon")?;
    measured
}
