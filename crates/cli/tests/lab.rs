//! `vmwright lab`: a real hypervisor host comes up in a VM, is used, broken, taken back, and leaves nothing.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;
#[path = "common/labs.rs"]
mod labs;

use common::{done, has};
use labs::Labs;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a lab may take to come up, image and first boot included. On two quiet cores it takes 150 s under TCG; a machine
/// that needs more than this is told as one that cannot test it.
const UP: Duration = Duration::from_secs(300);

/// Two faults that show at once and are mended by going back: what breaks them, what the user says, what is named.
const FAULTS: [(&str, &str); 2] = [
    ("libvirt/network-inactive", "libvirt/default-network-inactive"),
    ("kvm/module-unloaded", "kvm/device-missing"),
];

/// Gives the lab's NVMe controller to a machine of its own.
const GIVE: &str = r#"modprobe vfio-pci
function=$(basename "$(readlink -f /sys/class/nvme/nvme0/device)")
bus=$(echo "$function" | cut -d : -f 2)
sed -e 's/<name>web/<name>nvme/' -e "s,<serial type,<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='0x$bus' slot='0' function='0'/></source></hostdev><serial type," /root/web.xml >/root/nvme.xml
virsh -q define /root/nvme.xml
"#;

/// The folder of the project.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// One lab.
struct Lab {
    labs: Labs,
    name: String,
}

impl Deref for Lab {
    type Target = Labs;

    fn deref(&self) -> &Labs {
        &self.labs
    }
}

impl Lab {
    /// Runs a script in the lab, and gives how it ended and what it said.
    fn script(&self, script: &str) -> (i64, String) {
        let (status, output, errors) = self.labs.script(&self.name, script);
        (status, output + &errors)
    }

