//! Machines by way of libvirt, beside virsh on the same daemon: one of the bench's own, in a mount namespace of its
//! own, with 500 domains.

use super::{Bench, Site, measure};
use crate::run::Run;
use anyhow::{Context as _, Result, anyhow};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

pub(super) const BENCH: Bench = Bench {
    name: "libvirt",
    summary: "500 domains listed, one started and ended, beside `virsh` on the same daemon",
    run,
};

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

fn run(site: &Site) -> Result<()> {
    let place = site.dir.join("libvirt");
    with_daemon(&place, 500, |uri| compare(site, &place, uri))
}

/// Does something with a daemon of the bench's own, which has so many domains and keeps everything in `place`.
pub(super) fn with_daemon(
    place: &std::path::Path,
    domains: usize,
    what: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    if place.exists() {
        fs::remove_dir_all(place).context("cannot clear the bench's own folder")?;
    }
    fs::create_dir_all(place).context("cannot make the bench's own folder")?;
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

/// A state of the bench's own that knows the daemon by one machine on it, `bench`: the other benches list no daemon. Gives the
/// beginning of a call that uses it.
pub(super) fn known(site: &Site, place: &std::path::Path, uri: &str) -> Result<Vec<String>> {
    let (disk, spec) = (place.join("disk.raw"), place.join("bench.toml"));
    fs::write(&disk, [0; 4096]).context("cannot write the bench's disk")?;
    let text = format!(
        "name = 'bench'\naccelerator = 'tcg'\nmemory.size = '32MiB'\n[[disk]]\npath = '{}'\nformat = 'raw'\n",
        disk.display()
    );
    fs::write(&spec, text).context("cannot write the bench's machine")?;
    let state = place.join("state").display().to_string();
    let begin = vec![site.bin.display().to_string(), "--state".to_owned(), state];
    Run::new(&begin).args(["vm", "create", &spec.display().to_string(), "--backend", uri]).text()?;
    Ok(begin)
}

fn compare(site: &Site, place: &std::path::Path, uri: &str) -> Result<()> {
    let begin = known(site, place, uri)?;
    let vmwright = |words: &[&str]| -> Vec<String> {
        begin.iter().cloned().chain(words.iter().map(|word| (*word).to_owned())).collect()
    };
    let virsh = |words: &[&str]| -> Vec<String> {
        ["virsh", "-c", uri].iter().chain(words).map(|word| (*word).to_owned()).collect()
    };
    measure::compare(
        site.rounds,
        ("vmwright vm list", &vmwright(&["vm", "list"])),
        ("virsh list --all", &virsh(&["list", "--all"])),
    )?;
    // A start and an end in one shell: a machine can be started once only. One that fails ends the measuring.
    let both = |one: Vec<String>, other: Vec<String>| -> Vec<String> {
        let quoted =
            |words: Vec<String>| words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        vec![
            "sh".to_owned(),
            "-c".to_owned(),
            format!("{} && {} || kill -KILL $$", quoted(one), quoted(other)),
        ]
    };
    measure::compare(
        site.rounds,
        (
            "vmwright vm start, vm stop --force",
            &both(vmwright(&["vm", "start", "bench"]), vmwright(&["vm", "stop", "bench", "--force"])),
        ),
        ("virsh start, virsh destroy", &both(virsh(&["start", "bench"]), virsh(&["destroy", "bench"]))),
    )
}
