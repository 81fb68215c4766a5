//! The probe in a real guest: it boots, answers the agent protocol, and powers off when asked in either way.

mod support;

use serde_json::{Value, json};
use std::fs::File;
use std::time::Duration;
use support::{Options, Vm, parts};

/// A stock kernel boots in 5 s under TCG on an idle machine; tests share theirs.
const BOOT: Duration = Duration::from_secs(120);

#[test]
fn the_guest_boots_answers_and_obeys_guest_shutdown() {
    let Some(parts) = parts("the_guest_boots_answers_and_obeys_guest_shutdown") else { return };
    let temp = tempfile::tempdir().unwrap();
    let disk = temp.path().join("disk.img");
    File::create(&disk).unwrap().set_len(3 << 20).unwrap();
    let vm = Vm::start(
        parts,
        &Options {
            vcpus: 2,
            cmdline: "vmwright.net0=10.213.0.2/24 vmwright.net1=fd00::2/64 vmwright.net5=10.0.0.1/8"
                .to_owned(),
            disks: vec![(disk, false)],
            networks: vec![
                ("user,restrict=on".to_owned(), "52:54:00:00:00:01".to_owned()),
                ("user,restrict=on".to_owned(), "52:54:00:00:00:02".to_owned()),
            ],
            ..Options::default()
        },
    );
    vm.wait_for("vmwright-guest: agent ", BOOT);
    let wall = vm.age();
    let serial = vm.serial();
    let time = |stage: &str| -> f64 {
        let line =
            serial.lines().find_map(|line| line.split_once(&format!("vmwright-guest: {stage} "))).unwrap().1;
        line.trim().parse().unwrap()
    };
    assert!(time("init") > 0.0 && time("init") <= time("devices") && time("devices") <= time("agent"));
    eprintln!(
        "init {:.1} s, agent {:.1} s of guest time; {wall:.1?} of wall time",
        time("init"),
        time("agent")
    );
    // A parameter for an interface that does not exist is reported and does no harm.
    assert!(serial.contains("error: vmwright.net5: there are 2 interfaces"), "{serial}");

    assert_eq!(vm.agent("guest-sync-delimited", json!({ "id": 77 })), Ok(77.into()));
    let ok = |command: &str, arguments: Value| {
        vm.agent(command, arguments).unwrap_or_else(|e| panic!("{command}: {e}"))
    };
    assert_eq!(ok("guest-ping", json!({})), json!({}));
    assert_eq!(ok("guest-get-osinfo", json!({}))["id"], "vmwright-guest");
    assert_eq!(ok("guest-get-vcpus", json!({})).as_array().unwrap().len(), 2);
    // What the processor says is what the kernel read of it at boot: `sse2` is bit 26 of EDX of the first leaf.
    let words = ok("vmwright-cpuid", json!({}));
    assert_eq!(words[0]["leaf"], 1, "{words}");
    assert_eq!(words[0]["edx"].as_u64().unwrap() >> 26 & 1, 1, "{words}");

    let interfaces = ok("guest-network-get-interfaces", json!({}));
    for (mac, address, prefix) in
        [("52:54:00:00:00:01", "10.213.0.2", 24), ("52:54:00:00:00:02", "fd00::2", 64)]
    {
        let found =
            interfaces.as_array().unwrap().iter().find(|entry| entry["hardware-address"] == mac).unwrap();
        let addresses = found["ip-addresses"].as_array().unwrap();
        assert!(addresses.iter().any(|ip| ip["ip-address"] == address && ip["prefix"] == prefix), "{found}");
    }

    let disks = ok("guest-get-disks", json!({}));
    assert_eq!(disks[0]["name"], "/dev/vda");
    assert_eq!(disks[0]["address"]["bus-type"], "virtio");
    assert!(disks[0]["address"]["pci-controller"]["slot"].as_u64().unwrap() > 0);

    let handle = ok("guest-file-open", json!({ "path": "/proc/partitions" }));
    let read = ok("guest-file-read", json!({ "handle": handle, "count": 65536 }));
    assert_eq!(read["eof"], true);
    assert!(read["count"].as_u64().unwrap() > 20);
    ok("guest-file-close", json!({ "handle": handle }));
    assert_eq!(vm.agent("guest-suspend-disk", json!({})).unwrap_err()["class"], "CommandNotFound");

    assert!(vm.running());
    // It answers nothing on success, and QEMU ends.
    std::thread::scope(|scope| {
        scope.spawn(|| drop(vm.agent("guest-shutdown", json!({ "mode": "powerdown" }))));
        assert!(vm.ends_within(Duration::from_secs(60)), "{}", vm.serial());
    });
    assert!(!vm.serial().contains("Kernel panic"), "{}", vm.serial());
}

#[test]
fn the_power_button_ends_the_guest_and_no_network_is_no_obstacle() {
    let Some(parts) = parts("the_power_button_ends_the_guest_and_no_network_is_no_obstacle") else { return };
    let vm = Vm::start(parts, &Options { agent: false, ..Options::default() });
    // Without a port the guest waits for a few seconds and goes on.
    vm.wait_for("vmwright-guest: devices ", BOOT);
    std::thread::sleep(Duration::from_secs(1));
    vm.qmp("system_powerdown", json!({})).unwrap();
    assert!(vm.ends_within(Duration::from_secs(60)), "{}", vm.serial());
    assert!(!vm.serial().contains("vmwright-guest: agent "));
    assert!(!vm.serial().contains("Kernel panic"), "{}", vm.serial());
}
