use super::{document, read, write};
use crate::Effect;
use proptest::prelude::*;
use serde_json::{Value, json};
use vmwright_model::machine::{Aio, Cache, Disk, DiskFormat, Endpoint, Network, NetworkKind};
use vmwright_model::{MachineSpec, machine};

/// All that a configuration can say, in words of our own.
const WHOLE: &str = r#"{
  "boot-source": {"kernel_image_path": "/srv/vmlinux", "initrd_path": "/srv/initrd", "boot_args": "console=ttyS0 reboot=k"},
  "drives": [
    {"drive_id": "rootfs", "path_on_host": "/srv/root.ext4", "is_root_device": true, "is_read_only": false, "cache_type": "Writeback",
     "partuuid": "0eaa91a0-01", "io_engine": "Async",
     "rate_limiter": {"bandwidth": {"size": 1048576, "one_time_burst": 4194304, "refill_time": 500}, "ops": {"size": 900, "refill_time": 1000}}},
    {"drive_id": "data", "path_on_host": "/srv/data.raw", "is_root_device": false, "is_read_only": true},
    {"drive_id": "served", "socket": "/run/served.sock", "is_root_device": false}
  ],
  "network-interfaces": [
    {"iface_id": "net7", "host_dev_name": "tap0", "guest_mac": "06:00:c0:a8:00:02", "mtu": 1400,
     "rx_rate_limiter": {"bandwidth": {"size": 1000000, "refill_time": 1000}, "ops": null},
     "tx_rate_limiter": {"ops": {"size": 100, "refill_time": 1000}}}
  ],
  "machine-config": {"vcpu_count": 4, "mem_size_mib": 1024, "smt": true, "cpu_template": "T2", "track_dirty_pages": true, "huge_pages": "2M"},
  "cpu-config": "/srv/cpu.json",
  "balloon": {"amount_mib": 64, "deflate_on_oom": true, "stats_polling_interval_s": 5, "free_page_hinting": true, "free_page_reporting": true},
  "vsock": {"vsock_id": "v", "guest_cid": 7, "uds_path": "/run/v.sock"},
  "entropy": {"rate_limiter": {"bandwidth": {"size": 1000, "refill_time": 100}}},
  "serial": {"serial_out_path": "/run/serial"},
  "pmem": [{"id": "p0", "path_on_host": "/srv/p0", "root_device": false, "read_only": true}],
  "memory-hotplug": {"total_size_mib": 2048, "block_size_mib": 4, "slot_size_mib": 256},
  "mmds-config": {"version": "V2", "network_interfaces": ["net7"], "ipv4_address": "169.254.170.2"},
  "logger": {"log_path": "/run/log", "level": "Debug"},
  "metrics": {"metrics_path": "/run/metrics"}
}"#;

fn spec(text: &str) -> MachineSpec {
    read(text).expect("a configuration").spec
}

#[test]
fn what_a_whole_configuration_says_is_understood() {
    let spec = spec(WHOLE);
    assert_eq!(spec.boot.kernel.as_deref(), Some("/srv/vmlinux"));
    assert_eq!(spec.boot.cmdline, "console=ttyS0 reboot=k root=PARTUUID=0eaa91a0-01 rw");
    assert_eq!((spec.cpu.count, spec.memory.size.as_str(), spec.memory.hugepages), (4, "1GiB", true));
    assert_eq!(spec.cpu.topology.as_ref().and_then(|topology| topology.threads), Some(2));
    let root = &spec.disks[0];
    assert_eq!(
        (root.boot_order, root.cache, root.aio),
        (Some(1), Some(Cache::Writeback), Some(Aio::IoUring))
    );
    let limits = root.limits.as_ref().expect("limits");
    assert_eq!((limits.bytes, limits.iops), (Some(2_097_152), Some(900)));
    // Firecracker's own choice loses what a guest has flushed, where the host falls.
    assert_eq!((spec.disks[1].cache, spec.disks[1].readonly), (Some(Cache::Unsafe), true));
    assert_eq!(spec.disks[2].vhost_user.as_deref(), Some("/run/served.sock"));
    let network = &spec.networks[0];
    assert_eq!(
        (network.kind, network.tap.as_deref(), network.mtu),
        (NetworkKind::Tap, Some("tap0"), Some(1400))
    );
    assert_eq!(network.inbound.as_ref().map(|limit| limit.bytes), Some(1_000_000));
    assert_eq!(spec.vsock.as_ref().and_then(|vsock| vsock.cid), Some(7));
    assert!(spec.agent, "a guest with a vsock may have an agent");
    assert_eq!((spec.rngs[0].bytes, spec.rngs[0].period), (Some(1000), Some(100)));
    assert_eq!((spec.serials[0].to, spec.serials[0].path.as_deref()), (Endpoint::File, Some("/run/serial")));
    assert_eq!(spec.memory.devices[0].size, "2GiB");
    assert_eq!(spec.balloon.as_ref().and_then(|balloon| balloon.statistics), Some(5));
    let kept: Vec<&str> = spec
        .foreign
        .iter()
        .filter(|part| !part.text.starts_with("<?"))
        .map(|part| part.at.as_str())
        .collect();
    for part in
        ["machine-config/cpu_template", "pmem[0]", "mmds-config", "logger", "cpu-config", "vsock/vsock_id"]
    {
        assert!(kept.contains(&part), "{part} is not among {kept:?}");
    }
    assert!(kept.contains(&"drives[rootfs]/rate_limiter/bandwidth/one_time_burst"), "{kept:?}");
}

