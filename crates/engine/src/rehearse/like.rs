//! What a lab copies of a host, from its capture: what its hardware is like, and what is done in it. Pure. What cannot be copied is
//! told.

use super::host::Host;
use super::stage::{LAB_GRUB, LAB_GRUB_TEXT, file, word};
use vmwright_formats::View as _;
use vmwright_formats::cpuinfo::CpuInfo;
use vmwright_formats::ip_addr::IpAddr;
use vmwright_formats::links::Links;
use vmwright_formats::lsmod::LsMod;
use vmwright_formats::packages::Packages;
use vmwright_formats::pci_devices::{PciDevices, PciFacts};
use vmwright_lab::likeness::{Function, Kind, Likeness};

/// Features of the lab's processor that are switched off where the host has none: the kernel's name and QEMU's.
const OFF: [(&str, &str); 19] = [
    ("abm", "abm"),
    ("adx", "adx"),
    ("aes", "aes"),
    ("avx", "avx"),
    ("avx2", "avx2"),
    ("bmi1", "bmi1"),
    ("bmi2", "bmi2"),
    ("clflushopt", "clflushopt"),
    ("f16c", "f16c"),
    ("fma", "fma"),
    ("fsgsbase", "fsgsbase"),
    ("movbe", "movbe"),
    ("pdpe1gb", "pdpe1gb"),
    ("rdrand", "rdrand"),
    ("rdseed", "rdseed"),
    ("sha_ni", "sha-ni"),
    ("smap", "smap"),
    ("smep", "smep"),
    ("sse4a", "sse4a"),
];

/// Features that QEMU's translator has and the lab's model has not.
const ON: [(&str, &str); 5] =
    [("clwb", "clwb"), ("erms", "erms"), ("la57", "la57"), ("pku", "pku"), ("umip", "umip")];

/// Most nodes: each takes a processor.
const NODES: usize = 4;
/// Least memory of a node, in MiB: the kernel leaves smaller ones aside.
const NODE_MIN: u64 = 256;
/// Most functions that are stood in for: the firmware takes its time for each.
const FUNCTIONS: usize = 16;
/// Most of anything that one line lists.
const LISTED: usize = 12;

/// What of the hardware a lab with `memory` MiB has, and what it has not.
pub(super) fn hardware(host: &Host<'_>, memory: u64) -> (Likeness, Vec<String>) {
    let (mut likeness, mut not) = (Likeness::default(), Vec::new());
    processor(host, &mut likeness, &mut not);
    nodes(host, memory, &mut likeness, &mut not);
    functions(host, &mut likeness, &mut not);
    (likeness, not)
}

fn processor(host: &Host<'_>, likeness: &mut Likeness, not: &mut Vec<String>) {
    let Some(cpu) = host.kind::<CpuInfo>() else {
        not.push("the processor: /proc/cpuinfo was not read".to_owned());
        return;
    };
    if let Some(name) = &cpu.model_name {
        // CPUID has room for 48 bytes.
        likeness.processor = name.value.chars().filter(|one| (' '..='~').contains(one)).take(47).collect();
    }
    if let Some(vendor) = cpu.vendor.as_ref().filter(|vendor| vendor.value != "AuthenticAMD") {
        not.push(format!(
            "the processor's vendor {}: QEMU's translator has KVM for AMD's processors alone",
            vendor.value.escape_debug()
        ));
    }
    if cpu.flags.is_some() {
        let has = |flag: &str| cpu.has_flag(flag) == Some(true);
        let named = |all: &[(&str, &str)], wanted: bool| {
            let those = all.iter().filter(|(flag, _)| has(flag) == wanted);
            those.map(|(_, name)| (*name).to_owned()).collect::<Vec<_>>()
        };
        (likeness.without, likeness.with) = (named(&OFF, false), named(&ON, true));
    }
    if cpu.count > 2 {
        not.push(format!("{} processors: the lab has as many as nodes, and two at least", cpu.count));
    }
}

