//! QEMU itself takes what is written: machines of every kind of device that needs nothing of the host start, paused.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use vmwright_convert::qemu::{Handles, words, write};
use vmwright_model::MachineSpec;

const PROGRAM: &str = "qemu-system-x86_64";

fn qemu() -> bool {
    Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn spec(text: &str) -> MachineSpec {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Starts it paused, asks its monitor to end, and gives what it said.
fn start(spec: &MachineSpec, folder: &Path) -> Result<(), String> {
    let line = write(spec, &Handles::by_name()).map_err(|error| error.to_string())?;
    let mut child = Command::new(PROGRAM)
        .args(words(&line.arguments))
        .args(["-S", "-qmp", "stdio"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut monitor = child.stdin.take().expect("it is piped");
    // QEMU that refuses its line has closed the pipe: then its status tells.
    let _ = monitor.write_all(b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"quit\"}\n");
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn qemu_starts_what_is_written() {
    if !qemu() {
        println!("SKIPPED qemu_starts_what_is_written: no {PROGRAM}");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).display().to_string();
    for name in ["a,b.img", "c.img", "d.iso", "e.img", "f.img", "g.img", "h.img", "nvdimm"] {
        fs::write(folder.path().join(name), vec![0_u8; 2 << 20]).expect("written");
    }
    let disk =
        |name: &str, rest: &str| format!("[[disk]]\npath = '{}'\nformat = 'raw'\n{rest}\n", path(name));
    let head = "name = 'x'\naccelerator = 'tcg'\n";
    let disks = [
        disk("a,b.img", "cache = 'writethrough'\nserial = 'a,b'\niothread = 2\nqueues = 2\nqueue_size = 128\ndiscard = 'unmap'\ndetect_zeroes = 'unmap'\n[disk.limits]\nbytes = 1000000\niops_burst = 900\niops = 100\n"),
        disk("c.img", "bus = 'scsi'\nwwn = '5000c50015ea71ac'\non_write_error = 'stop'\nlogical_block = 512\nphysical_block = 4096"),
        disk("d.iso", "device = 'cdrom'"),
        disk("e.img", "bus = 'usb'"),
        disk("f.img", "bus = 'nvme'"),
        disk("g.img", "bus = 'sata'\n[disk.limits]\ngroup = 'all'\nread_iops = 5"),
        disk("h.img", "readonly = true\n[disk.limits]\ngroup = 'all'\nread_iops = 5"),
    ]
    .concat();
    let machines = [
        head.to_owned(),
        format!("{head}machine = 'pc'\n{disks}"),
        format!("{head}machine = 'q35'\n{disks}"),
        format!("{head}machine = 'microvm'\n{}[[network]]\nkind = 'user'\n", disk("c.img", "")),
        format!(
            "{head}[[network]]\nkind = 'user'\n[[network.forward]]\nhost = 1\nguest = 22\naddress = '127.7.7.7'\n\
             [[network]]\nkind = 'none'\nmodel = 'e1000e'\n[[network]]\nkind = 'none'\nqueues = 4\nmtu = 9000\n"
        ),
        format!(
            "{head}[cpu]\ncount = 2\nmax = 4\nmodel = 'qemu64'\nfeatures = ['+ssse3', '-svm']\nphysical_bits = 40\n\
             [cpu.topology]\nsockets = 2\ncores = 2\n[memory]\nsize = '256MiB'\nshared = true\nprealloc = true\n\
             [memory.hotplug]\nmax = '1GiB'\nslots = 4\n[[memory.device]]\nkind = 'dimm'\nsize = '128MiB'\nnode = 0\n\
             [[memory.device]]\nkind = 'nvdimm'\nsize = '2MiB'\nnode = 1\npath = '{}'\n\
             [[numa]]\ncpus = '0-1'\nmemory = '128MiB'\n[[numa.distance]]\nto = 1\nvalue = 20\n\
             [[numa]]\ncpus = '2,3'\nmemory = '128MiB'\n",
            path("nvdimm")
        ),
        format!(
            "{head}[[controller]]\nkind = 'pci'\nmodel = 'pcie-root-port'\nindex = 1\nport = 8\nchassis = 1\n\
             [controller.address]\npci = '0000:00:03.0'\nmultifunction = true\n\
             [[controller]]\nkind = 'scsi'\nmodel = 'virtio-scsi'\nqueues = 2\niothread = 1\n[controller.address]\npci = '0000:01:00.0'\n\
             [[controller]]\nkind = 'usb'\nmodel = 'ich9-ehci1'\nindex = 0\n[controller.address]\npci = '0000:00:1d.7'\nmultifunction = true\n\
             [[controller]]\nkind = 'usb'\nmodel = 'ich9-uhci1'\nindex = 0\n[controller.address]\npci = '0000:00:1d.0'\nmultifunction = true\n\
             [[controller]]\nkind = 'virtio-serial'\nports = 8\n[[controller]]\nkind = 'ccid'\n"
        ),
        format!(
            "{head}agent = true\n[[serial]]\nto = 'null'\n[[serial]]\nto = 'file'\npath = '{}'\nlog = '{}'\n[[parallel]]\nto = 'null'\n\
             [[console]]\nto = 'pty'\n[[channel]]\nname = 'com.example.0'\nto = 'unix'\npath = '{}'\nserver = true\n",
            path("out"),
            path("log"),
            path("sock")
        ),
        format!(
            "{head}machine = 'pc'\n[[display]]\nkind = 'vnc'\nsocket = '{}'\nkeymap = 'de'\n[[video]]\nmodel = 'vga'\nmemory = '32MiB'\n\
             [[input]]\nkind = 'tablet'\n[[input]]\nkind = 'keyboard'\nbus = 'virtio'\n[[sound]]\nmodel = 'ich6'\n[[sound]]\nmodel = 'ac97'\n\
             [[sound]]\nmodel = 'pcspk'\n[balloon]\ndeflate_on_oom = true\nfree_page_reporting = true\n[[rng]]\nbytes = 1024\nperiod = 1000\n\
             [[watchdog]]\nmodel = 'i6300esb'\naction = 'pause'\n[[panic]]\nmodel = 'isa'\n[[panic]]\nmodel = 'pvpanic'\n",
            path("vnc")
        ),
        format!(
            "{head}acpi = true\n[clock]\nbase = 'localtime'\n[[clock.timer]]\nname = 'rtc'\nticks = 'catchup'\ntrack = 'guest'\n\
             [[clock.timer]]\nname = 'hpet'\npresent = false\n[boot]\nmenu = true\nmenu_timeout = 3000\n[lifecycle]\non_reboot = 'destroy'\non_crash = 'preserve'\n\
             [[share]]\npath = '{}'\ntag = 'files'\ndriver = '9p'\nreadonly = true\n[[video]]\nmodel = 'virtio'\nheads = 2\n[[video]]\nmodel = 'bochs'\n",
            folder.path().display()
        ),
    ];
    for machine in &machines {
        if let Err(said) = start(&spec(machine), folder.path()) {
            panic!("QEMU says {said}\nof\n{machine}");
        }
    }
}