#[test]
fn a_configuration_comes_back_as_it_was() {
    let value: Value = serde_json::from_str(WHOLE).expect("JSON");
    let read = read(WHOLE).expect("a configuration");
    assert_eq!(read.remarks, []);
    let (back, remarks) = document(&read.spec);
    assert_eq!(back, value);
    assert_eq!(remarks, []);
}

#[test]
fn edits_and_foreign_parts_live_side_by_side() {
    let mut spec = spec(WHOLE);
    spec.disks.remove(1);
    spec.memory.size = "2GiB".to_owned();
    spec.disks[0].limits = None;
    let (back, remarks) = document(&spec);
    assert_eq!(back["machine-config"]["mem_size_mib"], 2048);
    assert_eq!(back["machine-config"]["cpu_template"], "T2");
    assert_eq!(back["drives"].as_array().map(Vec::len), Some(2));
    assert_eq!(back["drives"][0]["partuuid"], "0eaa91a0-01");
    assert_eq!(back["drives"][0]["is_root_device"], true);
    assert_eq!(back["boot-source"]["boot_args"], "console=ttyS0 reboot=k");
    assert_eq!(remarks.len(), 0, "{remarks:?}");
}

#[test]
fn a_machine_of_another_kind_says_item_by_item_what_is_lost() {
    let mut spec = MachineSpec::named("web");
    spec.cpu.count = 2;
    spec.memory.size = "1GiB".to_owned();
    spec.boot.kernel = Some("/k".to_owned());
    spec.boot.cmdline = "root=/dev/vda ro".to_owned();
    let image = Disk { boot_order: Some(1), ..Disk::at("/srv/a.qcow2", DiskFormat::Qcow2) };
    let nbd = Disk { nbd: Some(machine::Nbd::default()), ..Disk::empty(DiskFormat::Raw) };
    spec.disks = vec![image, nbd, Disk { readonly: true, ..Disk::at("/srv/b", DiskFormat::Raw) }];
    spec.networks = vec![
        Network { tap: Some("t0".into()), ..Network::of(NetworkKind::Tap) },
        Network::of(NetworkKind::User),
    ];
    spec.displays = vec![serde_json::from_value(json!({"kind": "vnc"})).expect("a screen")];
    let Written { text, remarks } = write(&spec);
    let told: Vec<(&str, Effect)> = remarks.iter().map(|one| (one.item.as_str(), one.effect)).collect();
    for expected in [
        ("disk.0.format", Effect::Approximated),
        ("disk.1", Effect::Lost),
        ("network.1", Effect::Lost),
        ("display", Effect::Lost),
        ("machine", Effect::Approximated),
        ("name", Effect::Approximated),
        ("lifecycle", Effect::Defaulted),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not among {told:?}");
    }
    // What stands behind a disk that is left out is not taken for it.
    assert!(
        !told.iter().any(|(item, _)| item.starts_with("disk.2.") && *item != "disk.2.boot_order"),
        "{told:?}"
    );
    let back: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(back["drives"].as_array().map(Vec::len), Some(2));
    // The disk may be written to: `ro` is not what Firecracker would add.
    assert_eq!(back["boot-source"]["boot_args"], "root=/dev/vda ro");
    assert_eq!(back["drives"][0]["is_root_device"], false);
    assert_eq!(back["drives"][0]["cache_type"], "Writeback");
    assert_eq!(back["network-interfaces"][0]["guest_mac"], crate::qemu::mac("web", 0, &spec.networks[0]));
}

use crate::Written;

#[test]
fn what_cannot_be_meant_is_told_and_kept() {
    let text = r#"{"boot-source": {"kernel_image_path": "/k"}, "drives": 7, "machine-config": {"vcpu_count": 99, "mem_size_mib": "x"}}"#;
    let read = read(text).expect("a configuration");
    let items: Vec<&str> = read.remarks.iter().map(|one| one.item.as_str()).collect();
    assert_eq!(items, ["drives", "machine-config/vcpu_count", "machine-config/mem_size_mib"]);
    assert_eq!(document(&read.spec).0, serde_json::from_str::<Value>(text).expect("JSON"));
    assert!(super::read("{}").is_err());
    assert!(super::read("{\"boot-source\": {}").is_err());
}

#[test]
fn an_empty_machine_is_a_configuration() {
    let Written { text, .. } = write(&MachineSpec::named("web"));
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["drives"], json!([]));
    assert_eq!(value["entropy"], json!({}));
}

/// Configurations with every key there is, and some that are not, right and wrong.
fn any_configuration() -> impl Strategy<Value = Value> {
    let whole: Value = serde_json::from_str(WHOLE).expect("JSON");
    crate::json::mangled(whole)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_configuration_comes_back_as_it_was(value in any_configuration()) {
        let Ok(read) = read(&value.to_string()) else { return Ok(()) };
        let (back, _) = document(&read.spec);
        let mut found = Vec::new();
        crate::json::differing(&value, &back, "", &mut found);
        prop_assert!(back == value, "{:#?}\nforeign: {:#?}", found, read.spec.foreign);
    }
}
