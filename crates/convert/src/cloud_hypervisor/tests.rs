use super::{document, read, write};
use crate::{Effect, Written};
use proptest::prelude::*;
use serde_json::{Value, json};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{
    Cache, Disk, DiskFormat, Endpoint, FirmwareKind, HostDevice, HostDeviceKind, MemoryDeviceKind, Network,
    NetworkKind, Technology,
};

/// All that a configuration can say, in words of our own.
const WHOLE: &str = r#"{
  "cpus": {"boot_vcpus": 4, "max_vcpus": 8, "topology": {"threads_per_core": 2, "cores_per_die": 2, "dies_per_package": 1, "packages": 2},
    "kvm_hyperv": false, "max_phys_bits": 42, "affinity": [{"vcpu": 0, "host_cpus": [0, 2, 3, 4]}, {"vcpu": 1, "host_cpus": [1]}],
    "features": {"amx": true}, "nested": false},
  "memory": {"size": 1073741824, "mergeable": true, "hotplug_method": "Acpi", "hotplug_size": 1073741824, "shared": true,
    "hugepages": true, "hugepage_size": 2097152, "prefault": true, "thp": true},
  "payload": {"kernel": "/srv/vmlinux", "cmdline": "console=hvc0 root=/dev/vda1 rw", "initramfs": "/srv/initrd"},
  "rate_limit_groups": [{"id": "all", "rate_limiter_config": {"bandwidth": {"size": 1, "refill_time": 1}}}],
  "disks": [
    {"id": "root", "path": "/srv/root.qcow2", "image_type": "Qcow2", "direct": true, "num_queues": 4, "queue_size": 256, "serial": "abc",
     "backing_files": true, "pci_segment": 0, "pci_device_id": 5, "iommu": true, "rate_limit_group": "all",
     "rate_limiter_config": {"bandwidth": {"size": 5000, "one_time_burst": 3, "refill_time": 1000}}},
    {"path": "/srv/cloudinit.img", "readonly": true, "direct": false, "num_queues": 1, "queue_size": 128},
    {"vhost_user": true, "vhost_socket": "/run/blk.sock"}
  ],
  "net": [
    {"id": "n0", "tap": "tap0", "ip": "192.168.249.1", "mask": "255.255.255.0", "mac": "12:34:56:78:90:ab", "mtu": 1400, "num_queues": 8, "queue_size": 512,
     "rate_limiter_config": {"bandwidth": {"size": 7, "refill_time": 1000}, "ops": {"size": 8, "refill_time": 1000}}, "offload_tso": false},
    {"vhost_user": true, "vhost_socket": "/run/net.sock", "vhost_mode": "Server", "mac": "12:34:56:78:90:ac"}
  ],
  "rng": {"src": "/dev/hwrng"},
  "balloon": {"size": 134217728, "deflate_on_oom": true, "free_page_reporting": true},
  "fs": [{"tag": "files", "socket": "/run/fs.sock", "num_queues": 1, "queue_size": 512}],
  "pmem": [{"file": "/srv/pmem", "size": 268435456, "discard_writes": true}, {"file": "/srv/unknown"}],
  "serial": {"mode": "File", "file": "/run/serial"},
  "console": {"mode": "Off"},
  "debug_console": {"mode": "Off", "iobase": 233},
  "devices": [{"id": "gpu", "path": "/sys/bus/pci/devices/0000:01:00.0/", "iommu": false}],
  "user_devices": [{"socket": "/run/user.sock"}],
  "vdpa": [{"path": "/dev/vhost-vdpa-0", "num_queues": 2}],
  "vsock": {"cid": 9, "socket": "/run/v.sock", "iommu": false},
  "pvpanic": true, "iommu": false, "watchdog": true,
  "pci_segments": [{"pci_segment": 0, "mmio32_aperture_weight": 2}],
  "platform": {"num_pci_segments": 2, "uuid": "8f6a3f4e-0d55-4e0f-b6c9-1c7a3c7f0a11", "oem_strings": ["a"], "sev_snp": true},
  "tpm": {"socket": "/run/tpm.sock"},
  "landlock_enable": true, "landlock_rules": [{"path": "/srv", "access": "rw"}],
  "sgx_epc": [{"id": "e", "size": 1}]
}"#;

