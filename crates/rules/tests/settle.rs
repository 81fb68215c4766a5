//! What rules offer to do on a running host, by its state alone: each action expects what was read.

use vmwright_model::plan::{DomainEdit, Generator, Owner, QmpValue, ServiceState, Setting};
use vmwright_model::{Action, Applicability, Finding, Kind, Missing, Record, Snapshot, Verdict};
use vmwright_rules::{Reading, entry, ranking};

/// Source, kind and text of each record.
type Records<'a> = &'a [(&'a str, &'static str, &'a str)];

fn finding(rule: &str, records: Records<'_>) -> Option<Finding> {
    let record =
        |(source, kind, text): &(&str, &'static str, &str)| Record::new(*source, Kind::new(kind), *text);
    let snapshot =
        Snapshot { live: true, records: records.iter().map(record).collect(), ..Snapshot::default() };
    let reading = Reading::new(&snapshot, "");
    let verdicts = ranking::judge(entry(rule).expect("it is in the catalogue"), &reading);
    verdicts.into_iter().find_map(|verdict| match verdict {
        Verdict::Fired(finding) => Some(finding),
        _ => None,
    })
}

fn actions(rule: &str, records: Records<'_>) -> Vec<Action> {
    let fix = finding(rule, records).unwrap_or_else(|| panic!("{rule} does not fire")).fix;
    // A plan takes no other.
    assert!(fix.actions.is_empty() || fix.applicability != Applicability::ManualOnly, "{rule}: {fix:?}");
    fix.actions
}

const DOMAIN: &str = "<domain type='kvm'>\n  <name>web</name>\n  <memory unit='KiB'>98304</memory>\n  <os>\n    <type arch='x86_64' machine='pc-q35-9.2'>hvm</type>\n    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.gone.fd</loader>\n    <nvram>/n/web.fd</nvram>\n  </os>\n  <memoryBacking><hugepages/></memoryBacking>\n  <devices>\n    <disk type='file' device='disk'><source file='/srv/vms/web.qcow2'/></disk>\n    <interface type='network'>\n      <source network='default'/>\n    </interface>\n    <hostdev mode='subsystem' type='pci' managed='no'>\n      <source><address domain='0' bus='0' slot='0x1c' function='0'/></source>\n    </hostdev>\n    <hostdev mode='subsystem' type='pci' managed='yes'>\n      <source><address domain='0' bus='1' slot='0x10' function='2'/></source>\n    </hostdev>\n  </devices>\n</domain>\n";
const KEPT: (&str, &str, &str) = ("/etc/libvirt/qemu/web.xml", "domain_xml", DOMAIN);

#[test]
fn kvm_comes_back_by_its_module_and_its_group() {
    let probe = (
        "kvm-probe",
        "kvm_probe",
        "open: absent\napi: none\nverdict: unusable\nreason: there is no /dev/kvm\n",
    );
    let processor = ("/proc/cpuinfo", "text", "processor\t: 0\nflags\t\t: fpu svm npt\n");
    let modules = ("lsmod", "lsmod", "Module                  Size  Used by\nkvm                  1000  0\n");
    let load = Action::ModuleLoad { module: "kvm_amd".into(), parameters: Vec::new() };
    assert_eq!(actions("kvm/device-missing", &[probe, processor, modules]), [load]);
    let kernels_own = ("/proc/modules", "lsmod", "kvm 1000 0 - Live 0x0000000000000000\n");
    assert_eq!(
        actions("kvm/device-missing", &[kernels_own, probe, processor, modules]).len(),
        1,
        "of two lists the one that is whole"
    );
    let node = ("kvm-probe", "kvm_probe", "open: no such device\napi: none\nverdict: unusable\nreason: x\n");
    assert_eq!(
        actions("kvm/device-missing", &[node, processor, modules]).len(),
        1,
        "a node without a module"
    );
    let none = ("/proc/cpuinfo", "text", "processor\t: 0\nflags\t\t: fpu\n");
    assert_eq!(actions("kvm/device-missing", &[probe, none, modules]), []);

    let nodes =
        ("device-nodes", "file_listing", "crw------- 1 root root ? 10, 232 1970-01-01 00:00 /dev/kvm\n");
    let groups = ("/etc/group", "group_file", "root:x:0:\nkvm:x:104:\n");
    let owner = Action::FileOwner {
        path: "/dev/kvm".into(),
        from: Owner { user: 0, group: 0 },
        to: Owner { user: 0, group: 104 },
    };
    let mode = Action::FileMode { path: "/dev/kvm".into(), from: 0o600, to: 0o660 };
    assert_eq!(actions("kvm/device-permission", &[nodes, groups, KEPT]), [owner, mode]);
    let as_root = ("/etc/libvirt/qemu.conf", "text", "user = \"root\"\n");
    assert!(
        finding("kvm/device-permission", &[nodes, groups, KEPT, as_root]).is_none(),
        "libvirt's VMMs are root's"
    );
    assert!(finding("kvm/device-permission", &[nodes, groups]).is_none(), "nobody else wants it");
}

#[test]
fn daemons_are_started_that_somebody_needs() {
    let start = |unit: &str, enabled: bool, at_boot: bool| Action::Service {
        unit: unit.into(),
        from: ServiceState { active: false, enabled },
        to: ServiceState { active: true, enabled: at_boot },
    };
    let down = (
        "services",
        "services",
        "libvirtd.service inactive disabled\novs-vswitchd.service inactive disabled\n",
    );
    let nodes = (
        "device-nodes",
        "file_listing",
        "srwxrwxrwx 1 root root ? 0 1970-01-01 00:00 /run/libvirt/virtlogd-sock\n",
    );
    assert_eq!(
        actions("libvirt/daemon-not-running", &[down, nodes, KEPT]),
        [start("libvirtd.service", false, true)]
    );
    let listens = (
        "device-nodes",
        "file_listing",
        "srwxrwxrwx 1 root root ? 0 1970-01-01 00:00 /run/libvirt/libvirt-sock\n",
    );
    assert!(
        finding("libvirt/daemon-not-running", &[down, listens, KEPT]).is_none(),
        "systemd listens for it"
    );
    assert!(finding("libvirt/daemon-not-running", &[down, nodes]).is_none(), "it has no domain");

    let switches =
        ("/etc/openvswitch/conf.db", "text", "OVSDB JSON 1 2\n{\"Bridge\":{\"1\":{\"name\":\"ovsbr0\"}}}\n");
    assert_eq!(
        actions("ovs/daemon-not-running", &[down, switches]),
        [start("ovs-vswitchd.service", false, false)]
    );
    assert!(finding("ovs/daemon-not-running", &[down]).is_none(), "it has no switch");
}

#[test]
fn networks_lead_where_they_should() {
    let list = " Name      State      Autostart   Persistent\n----------------------------------------\n default   inactive   no          yes\n";
    let state = |active, enabled| ServiceState { active, enabled };
    let start = Action::VirtualNetwork {
        network: "default".into(),
        from: state(false, false),
        to: state(true, true),
    };
    assert_eq!(
        actions("libvirt/default-network-inactive", &[("virsh -r net-list --all", "text", list), KEPT]),
        [start]
    );

    let nat = (
        "virsh -r net-dumpxml default",
        "text",
        "<network>\n  <forward mode='nat'>\n  <bridge name='virbr0' stp='on'/>\n</network>\n",
    );
    let interfaces = ("interfaces", "interfaces", "lo virtual unknown\nvirbr0 bridge down\n");
    let off = ("/proc/sys/net/ipv4/ip_forward", "text", "0\n");
    let kept = ("/etc/sysctl.d/99-hard.conf", "text", "net.ipv4.ip_forward = 0\n");
    let set = Action::Sysctl { key: "net/ipv4/ip_forward".into(), from: "0".into(), to: "1".into() };
    let edit = Action::EditSetting {
        path: "/etc/sysctl.d/99-hard.conf".into(),
        setting: Setting::Sysctl { key: "net.ipv4.ip_forward".into() },
        from: Some("0".into()),
        to: Some("1".into()),
    };
    assert_eq!(
        actions("network/ip-forwarding-off", &[nat, interfaces, off, kept]),
        [set.clone(), edit.clone()]
    );
    // Where libvirt's daemon does not answer, its definitions do.
    let defined = ("/etc/libvirt/qemu/networks/default.xml", nat.1, nat.2);
    assert_eq!(actions("network/ip-forwarding-off", &[defined, interfaces, off, kept]), [set, edit]);
    let other = ("interfaces", "interfaces", "lo virtual unknown\n");
    let told = finding("network/ip-forwarding-off", &[nat, other, off]);
    assert!(told.is_none_or(|told| told.fix.actions.is_empty()), "the network is not up");

    let filtered = ("/proc/sys/net/bridge/bridge-nf-call-iptables", "text", "1\n");
    let rules = (
        "iptables-nft-save",
        "text",
        "*filter\n:FORWARD DROP [0:0]\n-A LIBVIRT_FWX -i virbr0 -o virbr0 -j ACCEPT\nCOMMIT\n",
    );
    let links = ("links", "links", "br0 devtype bridge\nport-a master br0\n");
    let pass =
        Action::Sysctl { key: "net/bridge/bridge-nf-call-iptables".into(), from: "1".into(), to: "0".into() };
    assert_eq!(actions("network/bridge-netfilter-drop", &[filtered, rules, links]), [pass]);
    let theirs = ("links", "links", "virbr0 devtype bridge\nvnet0 master virbr0\n");
    let told = finding("network/bridge-netfilter-drop", &[filtered, rules, theirs]);
    assert!(told.is_none_or(|told| told.confidence < 0.5), "libvirt's own bridge is let through");
}

#[test]
fn definitions_are_edited_where_they_name_what_is_not_there() {
    let help = (
        "qemu-system-x86_64 -machine help",
        "text",
        "Supported machines are:\nq35                  Standard PC (alias of pc-q35-7.2)\npc-q35-7.2           Standard PC\n",
    );
    let edit = |one: DomainEdit| Action::EditDomain {
        connection: "qemu:///system".into(),
        domain: "web".into(),
        edits: vec![one],
    };
    let machine = DomainEdit::Attribute {
        path: "os[1]/type[1]".into(),
        name: "machine".into(),
        from: Some("pc-q35-9.2".into()),
        to: Some("pc-q35-7.2".into()),
    };
    assert_eq!(actions("machine/type-unsupported", &[help, KEPT]), [edit(machine)]);
    let gone = "/usr/share/OVMF/OVMF_CODE.gone.fd";
    let images = format!(
        "{gone} named-by /etc/libvirt/qemu/web.xml\n{gone} missing does not exist\n/n/web.fd named-by /etc/libvirt/qemu/web.xml\n/n/web.fd file -rw------- root root 540672 bytes\n"
    );
    let large = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "text", "");
    assert_eq!(
        actions("firmware/ovmf-missing", &[("images", "images", &images), large, KEPT]),
        [edit(DomainEdit::Text {
            path: "os[1]/loader[1]".into(),
            from: gone.into(),
            to: "/usr/share/OVMF/OVMF_CODE_4M.fd".into(),
        })]
    );
}

#[test]
fn a_domain_of_another_host_gets_the_emulator_and_the_bridge_of_this_one() {
    let text = "<domain type='kvm'>\n  <name>web</name>\n  <os>\n    <type arch='x86_64' machine='q35'>hvm</type>\n  </os>\n  <devices>\n    <emulator>/usr/bin/kvm-spice</emulator>\n    <interface type='bridge'>\n      <source bridge='br7'/>\n    </interface>\n  </devices>\n</domain>\n";
    let kept = ("/etc/libvirt/qemu/web.xml", "domain_xml", text);
    let records = [kept, ("/usr/bin/qemu-system-x86_64", "text", "")];
    let mut snapshot = Snapshot {
        live: true,
        records: records.map(|(source, kind, text)| Record::new(source, Kind::new(kind), text)).into(),
        ..Snapshot::default()
    };
    snapshot.records.push(Record::missing("/usr/bin/kvm-spice", Kind::TEXT, Missing::Absent));
    let reading = Reading::new(&snapshot, "");
    let judged = ranking::judge(entry("libvirt/emulator-missing").expect("a rule"), &reading);
    let [Verdict::Fired(found)] = &judged[..] else { panic!("{judged:?}") };
    let edit = DomainEdit::Text {
        path: "devices[1]/emulator[1]".into(),
        from: "/usr/bin/kvm-spice".into(),
        to: "/usr/bin/qemu-system-x86_64".into(),
    };
    assert!(
        matches!(&found.fix.actions[..], [Action::EditDomain { domain, edits, .. }]
            if domain == "web" && edits[..] == [edit]),
        "{:?}",
        found.fix.actions
    );
    let interfaces = ("interfaces", "interfaces", "lo virtual unknown\nbr0 bridge up\n");
    let bridge = Action::BridgeAdd { name: "br7".into(), address: None };
    assert_eq!(actions("network/bridge-missing", &[interfaces, kept]), [bridge]);
}

#[test]
fn nesting_is_switched_on_in_the_file_and_in_the_module() {
    let parameter = ("/sys/module/kvm_amd/parameters/nested", "text", "0\n");
    let options = ("/etc/modprobe.d/kvm.conf", "text", "options kvm_amd nested=0\n");
    let idle = ("vmms", "vmm_processes", "");
    let snapshot = Snapshot {
        live: true,
        records: [parameter, options, idle]
            .map(|(source, kind, text)| Record::new(source, Kind::new(kind), text))
            .into(),
        ..Snapshot::default()
    };
    let reading = Reading::new(&snapshot, "my VMs no longer see svm: KVM does not run inside a VM, nested");
    let judged = ranking::judge(entry("nested/not-exposed").expect("a rule"), &reading);
    let [Verdict::Fired(found)] = &judged[..] else { panic!("{judged:?}") };
    assert_eq!(found.fix.applicability, Applicability::NeedsApproval);
    assert!(
        matches!(&found.fix.actions[..], [
            Action::EditSetting { path, from: Some(from), to: Some(to), .. },
            Action::ModuleUnload { .. },
            Action::ModuleLoad { .. }
        ] if path == "/etc/modprobe.d/kvm.conf" && from == "nested=0" && to == "nested=1"),
        "{:?}",
        found.fix.actions
    );
}

#[test]
fn folders_are_opened_and_pages_reserved() {
    let images = "/srv/vms/web.qcow2 named-by /etc/libvirt/qemu/web.xml\n/srv/vms/web.qcow2 file -rw------- root root 196616 bytes\n/srv/vms/web.qcow2 folder drwx------ root root /srv/vms\n/srv/vms/web.qcow2 folder drwxr-xr-x root root /srv\n";
    let images = ("images", "images", images);
    let users = (
        "/etc/passwd",
        "passwd",
        "root:x:0:0::/root:/bin/sh\nlibvirt-qemu:x:64055:104::/var/lib/libvirt:/bin/sh\n",
    );
    let groups = ("/etc/group", "group_file", "root:x:0:\nkvm:x:104:\n");
    let open = Action::FileMode { path: "/srv/vms".into(), from: 0o700, to: 0o701 };
    assert_eq!(actions("access/image-permission", &[images, users, groups, KEPT]), [open]);

    let memory = (
        "/proc/meminfo",
        "meminfo",
        "HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n",
    );
    let settings = ("/etc/sysctl.conf", "text", "# vm.nr_hugepages = 9\n");
    let found = actions("memory/hugepages-not-reserved", &[memory, settings, KEPT]);
    assert_eq!(found[0], Action::HugePages { node: None, size_kib: 2048, from: 0, to: 48 });
    assert!(
        matches!(&found[1], Action::FileCreate { path, text, .. }
            if path == "/etc/sysctl.d/90-vmwright-hugepages.conf" && text.ends_with("vm.nr_hugepages = 48\n")),
        "{found:?}"
    );
}

#[test]
fn devices_are_given_where_nobody_uses_them() {
    let devices = "0000:00:1c.0 class 0x020000\n0000:00:1c.0 driver vfio-pci\n0000:00:1c.0 iommu_group 9\n0000:00:1c.1 class 0x020000\n0000:00:1c.1 driver e1000e\n0000:00:1c.1 iommu_group 9\n0000:00:1c.1 net eth3\n0000:01:00.0 class 0x020000\n0000:01:00.0 driver igb\n0000:01:00.0 sriov 0 of 7\n";
    let devices = ("pci-devices", "pci_devices", devices);
    let idle = ("links", "links", "eth3 flags 0x1002\n");
    let given = actions("vfio/group-not-viable", &[devices, idle, KEPT]);
    assert!(
        matches!(given.as_slice(), [Action::DriverBind { device, from, to }]
            if device == "0000:00:1c.1" && from.driver.as_deref() == Some("e1000e") && to.driver.as_deref() == Some("vfio-pci")),
        "{given:?}"
    );
    let used = ("links", "links", "eth3 flags 0x1003\n");
    assert_eq!(actions("vfio/group-not-viable", &[devices, used, KEPT]), [], "it is up: somebody may use it");

    let listing = (
        "lspci -nnvv",
        "text",
        "01:00.0 Ethernet controller [0200]: Intel\n\tCapabilities: [160 v1] Single Root I/O Virtualization (SR-IOV)\n\t\tVF offset: 128, stride: 2, Device ID: 1520\n",
    );
    let made = Action::Sysfs {
        path: "/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs".into(),
        from: "0".into(),
        to: "2".into(),
    };
    assert_eq!(actions("sriov/not-enabled", &[devices, listing, KEPT]), [made]);
}

#[test]
fn vfio_is_first_at_the_next_boot_where_the_host_needs_none_of_its_devices() {
    /// Of a file that was looked for and is not there.
    const GONE: &str = "(gone)";
    let own = ("/etc/modprobe.d/vfio.conf", "text", "options vfio-pci ids=1b36:0010\n");
    let lspci = (
        "lspci -nnk",
        "text",
        "02:00.0 Non-Volatile memory controller [0108]: Red Hat, Inc. QEMU NVM Express Controller [1b36:0010] (rev 02)\n\tKernel driver in use: nvme\n",
    );
    const FACTS: &str = "0000:02:00.0 class 0x010802\n0000:02:00.0 id 1b36:0010\n0000:02:00.0 driver nvme\n0000:02:00.0 nvme nvme0n1\n";
    let devices = ("pci-devices", "pci_devices", FACTS);
    let links = ("links", "links", "eth3 flags 0x1002\n");
    let mounts = ("/proc/mounts", "mounts", "/dev/vda1 / ext4 rw 0 0\n");
    let kernel = ("/proc/sys/kernel/osrelease", "text", "6.1.0-48-amd64\n");
    let listed = ("/etc/initramfs-tools/modules", "text", "# modules\n");
    let program = ("/usr/sbin/update-initramfs", "text", "");
    let with = |changed: &[(&'static str, &'static str, &'static str)]| {
        let mut all = vec![own, lspci, devices, links, mounts, kernel, listed, program];
        for one in changed {
            all.retain(|other| other.0 != one.0);
            all.push(*one);
        }
        // What was looked for and is not there.
        let record = |(source, kind, text): &(&str, &'static str, &str)| match *text {
            GONE => Record::missing(*source, Kind::new(kind), Missing::Absent),
            text => Record::new(*source, Kind::new(kind), text),
        };
        let absent = [
            "/etc/modprobe.d/vmwright-vfio.conf",
            "/etc/dracut.conf.d/vmwright-vfio.conf",
            "/etc/kernel/postinst.d/dracut",
        ];
        let absent = absent.iter().filter(|path| all.iter().all(|one| one.0 != **path));
        let absent = absent.map(|path| Record::missing(*path, Kind::TEXT, Missing::Absent));
        let records = all.iter().map(record).chain(absent).collect();
        let snapshot = Snapshot { live: true, records, ..Snapshot::default() };
        let reading = Reading::new(&snapshot, "");
        let verdicts = ranking::judge(entry("vfio/bind-order").expect("a rule"), &reading);
        verdicts.into_iter().find_map(|one| match one {
            Verdict::Fired(finding) => Some(finding.fix.actions),
            _ => None,
        })
    };
    let found = with(&[]).expect("it fires");
    assert!(
        matches!(found.as_slice(), [
            Action::FileCreate { text, .. },
            Action::EditSetting { setting: Setting::Module { .. }, to: Some(to), .. },
            Action::Regenerate { outputs, .. },
            Action::Reboot { left: None },
        ] if text.contains("softdep nvme pre: vfio-pci\n") && to == "vfio-pci" && outputs == &["/boot/initrd.img-6.1.0-48-amd64"]),
        "{found:?}"
    );
    // Elsewhere it is dracut that makes the initramfs, and under another name.
    let debian = ("/etc/kernel/postinst.d/dracut", "text", "");
    for (more, made) in
        [(None, "/boot/initramfs-6.1.0-48-amd64.img"), (Some(debian), "/boot/initrd.img-6.1.0-48-amd64")]
    {
        let dracut = ("/usr/bin/dracut", "text", "");
        let mut host = vec![(listed.0, "text", GONE), (program.0, "text", GONE), dracut];
        host.extend(more);
        let found = with(&host).expect("it fires");
        assert!(
            matches!(found.as_slice(), [
                Action::FileCreate { .. },
                Action::FileCreate { path, text, .. },
                Action::Regenerate { generator: Generator::Dracut { kernel }, outputs, .. },
                Action::Reboot { left: None },
            ] if path == "/etc/dracut.conf.d/vmwright-vfio.conf"
                && text.contains("force_drivers+=\" vfio-pci \"\n")
                && text.contains("install_items+=\" /etc/modprobe.d/vmwright-vfio.conf /etc/modprobe.d/vfio.conf \"\n")
                && kernel == "6.1.0-48-amd64" && outputs == &[made]),
            "{found:?}"
        );
    }
    let nothing = [(program.0, "text", GONE)];
    assert_eq!(with(&nothing).expect("it fires"), [], "nobody knows what makes the initramfs");
    let on_it = ("/proc/mounts", "mounts", "/dev/nvme0n1p2 / ext4 rw 0 0\n");
    assert_eq!(with(&[on_it]).expect("it fires"), [], "the host boots from it");
    let twin = "0000:02:00.0 id 1b36:0010\n0000:02:00.0 class 0x010802\n0000:02:00.0 driver nvme\n0000:03:00.0 id 1b36:0010\n";
    assert_eq!(
        with(&[("pci-devices", "pci_devices", twin)]).expect("it fires"),
        [],
        "ids do not tell two apart"
    );
    let off = ("/etc/modprobe.d/vfio.conf", "text", "# options vfio-pci ids=1b36:0010\n");
    assert_eq!(with(&[off]), None, "nobody asks for it");
}

#[test]
fn a_kernel_that_was_told_to_leave_the_iommu_off_is_told_otherwise() {
    let line = ("/proc/cmdline", "kernel_cmdline", "root=/dev/vda1 intel_iommu=off\n");
    let defaults = (
        "/etc/default/grub",
        "text",
        "GRUB_CMDLINE_LINUX_DEFAULT=\"\"\nGRUB_CMDLINE_LINUX=\"console=ttyS0 intel_iommu=off\"\n",
    );
    let program = ("/usr/sbin/update-grub", "text", "");
    let found = actions("iommu/disabled", &[line, defaults, program]);
    assert!(
        matches!(found.as_slice(), [
            Action::EditSetting { from: Some(from), to: Some(to), .. },
            Action::Regenerate { .. },
            Action::Reboot { left: None },
        ] if from == "intel_iommu=off" && to == "intel_iommu=on"),
        "{found:?}"
    );
}

#[test]
fn a_switch_gets_its_bridge_and_a_volume_its_device() {
    let text = "<domain type='kvm'>\n  <name>web</name>\n  <devices>\n    <interface type='bridge'>\n      <source bridge='ovsbr0'/>\n      <virtualport type='openvswitch'/>\n    </interface>\n    <disk type='block' device='disk'>\n      <source dev='/dev/vg0/data'/>\n      <target dev='vda' bus='virtio'/>\n    </disk>\n  </devices>\n</domain>\n";
    let kept = ("/etc/libvirt/qemu/web.xml", "domain_xml", text);
    let show = |bridge: &'static str| ("ovs-vsctl --timeout=5 show", "text", bridge);
    let bridge = Action::OvsBridgeAdd { bridge: "ovsbr0".into() };
    // A listing that came to its end, without a bridge or with another one.
    for listed in
        ["6f1c\n    ovs_version: \"3.1.0\"\n", "6f1c\n    Bridge br-int\n    ovs_version: \"3.1.0\"\n"]
    {
        assert_eq!(
            actions("ovs/bridge-or-port-missing", &[kept, show(listed)]),
            std::slice::from_ref(&bridge)
        );
    }
    // One that did not, and one with the bridge.
    assert_eq!(actions("ovs/bridge-or-port-missing", &[kept, show("    Bridge br-int\n")]), []);
    let whole = show("6f1c\n    Bridge ovsbr0\n    ovs_version: \"3.1.0\"\n");
    assert_eq!(finding("ovs/bridge-or-port-missing", &[kept, whole]), None);

    let activate = Action::LogicalVolume { volume: "vg0/data".into(), from: false, to: true };
    let lvs = |attributes: &str| format!("  LV   VG  Attr       LSize\n  data vg0 {attributes} 256.00m\n");
    let found = lvs("Vwi---tz--");
    assert_eq!(actions("lvm/not-activated", &[kept, ("lvs", "text", &found)]), [activate]);
    // Skipped on purpose: its name alone would not activate it.
    let skipped = lvs("Vwi---tz-k");
    assert_eq!(actions("lvm/not-activated", &[kept, ("lvs", "text", &skipped)]), []);
}

#[test]
fn a_guest_that_writes_the_same_pages_again_does_not_get_nearer() {
    let fires = |mbps: &str| {
        let moves = format!(
            "{{\n\"return\": {{\n\"ram\": {{\n\"dirty-pages-rate\": 51200,\n\"mbps\": {mbps},\n\"page-size\": 4096,\n\"remaining\": 5\n}},\n\"status\": \"active\"\n}}}}\n"
        );
        finding("migration/not-converging", &[("qmp/web/query-migrate", "qmp_answer", moves.as_str())])
            .is_some()
    };
    // 200 MiB a second are 1678 Mbit.
    assert!(fires("1000.0") && fires("1720.0"));
    assert!(!fires("3000.0"));
}

#[test]
fn a_migration_that_its_own_limit_holds_back_may_send_more() {
    let spec = ("machine.toml", "machine_spec", "name = \"web\"\n[memory]\nsize = \"1GiB\"\n");
    let moves = |mbps: &str| {
        format!(
            "{{\n\"return\": {{\n\"ram\": {{\n\"dirty-pages-rate\": 51200,\n\"dirty-sync-count\": 40,\n\"mbps\": {mbps},\n\"page-size\": 4096,\n\"remaining\": 5\n}},\n\"status\": \"active\"\n}}}}\n"
        )
    };
    let limit = |bytes: u64| {
        format!("{{\n\"return\": {{\n\"max-bandwidth\": {bytes},\n\"downtime-limit\": 300\n}}}}\n")
    };
    let of = |mbps: &str, bytes: u64, spec: &[(&str, &'static str, &str)]| {
        let (moves, limit) = (moves(mbps), limit(bytes));
        let qmp = [
            ("qmp/web/query-migrate", "qmp_answer", moves.as_str()),
            ("qmp/web/query-migrate-parameters", "qmp_answer", limit.as_str()),
        ];
        finding("migration/not-converging", &[&qmp[..], spec].concat()).map(|found| found.fix.actions)
    };
    // 1000 Mbit a second are 125 MB; it dirties 200 MiB a second, and may send 128 MiB.
    let raised = Action::Qmp {
        machine: "web".into(),
        value: QmpValue::MigrationBandwidth,
        from: 128 << 20,
        to: 400 << 20,
    };
    assert_eq!(of("1000.0", 128 << 20, &[spec]), Some(vec![raised]));
    assert_eq!(of("1000.0", 1 << 30, &[spec]), Some(Vec::new()), "the link holds it");
    assert_eq!(of("1000.0", 0, &[spec]), Some(Vec::new()), "it has no limit");
    assert_eq!(of("1000.0", 128 << 20, &[]), Some(Vec::new()), "its monitor is somebody else's");
    // 125 MB a second for 3 s are left again and again, and have to go in 300 ms.
    let rest = |mbps: &str| moves(mbps).replace("\"status\"", "\"expected-downtime\": 3000,\n\"status\"");
    let (moving, parameters) = (rest("1000.0"), limit(128 << 20));
    let qmp = [
        ("qmp/web/query-migrate", "qmp_answer", moving.as_str()),
        ("qmp/web/query-migrate-parameters", "qmp_answer", parameters.as_str()),
        spec,
    ];
    let to = 1_562_500_000_u64.div_ceil(1 << 20) << 20;
    let found = actions("migration/not-converging", &qmp);
    assert!(matches!(&found[..], [Action::Qmp { to: raised, .. }] if *raised == to), "{found:?}");
    // Once it gets nearer, the rounds that were prove nothing.
    assert_eq!(of("3000.0", 400 << 20, &[spec]), None);
}
