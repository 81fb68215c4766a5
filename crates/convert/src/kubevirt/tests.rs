use super::{DIALECT, read, write};
use crate::{Effect, Format, convert, yaml};
use proptest::prelude::*;
use serde_json::Value;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{
    Aio, Cache, Disk, DiskBus, DiskDevice, DiskFormat, FirmwareKind, Network, NetworkKind, NetworkModel,
    Technology,
};

/// All that an object can say which the specification has a word for, and some more, in words of our own.
const WHOLE: &str = r#"# A machine with everything.
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: web-1
  namespace: shop
  labels: {tier: front}
spec:
  runStrategy: Always
  template:
    metadata:
      labels:
        kubevirt.io/vm: web-1
    spec:
      architecture: amd64
      terminationGracePeriodSeconds: 30
      domain:
        cpu:
          sockets: 1
          maxSockets: 2
          cores: 2
          threads: 2
          model: EPYC
          dedicatedCpuPlacement: true
          features:
          - {name: x2apic, policy: require}
          - {name: svm, policy: disable}
          - {name: pcid, policy: optional}
        memory:
          guest: 4Gi
          maxGuest: 8Gi
          hugepages: {pageSize: 1Gi}
        resources:
          requests: {memory: 4Gi}
          limits: {memory: 5Gi, cpu: "8"}
        machine: {type: pc-q35-rhel9.4.0}
        firmware:
          uuid: 5d307ca9-b3ef-428c-8861-06e72d69f224
          serial: abc
          bootloader:
            efi: {secureBoot: false, persistent: true}
          kernelBoot:
            kernelArgs: console=ttyS0
            container: {image: "registry/kernel:1", kernelPath: /boot/vmlinuz, initrdPath: /boot/initrd}
        features:
          acpi: {}
          apic: {endOfInterrupt: true}
          smm: {enabled: true}
          kvm: {hidden: true}
          hyperv:
            relaxed: {}
            vapic: {enabled: true}
            spinlocks: {spinlocks: 8191}
            synictimer: {direct: {}}
            tlbflush: {enabled: false}
            vendorid: {vendorid: maker}
        clock:
          utc: {offsetSeconds: 60}
          timer:
            hpet: {present: false}
            rtc: {tickPolicy: catchup, track: guest}
            hyperv: {}
        launchSecurity:
          sev: {policy: {encryptedState: true}}
        rebootPolicy: Terminate
        ioThreadsPolicy: auto
        devices:
          disks:
          - name: data
            serial: D1
            cache: none
            io: native
            errorPolicy: report
            shareable: true
            dedicatedIOThread: true
            bootOrder: 2
            disk: {bus: scsi}
            blockSize: {custom: {logical: 512, physical: 4096}}
          - name: root
            disk: {bus: virtio, pciAddress: "0000:81:01.0"}
            bootOrder: 1
          - name: media
            cdrom: {bus: sata}
          - name: seed
          - name: gone
            disk: {}
          filesystems:
          - name: files
            virtiofs: {}
          interfaces:
          - name: red
            bridge: {}
            macAddress: 02:00:00:00:00:01
          - name: pod
            masquerade: {}
            model: e1000e
            state: up
            ports: [{port: 80}]
          - name: fast
            sriov: {}
          inputs:
          - {name: t, type: tablet, bus: virtio}
          watchdog: {name: dog, i6300esb: {action: poweroff}}
          tpm: {persistent: true}
          sound: {name: snd, model: ac97}
          video: {type: virtio}
          rng: {}
          autoattachVSOCK: true
          autoattachMemBalloon: false
          panicDevices: [{model: isa}]
          gpus: [{name: g, deviceName: maker.com/g}]
          networkInterfaceMultiqueue: true
      networks:
      - name: pod
        pod: {}
      - name: fast
        multus: {networkName: sriov/fast}
      - name: red
        multus: {networkName: shop/br-red}
      volumes:
      - name: seed
        cloudInitNoCloud:
          userData: |
            #cloud-config
            hostname: web
      - name: config
        configMap: {name: settings}
      - name: root
        containerDisk: {image: "registry/root:2"}
      - name: data
        hostDisk: {path: /srv/data.img, type: Disk}
      - name: files
        persistentVolumeClaim: {claimName: files}
      - name: dump
        memoryDump: {claimName: dump}
