#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::topology;
use crate::Reading;
use vmwright_formats::{DomainXml, HugePages, IommuGroups, Lspci, MemInfo, Numa, PciDevices, View};
use vmwright_model::{Kind, Record, Snapshot, Topology};

fn of(vm: Option<&str>, texts: &[(&str, Kind, &str)]) -> Topology {
    let records =
        texts.iter().map(|(source, kind, text)| Record::new(*source, kind.clone(), *text)).collect();
    let snapshot = Snapshot { vm: vm.map(str::to_owned), records, ..Snapshot::default() };
    topology(&Reading::new(&snapshot, ""))
}

const NUMA: &str = "available: 2 nodes (0-1)
node 0 cpus: 0 2 4 6
node 0 size: 64000 MB
node 0 free: 1000 MB
node 1 cpus: 1 3 5 7
node 1 size: 64000 MB
node 1 free: 60000 MB
";

#[test]
fn nodes_have_their_cpus_memory_and_huge_pages() {
    let pools = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages:512
/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages:100
/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages:512
";
    let made = of(None, &[("numa", Numa::KIND, NUMA), ("pools", HugePages::KIND, pools)]);
    assert_eq!(made.nodes.len(), 2);
    assert_eq!(made.nodes[0].cpus.0, [(0, 0), (2, 2), (4, 4), (6, 6)]);
    assert_eq!((made.nodes[1].memory, made.nodes[1].free), (Some(64_000 << 20), Some(60_000 << 20)));
    assert!(made.nodes[0].pools.is_empty());
    let pool = &made.nodes[1].pools[0];
    assert_eq!((pool.page, pool.total, pool.free), (2 << 20, 512, Some(100)));
    assert!(made.lacking.iter().any(|one| one.contains("PCI devices were not read")), "{:?}", made.lacking);
}

#[test]
fn the_files_of_a_live_host_tell_the_same() {
    let node = |file: &str| format!("/sys/devices/system/node/node0/{file}");
    let made = of(
        None,
        &[
            (&node("cpulist"), Kind::TEXT, "0-3,8\n"),
            (&node("meminfo"), Kind::TEXT, "Node 0 MemTotal:  2048 kB\nNode 0 MemFree:  1024 kB\n"),
            (&node("hugepages/hugepages-1048576kB/nr_hugepages"), Kind::TEXT, "4\n"),
        ],
    );
    let [node] = &*made.nodes else { panic!("{made:?}") };
    assert_eq!((node.cpus.to_string().as_str(), node.cpus.count()), ("0-3,8", 5));
    assert_eq!((node.memory, node.free), (Some(2 << 20), Some(1 << 20)));
    assert_eq!((node.pools[0].page, node.pools[0].total, node.pools[0].free), (1 << 30, 4, None));
}

#[test]
fn memory_of_a_host_without_nodes_is_that_of_its_one() {
    let made = of(
        None,
        &[
            ("/sys/devices/system/cpu/online", Kind::TEXT, "0-1\n"),
            (
                "/proc/meminfo",
                MemInfo::KIND,
                "MemTotal: 4096 kB\nMemFree: 4 kB\nHugepagesize: 2048 kB\nHugePages_Total: 3\n",
            ),
        ],
    );
    let [node] = &*made.nodes else { panic!("{made:?}") };
    assert_eq!((node.cpus.count(), node.memory, node.pools[0].total), (2, Some(4 << 20), 3));
}