/// The nodes with their share of the lab's memory.
fn nodes(host: &Host<'_>, memory: u64, likeness: &mut Likeness, not: &mut Vec<String>) {
    let mut sizes: Vec<(u32, u64)> = host
        .sources()
        .filter_map(|(source, text)| {
            let node = source.strip_prefix("/sys/devices/system/node/node")?.strip_suffix("/meminfo")?;
            let line = text.lines().find(|line| line.contains("MemTotal:"))?;
            let kib = line.split_ascii_whitespace().rev().nth(1)?;
            Some((node.parse().ok()?, kib.parse().ok()?))
        })
        .collect();
    sizes.sort_unstable();
    if sizes.is_empty() {
        not.push("NUMA nodes: their memory was not read".to_owned());
        return;
    }
    if sizes.len() > NODES {
        not.push(format!("{} NUMA nodes: the lab has {NODES}", sizes.len()));
        sizes.truncate(NODES);
    }
    let whole: u64 = sizes.iter().map(|(_, kib)| kib).sum::<u64>().max(1);
    let mut left = memory;
    for (at, (_, kib)) in sizes.iter().enumerate() {
        let behind = NODE_MIN * u64::try_from(sizes.len() - at - 1).unwrap_or(0);
        let share =
            u64::try_from(u128::from(memory) * u128::from(*kib) / u128::from(whole)).unwrap_or(memory);
        // The last one takes what rounding left.
        let size = if behind == 0 { left } else { (share & !1).clamp(NODE_MIN, left - behind) };
        likeness.nodes.push(size);
        left -= size;
    }
}

fn functions(host: &Host<'_>, likeness: &mut Likeness, not: &mut Vec<String>) {
    let Some(all) = host.kind::<PciDevices>() else {
        not.push("PCI functions: they were not read".to_owned());
        return;
    };
    // Bridges are made as the functions need them.
    let is_bridge = |one: &PciFacts| one.class().is_some_and(|class| class >> 16 == 0x06);
    let (mut placed, mut left) = (Vec::new(), Vec::new());
    for one in all.devices.iter().filter(|one| !is_bridge(one)) {
        let address = one.address;
        let fits = address.domain == 0 && address.bus > 0 && address.slot == 0;
        if fits && placed.len() < FUNCTIONS {
            placed.push((Function { bus: address.bus, function: address.function, kind: kind(one) }, one));
        } else {
            left.push(one);
        }
    }
    // Without its first function the others of a slot are not found.
    let first = |bus: u8| placed.iter().any(|(one, _)| one.bus == bus && one.function == 0);
    let (good, others): (Vec<_>, Vec<_>) = placed.iter().cloned().partition(|(one, _)| first(one.bus));
    left.extend(others.into_iter().map(|(_, one)| one));
    likeness.functions = good.iter().map(|(one, _)| one.clone()).collect();
    for gone in likeness.fit() {
        left.extend(good.iter().filter(|(one, _)| *one == gone).map(|(_, one)| *one));
    }
    for one in good.iter().filter(|(one, _)| likeness.functions.contains(one)) {
        let ids = one.1.get("id").map_or_else(|| "?".to_owned(), |id| id.value.to_owned());
        not.push(format!(
            "the ids {} of {}: another device stands for it",
            ids.escape_debug(),
            one.1.address
        ));
    }
    left.sort_unstable_by_key(|one| one.address);
    if !left.is_empty() {
        let addresses: Vec<String> = left.iter().map(|one| one.address.to_string()).collect();
        not.push(format!("PCI functions that have no place in the lab: {}", listed(&addresses)));
    }
}

fn kind(one: &PciFacts) -> Kind {
    match one.class().unwrap_or(0) >> 8 {
        0x0200 => Kind::Network,
        0x0108 => Kind::Nvme,
        0x0300 | 0x0302 | 0x0380 => Kind::Display,
        0x0c03 => Kind::Usb,
        _ => Kind::Other,
    }
}

