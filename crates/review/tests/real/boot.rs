//! Boot, devices and network.

use crate::live::{MAC, failure, figure, gate, network, review, spec};
use crate::support::{Options, Parts, Vm, parts};
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use vmwright_model::machine::{
    Accelerator, Disk, DiskFormat, HostDevice, HostDeviceKind, NetworkKind, NumaCell, Topology,
};
use vmwright_model::{GateOutcome, Missing};
use vmwright_review::{
    Guest, GuestError, Host, Neighbour, Owner, Process, Ran, Rules, Says, Scope, Vmm, Wanted, reports,
};

/// Flaws that the host itself calls vulnerable, by the first word of its statement.
fn host_is_vulnerable() -> bool {
    let files = std::fs::read_dir("/sys/devices/system/cpu/vulnerabilities").into_iter().flatten().flatten();
    files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).any(|text| text.contains("Vulnerable"))
}

#[test]
fn a_machine_as_specified_passes_what_can_be_tested() {
    let Some(parts) = parts("a_machine_as_specified_passes_what_can_be_tested") else { return };
    let temp = tempfile::tempdir().unwrap();
    let image = |name: &str, mib: u64| {
        let path = temp.path().join(name);
        File::create(&path).unwrap().set_len(mib << 20).unwrap();
        path
    };
    let disks = vec![(image("a.img", 3), false), (image("b.img", 5), true)];
    let options = Options {
        vcpus: 2,
        cmdline: "vmwright.net0=192.0.2.2/24".to_owned(),
        networks: vec![("user,restrict=on".to_owned(), MAC.to_owned())],
        disks: disks.clone(),
        ..Options::default()
    };
    let mut spec = spec();
    spec.cpu.count = 2;
    spec.networks = vec![network(NetworkKind::User, Some("192.0.2.2/24"))];
    let disk = |(path, readonly): &(std::path::PathBuf, bool)| Disk {
        readonly: *readonly,
        ..Disk::at(path.to_str().unwrap(), DiskFormat::Raw)
    };
    spec.disks = disks.iter().map(disk).collect();
    let vm = Vm::start(parts, &options);
    let review = review(&vm, &spec, &[], None);

    assert_eq!(review.accelerator, "tcg");
    let boot = gate(&review, "boot");
    assert_eq!(boot.outcome, GateOutcome::Pass);
    let total = figure(boot, "power-on to agent");
    let parts: f64 =
        ["power-on to kernel", "kernel to init", "init to agent"].iter().map(|name| figure(boot, name)).sum();
    assert!(total > 0.5 && (total - parts).abs() < 0.01 && total < vm.age().as_secs_f64(), "{total} {parts}");
    for sign in ["SeaBIOS (version", "Linux version ", "vmwright-guest: init "] {
        assert!(boot.evidence.iter().any(|line| line.contains(sign)), "{sign}: {:?}", boot.evidence);
    }
    assert_eq!(gate(&review, "devices").outcome, GateOutcome::Pass);
    // In the guest's own words: both disks, told apart by their sizes.
    let rows = &gate(&review, "devices").tables[0].rows;
    let cell = |device: &str| rows.iter().find(|row| row[0] == device).unwrap()[3].as_str();
    assert!(cell("disk 0").ends_with("(virtio_blk)") && cell("disk 1").ends_with("(virtio_blk)"));
    assert_ne!(cell("disk 0"), cell("disk 1"));
    assert!(cell("virtio entropy source").contains("virtio_rng"));
    assert!(
        matches!(&gate(&review, "network").outcome, GateOutcome::NotApplicable(why) if why.contains("no way in"))
    );
    let flaws = gate(&review, "cpu-flaws");
    if host_is_vulnerable() {
        assert!(failure(&review, "cpu-flaws").contains("the host itself is vulnerable"));
    } else {
        assert!(matches!(&flaws.outcome, GateOutcome::NotApplicable(why) if why.contains("TCG")));
    }
    // The guest's kernel was heard on the flaws, whatever they mean under TCG.
    let said = flaws.tables[0].rows.iter().filter(|row| row[2] != "says nothing").count();
    assert!(said >= 5, "{:?}", flaws.tables[0]);

    let page = reports::html(&review);
    assert!(page.contains("<svg") && !page.contains("<script") && page.contains("spectre_v2"));
}