/// Two nodes with a zone each.
const NODES: &str = r#"{
  "memory": {"size": 0, "zones": [{"id": "mem0", "size": 1073741824, "host_numa_node": 1}, {"id": "mem1", "size": 2147483648, "shared": true}]},
  "numa": [
    {"guest_numa_id": 0, "cpus": [0, 1, 2], "distances": [{"destination": 1, "distance": 20}], "memory_zones": ["mem0"]},
    {"guest_numa_id": 1, "cpus": [3], "memory_zones": ["mem1"]}
  ],
  "cpus": {"boot_vcpus": 4, "max_vcpus": 4}, "payload": {"firmware": "/srv/CLOUDHV.fd"}
}"#;

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn what_a_whole_configuration_says_is_understood() {
    let spec = read(WHOLE).expect("a configuration").spec;
    assert_eq!((spec.cpu.count, spec.cpu.max, spec.cpu.physical_bits), (4, Some(8), Some(42)));
    assert_eq!(spec.cpu.pinning.vcpus[0].cpus.as_deref(), Some("0,2-4"));
    assert_eq!(spec.memory.size, "1GiB");
    assert_eq!(spec.memory.hotplug.as_ref().map(|hotplug| hotplug.max.as_str()), Some("2GiB"));
    assert!(spec.memory.shared && spec.memory.hugepages && spec.memory.prealloc);
    assert_eq!(spec.boot.cmdline, "console=hvc0 root=/dev/vda1 rw");
    let root = &spec.disks[0];
    assert_eq!((root.format, root.cache, root.queues), (DiskFormat::Qcow2, Some(Cache::None), Some(4)));
    assert_eq!(root.address.as_ref().and_then(|address| address.pci.as_deref()), Some("0000:00:05.0"));
    assert_eq!(spec.disks[2].vhost_user.as_deref(), Some("/run/blk.sock"));
    let kinds: Vec<NetworkKind> = spec.networks.iter().map(|network| network.kind).collect();
    assert_eq!(kinds, [NetworkKind::Tap, NetworkKind::VhostUser, NetworkKind::Vdpa]);
    assert_eq!(spec.networks[0].host_address.as_deref(), Some("192.168.249.1/24"));
    assert_eq!(spec.networks[0].queues, Some(4));
    assert_eq!(spec.rngs[0].path.as_deref(), Some("/dev/hwrng"));
    assert_eq!(spec.shares[0].queue_size, Some(512));
    assert_eq!(spec.memory.devices[0].kind, MemoryDeviceKind::VirtioPmem);
    assert_eq!((spec.serials[0].to, spec.consoles.len()), (Endpoint::File, 0));
    assert_eq!(spec.host_devices[0].device, "0000:01:00.0");
    assert_eq!(spec.uuid.as_deref(), Some("8f6a3f4e-0d55-4e0f-b6c9-1c7a3c7f0a11"));
    assert_eq!(spec.confidential.as_ref().map(|one| one.technology), Some(Technology::SevSnp));
    assert!(spec.tpm.is_some() && spec.watchdogs.len() == 1 && spec.panics.len() == 1);
    let kept: Vec<&str> = spec
        .foreign
        .iter()
        .filter(|part| !part.text.starts_with("<?"))
        .map(|part| part.at.as_str())
        .collect();
    for part in
        ["pmem[1]", "user_devices[0]", "landlock_rules[0]", "sgx_epc[0]", "cpus/nested", "net[0]/offload_tso"]
    {
        assert!(kept.contains(&part), "{part} is not among {kept:?}");
    }
}

#[test]
fn a_configuration_comes_back_as_it_was() {
    for text in [WHOLE, NODES] {
        let read = read(text).expect("a configuration");
        let (back, remarks) = document(&read.spec);
        assert_eq!(back, value(text));
        assert_eq!(remarks, []);
    }
}

#[test]
fn nodes_are_cells() {
    let spec = read(NODES).expect("a configuration").spec;
    assert_eq!(spec.memory.size, "3GiB");
    assert_eq!(spec.numa[0].cpus.as_deref(), Some("0-2"));
    assert_eq!(spec.numa[0].policy.as_ref().map(|policy| policy.nodes.as_str()), Some("1"));
    assert_eq!((spec.numa[1].memory.as_str(), spec.numa[1].shared), ("2GiB", Some(true)));
    assert_eq!((spec.firmware.kind, spec.foreign.len()), (Some(FirmwareKind::Uefi), 0), "{:?}", spec.foreign);
}

#[test]
fn the_answer_to_vm_info_is_read_too() {
    let answer = format!("{{\"config\": {WHOLE}, \"state\": \"Running\"}}");
    assert_eq!(read(&answer).expect("a configuration").spec, read(WHOLE).expect("a configuration").spec);
}

#[test]
fn a_machine_of_another_kind_says_item_by_item_what_is_lost() {
    let mut spec = MachineSpec::named("web");
    spec.machine = "pc".to_owned();
    spec.disks = vec![Disk::at("/srv/a.vdi", DiskFormat::Vdi), Disk::at("/srv/b.qcow2", DiskFormat::Qcow2)];
    spec.networks = vec![
        Network::of(NetworkKind::User),
        Network { tap: Some("t0".into()), ..Network::of(NetworkKind::Tap) },
    ];
    spec.host_devices = vec![HostDevice::of(HostDeviceKind::Usb, "1d6b:0002")];
    spec.shares = vec![serde_json::from_value(json!({"tag": "x", "path": "/srv"})).expect("a share")];
    spec.memory.locked = true;
    let Written { text, remarks } = write(&spec);
    let told: Vec<(&str, Effect)> = remarks.iter().map(|one| (one.item.as_str(), one.effect)).collect();
    for expected in [
        ("disk.0", Effect::Lost),
        ("network.0", Effect::Lost),
        ("host_device.0", Effect::Lost),
        ("share.0", Effect::Lost),
        ("memory.locked", Effect::Lost),
        ("machine", Effect::Approximated),
        ("serial.0.to", Effect::Defaulted),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not among {told:?}");
    }
    assert!(
        !told.iter().any(|(item, _)| item.starts_with("disk.1.") || item.starts_with("network.1.")),
        "{told:?}"
    );
    let back = value(&text);
    assert_eq!(back["disks"][0]["image_type"], "Qcow2");
    assert_eq!((&back["serial"]["mode"], &back["console"]["mode"]), (&json!("Tty"), &json!("Off")));
}

#[test]
fn zones_without_nodes_stay_and_make_the_memory() {
    let text = r#"{"memory": {"size": 0, "zones": [{"id": "a", "size": 1048576, "file": "/dev/hugepages"}]}, "cpus": {"boot_vcpus": 1, "max_vcpus": 1}}"#;
    let read = read(text).expect("a configuration");
    assert_eq!(read.spec.memory.size, "1MiB");
    assert_eq!(document(&read.spec).0, value(text));
}

fn any_configuration() -> impl Strategy<Value = Value> {
    prop_oneof![4 => crate::json::mangled(value(WHOLE)), 1 => crate::json::mangled(value(NODES))]
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