    /// Brings the lab up, or says why that cannot be had here.
    fn up(&self) -> Result<(), String> {
        let log = self.state.join(format!("{}.log", self.name));
        let mut command = self.command(&["up", &self.name]);
        let mut child =
            command.stderr(fs::File::create(&log).unwrap()).stdout(Stdio::null()).spawn().unwrap();
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begin.elapsed() > UP {
                // It takes down what it has begun.
                let pid = rustix::process::Pid::from_child(&child);
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
                child.wait().unwrap();
                return Err(format!("no lab is up after {} s on this machine", UP.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(500));
        };
        let said = fs::read_to_string(&log).unwrap();
        let _ = fs::remove_file(&log);
        // Packages that cannot be had are not the lab's fault.
        let absent = ["`mmdebstrap` ended with", "in PATH, which"].iter().any(|words| said.contains(words));
        match status.success() {
            true => Ok(()),
            false if absent => Err(said.lines().rev().take(5).collect::<Vec<_>>().join(" | ")),
            false => panic!("{said}"),
        }
    }

    /// Command lines of processes that name the lab's folder.
    fn processes(&self) -> Vec<String> {
        let place = self.state.join("lab/machines").join(&self.name).display().to_string();
        let all = fs::read_dir("/proc").unwrap().flatten();
        all.filter_map(|one| fs::read(one.path().join("cmdline")).ok())
            .map(|words| String::from_utf8_lossy(&words).replace('\0', " "))
            .filter(|words| words.contains(&place))
            .collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // What a failed test leaves; a lab that is down already says so.
        let _ = self.command(&["down", &self.name]).output();
    }
}

#[test]
fn a_lab_comes_up_is_broken_and_taken_back_and_leaves_nothing() {
    let test = "a_lab_comes_up_is_broken_and_taken_back_and_leaves_nothing";
    if !has(test, "qemu-system-x86_64") || !has(test, "mmdebstrap") {
        return;
    }
    let state = root().join("target/vmwright-test/lab");
    fs::create_dir_all(&state).unwrap();
    let labs = Lab { labs: Labs { state }, name: format!("test-{}", std::process::id()) };
    if let Err(why) = labs.up() {
        eprintln!("SKIPPED {test}: {why}");
        return;
    }
    assert!(labs.call(&["list"]).ok().out.contains(&labs.name));
    assert!(!labs.processes().is_empty(), "a lab is a process that names its folder");

    // It is a hypervisor host.
    let (status, said) = labs.script(
        "set -eu\ntest -c /dev/kvm\ntest -e /sys/kernel/iommu_groups/0\nvirsh -q domstate web\nvgs vg0\novs-vsctl br-exists ovsbr0\n",
    );
    assert!(status == 0 && said.contains("shut off"), "{said}");

    // A file goes in and comes out as it was.
    let place = tempfile::tempdir().unwrap();
    let (here, back) = (place.path().join("in"), place.path().join("out"));
    let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(&here, &bytes).unwrap();
    labs.call(&["cp", here.to_str().unwrap(), &format!("{}:/root/file", labs.name)]).ok();
    labs.call(&["cp", &format!("{}:/root/file", labs.name), back.to_str().unwrap()]).ok();
    assert!(fs::read(&back).unwrap() == bytes, "a file comes back as it went");
    labs.call(&["cp", &format!("{}:/root/none", labs.name), back.to_str().unwrap()])
        .fails(3, &["/root/none"]);

    // Its NVMe controller comes out for the snapshot, and is back behind it with what is on its disk.
    let found = "head -c 4 /dev/nvme0n1 | tr -d '\\0'\n";
    assert_eq!(labs.script("echo kept >/dev/nvme0n1\nsync\n").0, 0);
    labs.call(&["snapshot", &labs.name, "before"]).ok();
    assert_eq!(labs.script(found), (0, "kept".to_owned()));
    for (fault, cause) in FAULTS {
        let read = |name: &str| fs::read_to_string(root().join("faults").join(fault).join(name)).unwrap();
        let (status, said) = labs.script(&format!("set -eu\n{}", read("break.sh")));
        assert!(status == 0 && said.contains("error: "), "{fault}: {said}");
        // What a user would paste is told apart.
        let pasted = tempfile::tempdir().unwrap();
        fs::write(pasted.path().join("virsh.txt"), &said).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmwright"));
        command.args(["analyze", "--format", "json", "--from"]).arg(pasted.path());
        command.env("VMWRIGHT_STATE", pasted.path().join("state")).stdin(Stdio::null());
        let named = done(command).json()["causes"][0]["rule"].clone();
        assert_eq!(named, cause, "{fault}: {said}");
        // Going back mends it, and what was in the lab's memory is as it was.
        labs.call(&["restore", &labs.name, "before"]).ok();
        let (status, said) = labs.script("set -eu\nvirsh -q net-list --name\ntest -c /dev/kvm\n");
        assert!(status == 0 && said.contains("default"), "{fault}: {said}");
        assert_eq!(labs.script(found), (0, String::new()), "an empty disk, as at first");
    }
    labs.call(&["restore", &labs.name, "none"]).fails(3, &["no snapshot `none`", "before"]);
    // A machine runs under the lab's own KVM.
    let (status, said) = labs.script("set -eu\nvirsh -q start web\nvirsh -q domstate web\n");
    assert!(status == 0 && said.contains("running"), "{said}");

    // One that a machine has cannot come out.
    let given = format!("set -eu\nvirsh -q destroy web\n{GIVE}virsh -q start nvme\nvirsh -q domstate nvme\n");
    let (status, said) = labs.script(&given);
    assert!(status == 0 && said.contains("running"), "{said}");
    labs.call(&["snapshot", &labs.name, "after"]).fails(3, &["NVMe controller is in use"]);
    labs.call(&["reset", &labs.name]).ok();
    labs.call(&["restore", &labs.name, "before"]).fails(3, &["no snapshot `before`"]);

    // A restart is waited for from its first moment on, at which the system still answers.
    let boot = || labs.call(&["exec", &labs.name, "--", "cat", "/proc/sys/kernel/random/boot_id"]);
    let before = boot().ok().out;
    labs.call(&["exec", &labs.name, "--", "systemctl", "reboot"]);
    let begin = Instant::now();
    loop {
        labs.call(&["wait", &labs.name]).ok();
        let now = boot();
        if now.status == 0 && now.out != before {
            break;
        }
        assert!(begin.elapsed() < UP, "it has not restarted: {now:#?}");
    }

    labs.call(&["down", &labs.name]).ok();
    assert_eq!(labs.processes(), Vec::<String>::new());
    assert!(!labs.state.join("lab/machines").join(&labs.name).exists());
    assert!(!labs.call(&["list"]).ok().out.contains(&labs.name));
    labs.call(&["exec", &labs.name, "--", "true"]).fails(2, &["no lab", "lab list"]);
}