/// The first of several, and how many more there are.
pub(super) fn listed(all: &[String]) -> String {
    let more = all.len().saturating_sub(LISTED);
    let first = all[..all.len() - more].join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

/// What is done in the lab: scripts by what they make, in their order. A script that fails is what was not copied.
pub(super) fn dress(host: &Host<'_>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    const FOLDERS: [&str; 3] = ["/etc/modprobe.d/", "/etc/modules-load.d/", "/etc/sysctl.d/"];
    let mut files = String::new();
    for (source, text) in host.sources() {
        if FOLDERS.iter().any(|folder| source.starts_with(folder)) || source == "/etc/sysctl.conf" {
            files.push_str(&file(&source, text));
        }
    }
    if !files.is_empty() {
        files.push_str("sysctl -q --system 2>&1 | sed 's/^sysctl: //' >&2 || true\n");
        all.push(("options of modules, and values of the kernel".to_owned(), files));
    }
    let grub = |source: &str| source == "/etc/default/grub" || source.starts_with("/etc/default/grub.d/");
    let defaults: String =
        host.sources().filter(|(source, _)| grub(source)).map(|(source, text)| file(&source, text)).collect();
    let parameters = host.parameters();
    if !defaults.is_empty() {
        let script = format!("{defaults}{}update-grub >/dev/null 2>&1\n", file(LAB_GRUB, LAB_GRUB_TEXT));
        all.push(("the settings of GRUB".to_owned(), script));
    } else if !parameters.is_empty() {
        let line = format!("GRUB_CMDLINE_LINUX_DEFAULT=\"{} console=ttyS0\"\n", parameters.join(" "));
        let text = format!("{LAB_GRUB_TEXT}{line}");
        let script = format!("{}update-grub >/dev/null 2>&1\n", file(LAB_GRUB, &text));
        all.push((format!("the kernel's parameters {}", parameters.join(" ")), script));
    }
    all.extend(bridges(host));
    for (source, xml) in host.sources() {
        if let Some(name) = source.strip_prefix("virsh -r net-dumpxml ") {
            let script = format!(
                "virsh -q net-info {0} >/dev/null 2>&1 || {{\n{1}virsh -q net-define /root/network.xml >/dev/null\n}}\n",
                word(name),
                file("/root/network.xml", xml)
            );
            all.push((format!("libvirt's network {name}"), script));
        }
    }
    for (name, _) in host.domains() {
        // Why it cannot be told is what is told.
        let script = host.domain(&name).unwrap_or_else(|why| format!("sorry {}\n", word(&why)));
        all.push((format!("libvirt's domain {name}"), script));
    }
    all
}

/// Bridges of the host but the one that it is reached by, and those that libvirt and containers make by themselves.
fn bridges(host: &Host<'_>) -> Vec<(String, String)> {
    let Some(links) = host.kind::<Links>() else { return Vec::new() };
    let addresses = host.kind::<IpAddr>().unwrap_or_default();
    let uplink = host.uplink().map(|uplink| uplink.top);
    let made =
        |name: &str| ["virbr", "docker", "br-", "cni", "podman"].iter().any(|kind| name.starts_with(kind));
    let own = links.links.iter().filter(|link| link.is_bridge() && !made(&link.name));
    let own = own.filter(|link| Some(&link.name) != uplink.as_ref());
    own.map(|link| {
        let name = &link.name;
        let given = addresses.get(name).map_or_else(Vec::new, |link| {
            let global = link.addresses.iter().filter(|address| !address.value.starts_with("fe80:"));
            global.map(|address| format!("Address={}\n", address.value)).collect::<Vec<_>>()
        });
        let network = format!(
            "[Match]\nName={name}\n\n[Network]\nConfigureWithoutCarrier=yes\nLinkLocalAddressing=no\n{}",
            given.concat()
        );
        let folder = "/etc/systemd/network";
        let script = format!(
            "{}{}networkctl reload\n",
            file(&format!("{folder}/30-{name}.netdev"), &format!("[NetDev]\nName={name}\nKind=bridge\n")),
            file(&format!("{folder}/30-{name}.network"), &network)
        );
        (format!("the bridge {name}"), script)
    })
    .collect()
}

/// What is looked at in the lab at the end: `cpuinfo` and `modules` of it, and `packages` as dpkg lists them.
pub(super) fn compared(host: &Host<'_>, cpuinfo: &str, packages: &str) -> Vec<String> {
    let mut not = Vec::new();
    if let (Some(theirs), Some(ours)) = (host.kind::<CpuInfo>(), Some(CpuInfo::read(cpuinfo).0)) {
        let theirs = theirs.flags.map(|flags| flags.value).unwrap_or_default();
        let gone: Vec<String> =
            theirs.into_iter().filter(|flag| ours.has_flag(flag) == Some(false)).collect();
        if !gone.is_empty() {
            not.push(format!("features of the processor: {}", listed(&gone)));
        }
    }
    if let Some(theirs) = host.kind::<Packages>() {
        let ours = Packages::read(packages).0;
        let all = theirs.packages.iter().filter(|one| one.installed);
        let (mut gone, mut others) = (Vec::new(), Vec::new());
        for one in all {
            match ours.get(&one.name) {
                None => gone.push(one.name.clone()),
                Some(own) if own.version != one.version => {
                    others.push(format!("{} {} ({} in the lab)", one.name, one.version, own.version));
                }
                Some(_) => {}
            }
        }
        if !gone.is_empty() {
            not.push(format!("packages: {}", listed(&gone)));
        }
        if !others.is_empty() {
            not.push(format!("versions of packages: {}", listed(&others)));
        }
    }
    not
}

/// The script that loads the host's modules, and says which it could not.
pub(super) fn modules(host: &Host<'_>) -> Option<String> {
    let modules = host.kind::<LsMod>()?;
    let fits =
        |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    let names: Vec<&str> = modules.modules.iter().map(|one| one.name.as_str()).filter(fits).collect();
    Some(format!(
        ": >/etc/modules-load.d/zz-host.conf\nfor one in {}; do\n if modprobe -q -- \"$one\" 2>/dev/null; then echo \"$one\" >>/etc/modules-load.d/zz-host.conf\n else test -d /sys/module/\"$one\" || echo \"$one\"; fi\ndone\n",
        names.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_formats::domain_xml::DomainXml;
    use vmwright_model::{Kind as Text, Record, Snapshot};

    fn snapshot() -> Snapshot {
        let pci = "0000:00:1f.0 class 0x060100\n0000:00:02.0 class 0x030000\n0000:41:00.0 class 0x020000\n0000:41:00.0 id 8086:1572\n0000:41:00.1 class 0x020000\n0000:41:00.1 id 8086:1572\n0000:c1:00.1 class 0x010802\n";
        let cpu = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R)\nflags\t\t: fpu avx2 vmx umip\n";
        let node = |at: u32, kib: u64| {
            Record::new(
                format!("/sys/devices/system/node/node{at}/meminfo"),
                Text::TEXT,
                format!("Node {at} MemTotal:       {kib} kB\n"),
            )
        };
        Snapshot {
            records: vec![
                Record::new("/proc/cpuinfo", CpuInfo::KIND, cpu),
                Record::new("pci-devices", PciDevices::KIND, pci),
                node(0, 196_608_000),
                node(1, 65_536_000),
                Record::new("/proc/cmdline", Text::TEXT, "root=UUID=1 ro iommu=pt hugepages=8\n"),
                Record::new("/etc/modprobe.d/kvm.conf", Text::TEXT, "options kvm_amd nested=0\n"),
                Record::new("links", Links::KIND, "br7 devtype bridge\nvirbr0 devtype bridge\n"),
                Record::new(
                    "ip -d address",
                    IpAddr::KIND,
                    "2: br7: <UP> mtu 1500\n    inet 198.51.100.1/24 scope global br7\n",
                ),
                Record::new(
                    "virsh -r dumpxml db",
                    DomainXml::KIND,
                    "<domain><name>db</name><devices><disk type='block'><source dev='/dev/sdb'/><target dev='vda'/></disk></devices></domain>",
                ),
            ],
            ..Snapshot::default()
        }
    }

    #[test]
    fn hardware_is_copied_as_far_as_it_goes_and_the_rest_is_told() {
        let read = snapshot();
        let (likeness, not) = hardware(&Host::of(&read), 2048);
        assert_eq!(likeness.processor, "Intel(R) Xeon(R)");
        assert!(likeness.with == ["umip"] && likeness.without.contains(&"aes".to_owned()), "{likeness:?}");
        assert!(!likeness.without.contains(&"avx2".to_owned()));
        assert_eq!(likeness.nodes, [1536, 512]);
        assert_eq!(likeness.functions.len(), 2);
        let not = not.join("\n");
        for told in [
            "vendor GenuineIntel",
            "ids 8086:1572 of 0000:41:00.0",
            "no place in the lab: 0000:00:02.0, 0000:c1:00.1",
        ] {
            assert!(not.contains(told), "{told} is not in {not}");
        }
    }

    #[test]
    fn small_nodes_stay_large_enough_for_a_kernel() {
        let node = |at: u32, kib: u64| {
            let text = format!("Node {at} MemTotal: {kib} kB\n");
            Record::new(format!("/sys/devices/system/node/node{at}/meminfo"), Text::TEXT, text)
        };
        let read = Snapshot {
            records: (0..6).map(|at| node(at, if at == 0 { 900_000_000 } else { 1 })).collect(),
            ..Snapshot::default()
        };
        let (likeness, not) = hardware(&Host::of(&read), 2048);
        assert_eq!(likeness.nodes, [1280, 256, 256, 256]);
        assert!(not.iter().any(|line| line.contains("6 NUMA nodes")), "{not:?}");
    }

    #[test]
    fn what_is_done_in_the_lab_is_the_hosts_own() {
        let read = snapshot();
        let all = dress(&Host::of(&read));
        let text = all.iter().map(|(what, script)| format!("{what}\n{script}")).collect::<String>();
        for told in [
            "options kvm_amd nested=0",
            "iommu=pt hugepages=8",
            "Address=198.51.100.1/24",
            "sorry 'disk /dev/sdb of db",
        ] {
            assert!(text.contains(told), "{told} is not in {text}");
        }
        assert!(!text.contains("UUID=1") && !text.contains("virbr0"), "{text}");
    }

    #[test]
    fn what_differs_in_the_end_is_told() {
        let read = snapshot();
        let not = compared(&Host::of(&read), "processor\t: 0\nflags\t\t: fpu avx2\n", "");
        assert_eq!(not, ["features of the processor: umip, vmx"]);
        assert_eq!(
            listed(&(0..20).map(|at| at.to_string()).collect::<Vec<_>>()),
            "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more"
        );
    }
}