#[test]
fn a_device_of_the_host_that_no_driver_takes_or_that_is_not_there_fails() {
    let Some(parts) = parts("a_device_of_the_host_that_no_driver_takes_or_that_is_not_there_fails") else {
        return;
    };
    // This machine may have no device to give away: a second source of random numbers stands for one that a driver of the guest
    // takes, and a device of QEMU's for its own tests for one that none takes. What the host has in their places it is said to have.
    let words = ["-device", "virtio-rng-pci,addr=10", "-device", "pci-testdev,addr=11"];
    let mut vm = Vm::start(parts, &Options { more: words.map(str::to_owned).to_vec(), ..Options::default() });
    let given = [
        ("0000:41:00.0", "0x1af4", "0x1005"),
        ("0000:42:00.0", "0x1b36", "0x0005"),
        ("0000:43:00.0", "0x10de", "0x2236"),
    ];
    for (address, vendor, device) in given {
        for (file, text) in [("vendor", vendor), ("device", device)] {
            vm.host_files.push((format!("/sys/bus/pci/devices/{address}/{file}"), format!("{text}\n")));
        }
    }
    let mut wanted = spec();
    let host = |index: usize| HostDevice::of(HostDeviceKind::Pci, given[index].0);
    wanted.host_devices = vec![host(0)];
    let good = review(&vm, &wanted, &["devices"], None);
    assert_eq!(gate(&good, "devices").outcome, GateOutcome::Pass);
    let rows = &gate(&good, "devices").tables[0].rows;
    assert!(
        rows.iter().any(|row| row[0].starts_with("host device 0000:41:00.0") && row[3] == "virtio-pci"),
        "{rows:#?}"
    );
    wanted.host_devices = vec![host(1)];
    let why = failure(&review(&vm, &wanted, &["devices"], None), "devices").to_owned();
    assert_eq!(why, "host device 0000:42:00.0 (1b36:0005): no driver of the guest took it");
    wanted.host_devices = vec![host(2)];
    let why = failure(&review(&vm, &wanted, &["devices"], None), "devices").to_owned();
    assert_eq!(why, "host device 0000:43:00.0 (10de:2236): the VMM has no such device");
    // What the host does not tell nobody knows.
    wanted.host_devices = vec![HostDevice::of(HostDeviceKind::Pci, "0000:7f:1f.7")];
    let dark = review(&vm, &wanted, &["devices"], None);
    assert!(
        matches!(&gate(&dark, "devices").outcome, GateOutcome::Unknown(why) if why.contains("0000:7f:1f.7"))
    );
}

/// A node of memory alone.
fn node() -> NumaCell {
    NumaCell {
        cpus: None,
        memory: "128MiB".to_owned(),
        shared: None,
        hugepage_size: None,
        policy: None,
        distances: Vec::new(),
    }
}