---
apiVersion: v1
kind: Secret
metadata:
  name: settings
"#;

fn spec(text: &str) -> MachineSpec {
    read(text).expect("a machine").spec
}

fn documents(text: &str) -> Vec<Value> {
    yaml::documents(text).expect("YAML").into_iter().map(|one| one.value).collect()
}

#[test]
fn what_a_whole_machine_says_is_understood() {
    let spec = spec(WHOLE);
    assert_eq!((spec.name.as_str(), spec.machine.as_str()), ("web-1", "pc-q35-rhel9.4.0"));
    assert_eq!((spec.cpu.count, spec.cpu.max, spec.cpu.model.as_str()), (4, Some(8), "EPYC"));
    assert_eq!(spec.cpu.features, ["+x2apic", "-svm"]);
    assert_eq!((spec.memory.size.as_str(), spec.memory.hugepage_size.as_deref()), ("4GiB", Some("1GiB")));
    assert_eq!(spec.memory.hotplug.as_ref().map(|hotplug| hotplug.max.as_str()), Some("8GiB"));
    assert_eq!(spec.limits.memory.as_deref(), Some("5GiB"));
    assert_eq!((spec.firmware.kind, spec.firmware.secure_boot), (Some(FirmwareKind::Uefi), Some(false)));
    assert_eq!(
        (spec.boot.kernel.as_deref(), spec.boot.cmdline.as_str()),
        (Some("/boot/vmlinuz"), "console=ttyS0")
    );
    assert_eq!(spec.hyperv.features, ["relaxed", "vapic", "stimer-direct", "stimer"]);
    assert_eq!((spec.hyperv.spinlocks, spec.hyperv.hide_kvm), (Some(8191), true));
    assert_eq!(spec.clock.offset, Some(60));
    assert_eq!(spec.clock.timers.len(), 3);
    assert_eq!(spec.confidential.as_ref().map(|one| one.technology), Some(Technology::SevEs));
    let disks: Vec<(Option<&str>, Option<&str>, DiskDevice)> =
        spec.disks.iter().map(|disk| (disk.target.as_deref(), disk.path.as_deref(), disk.device)).collect();
    assert_eq!(
        disks,
        [
            (Some("data"), Some("/srv/data.img"), DiskDevice::Disk),
            (
                Some("root"),
                Some("/var/run/kubevirt-ephemeral-disks/disk-data/root/disk.qcow2"),
                DiskDevice::Disk
            ),
            (Some("media"), None, DiskDevice::Cdrom),
            (
                Some("seed"),
                Some("/var/run/kubevirt-ephemeral-disks/cloud-init-data/shop/web-1/noCloud.iso"),
                DiskDevice::Disk
            ),
            (Some("config"), Some("/var/run/kubevirt-private/config-map-disks/config.iso"), DiskDevice::Disk),
        ]
    );
    let data = &spec.disks[0];
    assert_eq!(
        (data.bus, data.cache, data.aio, data.shareable),
        (Some(DiskBus::Scsi), Some(Cache::None), Some(Aio::Native), true)
    );
    assert_eq!((data.boot_order, data.physical_block), (Some(2), Some(4096)));
    let networks: Vec<(NetworkKind, Option<&str>, Option<NetworkModel>)> =
        spec.networks.iter().map(|one| (one.kind, one.bridge.as_deref(), one.model)).collect();
    assert_eq!(
        networks,
        [
            (NetworkKind::Bridge, Some("br-red"), Some(NetworkModel::Virtio)),
            (NetworkKind::User, None, Some(NetworkModel::E1000e)),
        ]
    );
    assert_eq!(spec.shares[0].socket.as_deref(), Some("/var/run/kubevirt/virtiofs-containers/files.sock"));
    assert!(spec.balloon.is_none() && spec.vsock.is_some() && spec.rngs.len() == 1);
    assert_eq!((spec.videos[0].model.as_str(), spec.sounds[0].model.as_str()), ("virtio", "ac97"));
    assert_eq!(spec.panics[0].model.as_deref(), Some("isa"));
}

