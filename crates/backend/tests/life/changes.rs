//! Devices and sizes that change under a running guest.

use crate::rig::{Site, agent, ask, boot, eventually, image, qemu};
use serde_json::{Value, json};
use std::time::Duration;
use vmwright_backend::request::{Device, Resize};
use vmwright_backend::{Answer, Backend as _, Request, Stop, Stored};
use vmwright_model::plan::QmpValue;

#[test]
fn devices_come_and_go_and_sizes_change() {
    let Some(site) = Site::new("devices_come_and_go_and_sizes_change") else { return };
    // `pc` takes devices on its own bus; CPUs and a balloon are asked for in QEMU's words.
    let machine = site.machine("host", "changes", "machine = 'pc'\n");
    let qemu = qemu().with_words(&["-smp", "maxcpus=2", "-device", "virtio-balloon-pci"]);
    boot(&qemu, &machine);
    let path = site.path("extra.qcow2");
    image(&["create", "-q", "-f", "qcow2", path.to_str().expect("text"), "1M"]);
    let disk = |name: &str| {
        Request::Attach(Device::Disk {
            name: name.to_owned(),
            path: path.clone(),
            format: "qcow2".to_owned(),
            readonly: false,
        })
    };
    let before = disks(&machine);
    assert_eq!(ask(&machine, disk("extra")).expect("there is room"), Answer::Attached("extra".to_owned()));
    eventually("the guest has the disk", || disks(&machine) == before + 1);
    let refused = |request: Request, words: &str| {
        let told = vmwright_backend::chain(&ask(&machine, request).expect_err("it cannot be"));
        assert!(told.contains(words), "{told}");
    };
    refused(disk("extra"), "has a device `extra` already");
    refused(disk("no good"), "is no name for a device");
    // The image is in use, by itself.
    refused(disk("other"), "lock");
    let grow = |bytes: u64| Request::Resize(Resize::Disk { disk: "extra".to_owned(), bytes });
    assert_eq!(ask(&machine, grow(4 << 20)).expect("larger"), Answer::Resized(4 << 20));
    refused(grow(1 << 20), "it only grows");
    refused(
        Request::Resize(Resize::Disk { disk: "none".to_owned(), bytes: 1 }),
        "has no disk `none`, but extra-node",
    );
    let detach =
        |device: &str| Request::Detach { device: device.to_owned(), patience: Duration::from_secs(60) };
    assert_eq!(ask(&machine, detach("extra")).expect("the guest lets go"), Answer::Done);
    eventually("the guest has it no more", || disks(&machine) == before);
    refused(detach("extra"), "has no device `extra`");
    // Its node went with it: the image is free for the next one, which keeps its size.
    assert_eq!(ask(&machine, disk("extra")).expect("there is room"), Answer::Attached("extra".to_owned()));

    let mac = "52:54:00:12:34:56";
    let network = |name: &str| {
        Request::Attach(Device::Network { name: name.to_owned(), bridge: None, mac: Some(mac.to_owned()) })
    };
    ask(&machine, network("net")).expect("there is room");
    eventually("the guest has the interface", || interfaces(&machine).contains(mac));
    refused(network("twin"), "has the MAC address 52:54:00:12:34:56 already");
    ask(&machine, detach("net")).expect("the guest lets go");
    eventually("the guest has it no more", || !interfaces(&machine).contains(mac));

    let memory = |bytes: u64| Request::Resize(Resize::Memory { bytes });
    assert_eq!(ask(&machine, memory(120 << 20)).expect("a balloon"), Answer::Resized(120 << 20));
    assert_eq!(ask(&machine, memory(160 << 20)).expect("a balloon"), Answer::Resized(160 << 20));
    refused(memory(1 << 40), "a balloon gives no more");
    let cpus = |count: u32| Request::Resize(Resize::Cpus { count });
    assert_eq!(ask(&machine, cpus(2)).expect("one more"), Answer::Resized(2));
    let number = || {
        let mut qmp = qemu.monitor(&machine).expect("it runs");
        qmp.execute("query-cpus-fast", None).expect("told").as_array().map_or(0, Vec::len)
    };
    assert_eq!(number(), 2);
    refused(cpus(3), "1 to 2 virtual CPUs");
    qemu.stop(&machine, Stop::Force).expect("it runs");
    image(&["check", "-q", path.to_str().expect("text")]);
}