#[test]
fn functions_hang_under_their_bridges_whoever_tells_of_them() {
    let probe = "0000:00:01.0 class 0x060400
0000:00:01.0 driver pcieport
0000:00:01.0 iommu_group 1
0000:01:00.0 class 0x030000
0000:01:00.0 driver vfio-pci
0000:01:00.0 iommu_group 1
0000:01:00.0 numa_node 1
0000:01:00.0 parent 0000:00:01.0
";
    let names = "01:00.0 VGA compatible controller [0300]: NVIDIA Corporation GP104 [10de:1b80] (rev a1)\n";
    let made = of(None, &[("lspci", Lspci::KIND, names), ("pci-devices", PciDevices::KIND, probe)]);
    let [port, gpu] = &*made.functions else { panic!("{made:?}") };
    assert!(port.bridge && port.parent.is_none() && port.what == "PCI bridge", "{port:?}");
    assert_eq!(gpu.parent.as_deref(), Some("0000:00:01.0"));
    assert_eq!((gpu.driver.as_deref(), gpu.group, gpu.node), (Some("vfio-pci"), Some(1), Some(1)));
    assert!(gpu.what.ends_with("NVIDIA Corporation GP104"), "{gpu:?}");

    let listing = "00:1c.0 PCI bridge: Intel Corporation Root Port\n\tBus: primary=00, secondary=05, subordinate=05, sec-latency=0\n\n05:00.0 Ethernet controller: Intel Corporation I210\n\tIOMMU group: 14\n";
    let groups = "IOMMU Group 15 06:00.0 Audio device [0403]: Someone [1234:5678]\n";
    let made = of(None, &[("lspci", Lspci::KIND, listing), ("groups", IommuGroups::KIND, groups)]);
    let [_, card, sound] = &*made.functions else { panic!("{made:?}") };
    assert_eq!((card.parent.as_deref(), card.group), (Some("0000:00:1c.0"), Some(14)));
    assert_eq!((sound.address.as_str(), sound.group), ("0000:06:00.0", Some(15)));
}

#[test]
fn vms_have_what_they_are_bound_to_and_the_one_in_question_is_first() {
    let xml = |name: &str, more: &str| {
        format!("<domain type='kvm'><name>{name}</name><vcpu cpuset='4-5'>2</vcpu>{more}</domain>\n")
    };
    let gpu = "<devices><hostdev mode='subsystem' type='pci'><source><address domain='0' bus='0x01' slot='0' function='0'/></source></hostdev></devices>";
    let pinned = "<cputune><vcpupin vcpu='0' cpuset='2'/></cputune><numatune><memory mode='strict' nodeset='1'/></numatune>";
    let plain = "<domain type='kvm'><name>plain</name><vcpu>2</vcpu></domain>";
    let made = of(
        Some("web"),
        &[
            ("a.xml", DomainXml::KIND, &xml("app", gpu)),
            ("b.xml", DomainXml::KIND, plain),
            ("c.xml", DomainXml::KIND, &xml("web", pinned)),
        ],
    );
    let [web, app] = &*made.placements else { panic!("{made:?}") };
    assert_eq!((web.vm.as_str(), web.nodes.to_string().as_str()), ("web", "1"));
    assert_eq!(
        web.pins.iter().map(|(vcpu, set)| (*vcpu, set.to_string())).collect::<Vec<_>>(),
        [(0, "2".to_owned())]
    );
    assert_eq!((app.devices.as_slice(), app.pins.len()), (&["0000:01:00.0".to_owned()][..], 2));
}

#[test]
fn a_host_without_groups_is_told_from_one_whose_groups_nobody_read() {
    let probe = "0000:00:01.0 class 0x020000\n0000:00:01.0 iommu_group -\n";
    let says = |kind: Kind, text: &str| of(None, &[("pci", kind, text)]).lacking.join("\n");
    assert!(says(PciDevices::KIND, probe).contains("this host has none"));
    let listing = "00:01.0 Ethernet controller: Intel Corporation I210\n";
    assert!(says(Lspci::KIND, listing).contains("IOMMU groups were not read"));
}

#[test]
fn where_nothing_was_read_there_is_nothing_but_what_would_tell() {
    let made = of(None, &[]);
    assert!(made.nodes.is_empty() && made.functions.is_empty() && made.placements.is_empty());
    assert_eq!(made.lacking.len(), 2, "{:?}", made.lacking);
}