#[test]
fn a_text_comes_back_as_it_was() {
    let read = read(WHOLE).expect("a machine");
    let written = write(&read.spec);
    assert_eq!(written.remarks, []);
    let (one, two) = (documents(WHOLE), documents(&written.text));
    assert_eq!(one.len(), two.len());
    let mut found = Vec::new();
    for (one, two) in one.iter().zip(&two) {
        crate::json::differing(one, two, "", &mut found);
    }
    assert!(found.is_empty(), "{found:#?}");
    // Over our own format too.
    let toml = convert(Format::Kubevirt, Format::Toml, WHOLE).expect("TOML").text;
    let back = convert(Format::Toml, Format::Kubevirt, &toml).expect("YAML");
    assert_eq!(documents(&back.text), one, "{:?}", back.remarks);
    assert_eq!(back.remarks, []);
}

#[test]
fn edits_and_what_only_the_cluster_knows_live_side_by_side() {
    let mut spec = spec(WHOLE);
    spec.name = "web-2".to_owned();
    spec.disks.remove(0);
    spec.memory.size = "6GiB".to_owned();
    spec.cpu.model = "host".to_owned();
    spec.networks.remove(0);
    let (document, _) = DIALECT.write(&spec);
    let instance = &document["spec"]["template"]["spec"];
    assert_eq!(document["metadata"]["name"], "web-2");
    assert_eq!(instance["domain"]["memory"]["guest"], "6Gi");
    assert_eq!(instance["domain"]["cpu"]["model"], "host-passthrough");
    assert_eq!(instance["domain"]["cpu"]["dedicatedCpuPlacement"], true);
    let names = |list: &Value| -> Vec<String> {
        list.as_array()
            .into_iter()
            .flatten()
            .map(|one| one["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(names(&instance["domain"]["devices"]["disks"]), ["root", "media", "seed", "gone"]);
    assert_eq!(names(&instance["volumes"]), ["seed", "config", "root", "files", "dump"]);
    assert_eq!(names(&instance["networks"]), ["pod", "fast"]);
    assert!(instance["volumes"][0]["cloudInitNoCloud"]["userData"].is_string());
    assert_eq!(names(&instance["domain"]["devices"]["interfaces"]), ["pod", "fast"]);
}

#[test]
fn a_disk_that_lies_elsewhere_by_now_is_a_file_of_the_node() {
    let mut spec = spec(WHOLE);
    spec.disks[1].path = Some("/srv/root.img".to_owned());
    spec.disks[1].format = DiskFormat::Raw;
    let (document, _) = DIALECT.write(&spec);
    let volumes = document["spec"]["template"]["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    let root = volumes.iter().find(|one| one["name"] == "root").expect("a volume");
    assert_eq!(root["hostDisk"]["path"], "/srv/root.img");
    assert!(root.get("containerDisk").is_none());
}

#[test]
fn a_machine_of_another_kind_says_item_by_item_what_is_lost() {
    let mut spec = MachineSpec::named("Web_1");
    spec.cpu.count = 3;
    spec.memory.size = "1GiB".to_owned();
    spec.boot.kernel = Some("/k".to_owned());
    let nbd = Disk { nbd: Some(vmwright_model::machine::Nbd::default()), ..Disk::empty(DiskFormat::Raw) };
    spec.disks =
        vec![Disk::at("/srv/a.qcow2", DiskFormat::Qcow2), nbd, Disk::at("/srv/b.img", DiskFormat::Raw)];
    spec.networks = vec![
        Network { bridge: Some("br0".into()), ..Network::of(NetworkKind::Bridge) },
        Network::of(NetworkKind::User),
        Network::of(NetworkKind::User),
        Network { parent: Some("0000:01:00.0".into()), ..Network::of(NetworkKind::Hostdev) },
    ];
    let written = write(&spec);
    let told: Vec<(&str, Effect)> =
        written.remarks.iter().map(|one| (one.item.as_str(), one.effect)).collect();
    for expected in [
        ("name", Effect::Approximated),
        ("boot.kernel", Effect::Lost),
        ("disk.0.format", Effect::Approximated),
        ("disk.1", Effect::Lost),
        ("network.2", Effect::Lost),
        ("network.3", Effect::Lost),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not among {told:?}");
    }
    assert_eq!(told.len(), 6, "{:#?}", written.remarks);
    let document = &documents(&written.text)[0];
    let instance = &document["spec"]["template"]["spec"];
    assert_eq!(document["metadata"]["name"], "web-1");
    assert_eq!(instance["domain"]["cpu"]["cores"], 3);
    assert_eq!(instance["networks"][0]["multus"]["networkName"], "br0");
    assert_eq!(instance["domain"]["devices"]["autoattachGraphicsDevice"], false);
}

#[test]
fn what_goes_without_saying_is_read_and_stays_unsaid() {
    let text = "apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nmetadata:\n  name: small\nspec:\n  domain:\n    resources:\n      requests:\n        memory: 64M\n        cpu: 1500m\n  volumes:\n  - name: root\n    persistentVolumeClaim:\n      claimName: root\n";
    let spec = spec(text);
    assert_eq!((spec.memory.size.as_str(), spec.cpu.count), ("62500KiB", 2));
    assert_eq!(spec.networks[0].kind, NetworkKind::User);
    assert_eq!(spec.disks[0].bus, Some(DiskBus::Sata));
    assert_eq!(documents(&write(&spec).text), documents(text));
}

#[test]
fn keys_and_objects_are_named_with_their_lines() {
    let text = "apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nmetadata: {name: x}\nspec:\n  domain:\n    devices: {}\n    memroy:\n      guest: 1Gi\n";
    let remarks = convert(Format::Kubevirt, Format::Qemu, text).expect("a line").remarks;
    let told: Vec<String> = remarks.iter().map(|one| format!("{}: {}", one.item, one.why)).collect();
    assert!(
        told.contains(
            &"spec/domain/memroy: line 7: KubeVirt has no such key; did you mean `memory`?".to_owned()
        ),
        "{told:#?}"
    );
    assert_eq!(told.iter().filter(|one| one.contains("memroy")).count(), 1);
    let two = format!("{text}---\n{text}");
    let error = read(&two).expect_err("two machines").to_string();
    assert_eq!(
        error,
        "line 10: the text has several machines, one is translated at a time: VirtualMachineInstance `x` (line 1), VirtualMachineInstance `x` (line 10)"
    );
    let error = read("apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n").expect_err("a pod").to_string();
    assert!(
        error.starts_with("line 1: no object of the text is a machine") && error.contains("Pod `p`"),
        "{error}"
    );
}

#[test]
fn a_machine_in_a_list_a_set_or_a_pool_is_found() {
    for (kind, version, above) in [
        (
            "VirtualMachineInstanceReplicaSet",
            "kubevirt.io/v1alpha3",
            "spec: {replicas: 2, template: {spec: {INNER}}}",
        ),
        (
            "VirtualMachinePool",
            "pool.kubevirt.io/v1beta1",
            "spec: {virtualMachineTemplate: {spec: {template: {spec: {INNER}}}}}",
        ),
    ] {
        let inner = "domain: {devices: {}, memory: {guest: 2Gi}}";
        let text = format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n{}\n",
            above.replace("INNER", inner)
        );
        let spec = spec(&text);
        assert_eq!(spec.memory.size, "2GiB", "{kind}");
        assert_eq!(documents(&write(&spec).text), documents(&text));
    }
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: kubevirt.io/v1\n  kind: VirtualMachineInstance\n  metadata: {name: small}\n  spec: {domain: {devices: {}}}\n";
    assert_eq!(spec(list).name, "small");
}

/// Objects with every key there is, and some that are not, right and wrong.
fn any_object() -> impl Strategy<Value = Value> {
    crate::json::mangled(documents(WHOLE).swap_remove(0))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_object_comes_back_as_it_was(value in any_object()) {
        let Ok(read) = read(&yaml::print(&value)) else { return Ok(()) };
        let (back, _) = DIALECT.write(&read.spec);
        let mut found = Vec::new();
        crate::json::differing(&value, &back, "", &mut found);
        prop_assert!(back == value, "{:#?}\nforeign: {:#?}", found, read.spec.foreign);
    }
}