#[test]
fn processors_nodes_and_queues_are_arranged_as_specified() {
    let Some(parts) = parts("processors_nodes_and_queues_are_arranged_as_specified") else { return };
    let words = [
        "-smp",
        "4,sockets=2,cores=2,threads=1",
        "-object",
        "memory-backend-ram,id=m0,size=128M",
        "-object",
        "memory-backend-ram,id=m1,size=128M",
        "-numa",
        "node,nodeid=0,cpus=0-1,memdev=m0",
        "-numa",
        "node,nodeid=1,cpus=2-3,memdev=m1",
    ];
    let options = Options {
        vcpus: 4,
        networks: vec![("user,restrict=on".to_owned(), MAC.to_owned())],
        more: words.map(str::to_owned).to_vec(),
        ..Options::default()
    };
    let vm = Vm::start(parts, &options);
    let mut wanted = spec();
    wanted.cpu.count = 4;
    wanted.networks = vec![network(NetworkKind::User, None)];
    wanted.cpu.topology =
        Some(Topology { sockets: Some(2), cores: Some(2), threads: Some(1), ..Topology::default() });
    wanted.numa = vec![node(); 2];
    let good = review(&vm, &wanted, &["devices"], None);
    assert_eq!(gate(&good, "devices").outcome, GateOutcome::Pass);
    let rows = &gate(&good, "devices").tables[0].rows;
    assert!(rows.iter().any(|row| row[0] == "nodes of memory" && row[3] == "0-1"), "{rows:#?}");
    assert!(
        rows.iter().any(|row| row[0] == "random numbers" && row[3].starts_with("virtio_rng")),
        "{rows:#?}"
    );
    wanted.cpu.topology =
        Some(Topology { sockets: Some(1), cores: Some(4), threads: Some(1), ..Topology::default() });
    wanted.numa.pop();
    wanted.networks[0].queues = Some(2);
    let bad = review(&vm, &wanted, &["devices"], None);
    let why = failure(&bad, "devices");
    for part in [
        "the guest sees 2 sockets, the specification says 1",
        "the guest sees 2 cores in a socket, the specification says 4",
        "the guest sees 2 nodes of memory, the specification says 1",
        "has 1 pairs of queues, the specification says 2",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[test]
fn a_machine_that_is_not_as_specified_fails_by_each_difference() {
    let Some(parts) = parts("a_machine_that_is_not_as_specified_fails_by_each_difference") else { return };
    // One processor where two are wanted, TCG where KVM is wanted, a network without an address, no disk.
    let options =
        Options { networks: vec![("user,restrict=on".to_owned(), MAC.to_owned())], ..Options::default() };
    let mut spec = spec();
    spec.accelerator = Accelerator::Kvm;
    spec.cpu.count = 2;
    spec.memory.size = "1GiB".to_owned();
    // TEST-NET-1: nobody has this address.
    spec.networks = vec![network(NetworkKind::Bridge, Some("192.0.2.2/24"))];
    spec.disks = vec![Disk::at("/nonexistent.img", DiskFormat::Raw)];
    let vm = Vm::start(parts, &options);
    let review = review(&vm, &spec, &["devices", "boot", "network"], None);

    assert_eq!(
        review.gates.iter().map(|gate| gate.name.as_str()).collect::<Vec<_>>(),
        ["boot", "network", "devices"]
    );
    assert_eq!(failure(&review, "boot"), "runs under tcg, the specification says kvm");
    let network = failure(&review, "network");
    assert!(network.contains("the guest does not have 192.0.2.2/24 there"), "{network}");
    let devices = failure(&review, "devices");
    for part in [
        "the guest has 1 processors, the specification says 2",
        "the VMM has 1 processors, the specification says 2",
        "the VMM gives 256 MiB of memory, the specification says 1GiB",
        "of 1GiB it should have",
        "the VMM has no disk /nonexistent.img",
    ] {
        assert!(devices.contains(part), "{part}: {devices}");
    }
    assert_eq!(vmwright_review::verdict(&review), vmwright_review::Verdict::Fail);
}

#[test]
fn a_guest_whose_init_is_broken_is_given_up_at_once() {
    let Some(good) = parts("a_guest_whose_init_is_broken_is_given_up_at_once") else { return };
    let initrd = vmwright_guest::initramfs::build(b"this is no program", &[]);
    let broken = Parts { kernel: good.kernel.clone(), initrd };
    // It stays after its panic, so that what shows it is the serial console and not the end of QEMU.
    let options = Options { cmdline: "panic=0".to_owned(), ..Options::default() };
    let vm = Vm::start(&broken, &options);
    let review = review(&vm, &spec(), &[], None);
    let boot = failure(&review, "boot");
    assert!(
        boot.starts_with("stopped after kernel: ") && boot.contains("Kernel panic - not syncing"),
        "{boot}"
    );
    assert!(gate(&review, "boot").evidence.iter().any(|line| line.contains("Failed to execute /init")));
    // Nothing else could be looked at in the guest, and nothing is called good for it.
    assert!(
        matches!(&gate(&review, "devices").outcome, GateOutcome::Unknown(why) if why.contains("does not answer"))
    );
    assert!(vm.age() < Duration::from_secs(120), "the limit of 300 s was not waited for");
}

/// A disk with GRUB and no system that it could start; none, with the reason on stderr, where there is no GRUB to install.
fn grub_alone(test: &str, place: &Path) -> Option<std::path::PathBuf> {
    let unpacked = std::env::var("VMWRIGHT_TEST_PROGRAMS").unwrap_or_default();
    let roots = [Path::new("/"), Path::new(&unpacked)];
    let Some(root) = roots.iter().find(|root| root.join("usr/lib/grub/i386-pc/boot.img").is_file()) else {
        eprintln!("SKIPPED {test}: no GRUB for BIOS is installed, nor unpacked for tests");
        return None;
    };
    let (parts, core) = (root.join("usr/lib/grub/i386-pc"), place.join("core.img"));
    let made = Command::new(root.join("usr/bin/grub-mkimage"))
        .args(["-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub", "-o"])
        .arg(&core)
        .arg("-d")
        .arg(&parts)
        .args(["biosdisk", "part_msdos"])
        .status();
    if !made.as_ref().is_ok_and(std::process::ExitStatus::success) {
        eprintln!("SKIPPED {test}: grub-mkimage: {made:?}");
        return None;
    }
    // Its first sector reads the next one, which reads the rest: as built they expect each other there.
    let mut disk = std::fs::read(parts.join("boot.img")).unwrap();
    disk.extend(std::fs::read(core).unwrap());
    disk.resize(1 << 20, 0);
    let path = place.join("grub.img");
    std::fs::write(&path, disk).unwrap();
    Some(path)
}

#[test]
fn a_boot_loader_without_a_system_is_given_up_at_once() {
    let test = "a_boot_loader_without_a_system_is_given_up_at_once";
    let Some(parts) = parts(test) else { return };
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = grub_alone(test, place.path()) else { return };
    let vm = Vm::start(parts, &Options { kernel: false, disks: vec![(disk, false)], ..Options::default() });
    let review = review(&vm, &spec(), &["boot"], None);
    let boot = failure(&review, "boot");
    assert!(boot.starts_with("stopped after boot loader: ") && boot.contains("grub rescue>"), "{boot}");
    assert!(gate(&review, "boot").evidence.iter().any(|line| line.contains("error: ")), "{review:?}");
    assert!(vm.age() < Duration::from_secs(120), "the limit of 300 s was not waited for");
}

#[test]
fn a_guest_without_an_agent_leaves_things_unknown() {
    let Some(parts) = parts("a_guest_without_an_agent_leaves_things_unknown") else { return };
    let vm = Vm::start(parts, &Options { agent: false, ..Options::default() });
    vm.wait_for("vmwright-guest: devices", Duration::from_secs(120));
    let review = review(&vm, &spec(), &[], Some(Duration::from_secs(1)));
    assert!(
        matches!(&gate(&review, "boot").outcome, GateOutcome::Unknown(why) if why.contains("of the limit of 300 s"))
    );
    assert!(matches!(gate(&review, "devices").outcome, GateOutcome::Unknown(_)));
    assert_ne!(vmwright_review::verdict(&review), vmwright_review::Verdict::Pass);
}

#[test]
fn a_gate_that_does_not_exist_is_refused_before_anything_is_done() {
    struct Nothing;
    impl Guest for Nothing {
        fn execute(&self, _: &str, _: Value) -> Result<Value, GuestError> {
            panic!("the guest was asked")
        }
        fn file_read(&self, _: &str, _: usize) -> Result<Vec<u8>, GuestError> {
            panic!("the guest was asked")
        }
        fn run(&self, _: &str, _: &[&str], _: Duration) -> Result<Ran, GuestError> {
            panic!("the guest was asked")
        }
    }
    impl Vmm for Nothing {
        fn query(&self, _: &str) -> Result<Value, String> {
            panic!("the VMM was asked")
        }
        fn serial(&self) -> Result<Vec<u8>, Missing> {
            panic!("the VMM was asked")
        }
        fn process(&self) -> Option<Process> {
            panic!("the VMM was asked")
        }
    }
    impl Host for Nothing {
        fn file(&self, _: &str) -> Result<Vec<u8>, Missing> {
            panic!("the host was asked")
        }
        fn link(&self, _: &str) -> Result<String, Missing> {
            panic!("the host was asked")
        }
        fn names(&self, _: &str) -> Result<Vec<String>, Missing> {
            panic!("the host was asked")
        }
        fn owner(&self, _: &str) -> Result<Owner, Missing> {
            panic!("the host was asked")
        }
        fn core_cookie(&self, _: u32) -> Result<u64, Missing> {
            panic!("the host was asked")
        }
        fn neighbours(&self) -> Vec<Neighbour> {
            panic!("the host was asked")
        }
        fn controls(&self) -> Vec<String> {
            panic!("the host was asked")
        }
    }
    impl Rules for Nothing {
        fn says(&self, _: &str) -> Result<Says, String> {
            panic!("the rules were asked")
        }
    }
    let spec = spec();
    let scope = Scope {
        spec: &spec,
        guest: &Nothing,
        vmm: &Nothing,
        host: &Nothing,
        rules: &Nothing,
        exercise: None,
        baseline: None,
        began: "",
        patience: None,
    };
    let wanted = Wanted { gates: vec!["boot".to_owned(), "bot".to_owned()], ..Wanted::default() };
    let error = vmwright_review::run(&scope, &wanted, &mut |_| {}).unwrap_err().to_string();
    assert!(error.starts_with("there is no gate `bot`; the gates are boot, network, devices, "), "{error}");
}

/// The way in, through a real tap. It runs in a network namespace of its own, so that nothing of it can be left
/// on the host whatever happens.
#[test]
fn the_host_reaches_the_guest_through_a_tap() {
    const NAME: &str = "the_host_reaches_the_guest_through_a_tap";
    if std::env::var_os("VMWRIGHT_TEST_INSIDE").is_none() {
        return in_namespace(NAME);
    }
    let Some(parts) = parts(NAME) else { return };
    let options = Options {
        cmdline: "vmwright.net0=192.0.2.2/24 vmwright.net0=fd00::2/64".to_owned(),
        networks: vec![("tap,ifname=vmwtest0,script=no,downscript=no".to_owned(), MAC.to_owned())],
        ..Options::default()
    };
    let vm = Vm::start(parts, &options);
    ip(&["address", "add", "192.0.2.1/24", "dev", "vmwtest0"]);
    ip(&["link", "set", "vmwtest0", "up"]);
    let mut spec = spec();
    spec.networks = vec![network(NetworkKind::Bridge, Some("192.0.2.2/24"))];
    let good = review(&vm, &spec, &["network"], None);
    let network_gate = gate(&good, "network");
    assert_eq!(network_gate.outcome, GateOutcome::Pass);
    assert_eq!((figure(network_gate, "192.0.2.2 sent"), figure(network_gate, "192.0.2.2 lost")), (20.0, 0.0));
    assert!(figure(network_gate, "192.0.2.2 median") > 0.0);
    // The host's neighbour table says that it was this guest.
    assert!(
        network_gate.evidence.iter().any(|line| line.starts_with("/proc/net/arp: ") && line.contains(MAC))
    );
    // Each round trip, and each of the larger payloads.
    assert_eq!(reports::html(&good).matches("<circle").count(), 20 + 64);

    // The host is not on the network of its other address, and passes nothing for it; then it is.
    assert!(!network_gate.checks.iter().any(|check| check.name == "the other family"));
    ip(&["address", "add", "fd00::1/64", "dev", "vmwtest0", "nodad"]);
    let both = review(&vm, &spec, &["network"], None);
    let network_gate = gate(&both, "network");
    assert_eq!(network_gate.outcome, GateOutcome::Pass);
    assert!(
        network_gate.checks.iter().any(|check| check.name == "the other family"),
        "{:?}",
        network_gate.checks
    );
    assert_eq!((figure(network_gate, "fd00::2 sent"), figure(network_gate, "fd00::2 lost")), (20.0, 0.0));
    // Another station is asked for it, which is not there.
    ip(&[
        "neighbour",
        "replace",
        "fd00::2",
        "lladdr",
        "52:54:00:ff:ff:ff",
        "nud",
        "permanent",
        "dev",
        "vmwtest0",
    ]);
    let deaf = review(&vm, &spec, &["network"], None);
    assert!(failure(&deaf, "network").contains("fd00::2 is not reached from the host"), "{deaf:?}");
    ip(&["address", "delete", "fd00::1/64", "dev", "vmwtest0"]);

    // What goes over is measured, and held against what is demanded.
    assert!(figure(network_gate, "network 0: throughput") > 1.0);
    spec.review.network_mib_s = Some(1);
    assert_eq!(gate(&review(&vm, &spec, &["network"], None), "network").outcome, GateOutcome::Pass);
    spec.review.network_mib_s = Some(1_000_000);
    let slow = review(&vm, &spec, &["network"], None);
    assert!(failure(&slow, "network").contains("MiB/s go to 192.0.2.2 and back"), "{slow:?}");
    spec.review.network_mib_s = None;

    // Frames of the size that both sides have come through; larger ones, which the specification wants, do not.
    spec.networks[0].mtu = Some(1500);
    assert_eq!(gate(&review(&vm, &spec, &["network"], None), "network").outcome, GateOutcome::Pass);
    spec.networks[0].mtu = Some(4000);
    let large = review(&vm, &spec, &["network"], None);
    for why in [
        "the guest sends packets of at most 1500 bytes, the specification says 4000",
        "no packet of 4000 bytes comes through, though small ones do",
    ] {
        assert!(failure(&large, "network").contains(why), "{why}: {}", failure(&large, "network"));
    }

    // Without an address in the specification, the one that the guest has is used.
    spec.networks = vec![network(NetworkKind::Bridge, None)];
    assert_eq!(gate(&review(&vm, &spec, &["network"], None), "network").outcome, GateOutcome::Pass);

    // The guest has another address than the specification says.
    spec.networks = vec![network(NetworkKind::Bridge, Some("192.0.2.9/24"))];
    let bad = review(&vm, &spec, &["network"], None);
    assert!(failure(&bad, "network").contains("but 192.0.2.2/24"), "{}", failure(&bad, "network"));
    assert!(failure(&bad, "network").contains("192.0.2.9 is not reached from the host"));
}

/// Runs this test once more in a new network namespace, as root of a user namespace where it is not root.
fn in_namespace(name: &str) {
    let reason = if !Path::new("/dev/net/tun").exists() {
        Some("this machine has no /dev/net/tun".to_owned())
    } else {
        let mut probe = unshare();
        let output = probe.args(["ip", "tuntap", "add", "vmwprobe0", "mode", "tap"]).output();
        match output {
            Ok(output) if output.status.success() => None,
            Ok(output) => {
                Some(format!("no tap in a namespace: {}", String::from_utf8_lossy(&output.stderr).trim()))
            }
            Err(error) => Some(format!("unshare: {error}")),
        }
    };
    if let Some(reason) = reason {
        eprintln!("SKIPPED {name}: {reason}");
        return;
    }
    let status = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("boot::{name}"), "--nocapture"])
        .env("VMWRIGHT_TEST_INSIDE", "1")
        .status()
        .unwrap();
    assert!(status.success(), "the test failed inside its namespace; its output is above");
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net"]);
    command
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().unwrap();
    assert!(status.success(), "ip {arguments:?}");
}