fn disks(machine: &Stored) -> usize {
    agent(machine, "guest-get-disks", json!({})).as_array().map_or(0, Vec::len)
}

fn interfaces(machine: &Stored) -> String {
    let told: Value = agent(machine, "guest-network-get-interfaces", json!({}));
    told.to_string()
}

/// Every value that a plan may set, set and set back: QEMU says the same as before, all of it.
#[test]
fn what_a_plan_sets_is_set_back_exactly() {
    let Some(site) = Site::new("what_a_plan_sets_is_set_back_exactly") else { return };
    let path = site.path("plain.qcow2");
    let grouped = site.path("grouped.qcow2");
    for path in [&path, &grouped] {
        image(&["create", "-q", "-f", "qcow2", path.to_str().expect("text"), "1M"]);
    }
    let disks = format!(
        "[[disk]]\npath = {path:?}\nformat = 'qcow2'\n[[disk]]\npath = {grouped:?}\nformat = 'qcow2'\nlimits = {{ bytes = 9000000 }}\n"
    );
    let machine = site.machine("host", "values", &disks);
    let qemu = qemu();
    boot(&qemu, &machine);
    let look = || {
        let mut qmp = qemu.monitor(&machine).expect("it runs");
        let limits = json!({ "path": "/objects/limits1", "property": "limits" });
        let mut asked = |command: &str, arguments| qmp.execute(command, arguments).expect(command);
        let parameters = asked("query-migrate-parameters", None);
        let blocks = asked("query-block", None);
        let inserted = |at: usize| blocks[at]["inserted"].clone();
        [parameters, inserted(0), inserted(1), asked("qom-get", Some(limits))]
    };
    let before = look();
    for (value, usual) in [
        (QmpValue::DiskBytes { disk: 0 }, 0),
        (QmpValue::DiskRequests { disk: 0 }, 0),
        (QmpValue::DiskBytes { disk: 1 }, 9_000_000),
        (QmpValue::DiskRequests { disk: 1 }, 0),
        (QmpValue::MigrationBandwidth, 128 << 20),
        (QmpValue::MigrationDowntime, 300),
    ] {
        assert_eq!(qemu.value(&machine, &value).expect("told"), usual, "{value}");
        qemu.set_value(&machine, &value, 7000).expect("taken");
        assert_eq!(qemu.value(&machine, &value).expect("told"), 7000, "{value}");
        assert_ne!(look(), before, "{value}");
        qemu.set_value(&machine, &value, usual).expect("taken");
        assert_eq!(look(), before, "{value}");
    }
    // A limit of one direction would be lost: nothing is told, so that nothing is planned.
    let block = first_disk(&qemu, &machine);
    let set =
        json!({ "id": block, "bps": 0, "bps_rd": 5000, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0 });
    qemu.monitor(&machine).expect("it runs").execute("block_set_io_throttle", Some(set)).expect("taken");
    let refused = qemu.value(&machine, &QmpValue::DiskRequests { disk: 0 }).expect_err("it would be lost");
    assert!(vmwright_backend::chain(&refused).contains("has the limit bps_rd besides"), "{refused}");
    qemu.stop(&machine, Stop::Force).expect("it runs");
}

/// What the first disk is called in a command of QEMU's.
fn first_disk(qemu: &vmwright_backend::qemu::Qemu, machine: &Stored) -> Value {
    let blocks = qemu.monitor(machine).expect("it runs").execute("query-block", None).expect("told");
    blocks[0]["qdev"].clone()
}
