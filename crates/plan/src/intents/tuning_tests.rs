//! Tuning and hardening: what is chosen, what is given up, and that the same host gives the same plan.

use super::*;
use crate::describe::words;
use crate::{canonical, lint, preview};
use std::collections::BTreeMap;
use vmwright_model::Topology;
use vmwright_model::topology::{HostNode, Placement};

const SPEC: &str = "\
name = \"web\" # the shop

[cpu]
count = 2

[memory]
size = \"1GiB\"

[[disk]]
path = \"/srv/web.qcow2\"
format = \"qcow2\"

[[network]]
kind = \"bridge\"
bridge = \"br0\"
";

const GUEST: Guest<'static> = Guest { name: "web", path: "/m/web.toml", text: SPEC };

/// Two nodes of four CPUs in two cores each; siblings are neighbours.
fn topology() -> Topology {
    let node = |id: u32| HostNode { id, cpus: (id * 8..id * 8 + 8).collect(), ..HostNode::default() };
    let other = Placement { vm: "other".into(), pins: vec![(0, (2..4).collect())], ..Placement::default() };
    Topology { nodes: vec![node(0), node(1)], placements: vec![other], ..Topology::default() }
}

fn values() -> BTreeMap<&'static str, &'static str> {
    let mut values: BTreeMap<&str, &str> = [
        ("/sys/kernel/mm/ksm/run", "1\n"),
        ("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"),
        ("/sys/module/kvm/parameters/halt_poll_ns", "0\n"),
        ("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "100\n"),
        ("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "100\n"),
        ("/proc/meminfo", "MemTotal: 16384000 kB\nMemAvailable: 8192000 kB\n"),
        ("/sys/devices/system/cpu/smt/control", "on\n"),
        ("/sys/devices/system/cpu/vulnerabilities/mds", "Mitigation: Clear CPU buffers; SMT vulnerable\n"),
        ("/proc/sys/kernel/dmesg_restrict", "0\n"),
        ("/proc/sys/kernel/kptr_restrict", "2\n"),
        ("/etc/default/irqbalance", "# mine\n"),
        ("/usr/bin/swtpm", ""),
        ("/sys/module/apparmor/parameters/enabled", "N\n"),
        ("/etc/libvirt/qemu.conf", "security_driver = \"none\"\n"),
    ]
    .into();
    for (cpu, siblings) in SIBLINGS {
        values.insert(cpu, siblings);
    }
    values
}

const SIBLINGS: [(&str, &str); 16] = [
    ("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0-1\n"),
    ("/sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "0-1\n"),
    ("/sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2-3\n"),
    ("/sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "2-3\n"),
    ("/sys/devices/system/cpu/cpu4/topology/thread_siblings_list", "4-5\n"),
    ("/sys/devices/system/cpu/cpu5/topology/thread_siblings_list", "4-5\n"),
    ("/sys/devices/system/cpu/cpu6/topology/thread_siblings_list", "6-7\n"),
    ("/sys/devices/system/cpu/cpu7/topology/thread_siblings_list", "6-7\n"),
    ("/sys/devices/system/cpu/cpu8/topology/thread_siblings_list", "8-9\n"),
    ("/sys/devices/system/cpu/cpu9/topology/thread_siblings_list", "8-9\n"),
    ("/sys/devices/system/cpu/cpu10/topology/thread_siblings_list", "10-11\n"),
    ("/sys/devices/system/cpu/cpu11/topology/thread_siblings_list", "10-11\n"),
    ("/sys/devices/system/cpu/cpu12/topology/thread_siblings_list", "12-13\n"),
    ("/sys/devices/system/cpu/cpu13/topology/thread_siblings_list", "12-13\n"),
    ("/sys/devices/system/cpu/cpu14/topology/thread_siblings_list", "14-15\n"),
    ("/sys/devices/system/cpu/cpu15/topology/thread_siblings_list", "14-15\n"),
];

fn made(use_it: impl Fn(&Ground<'_>) -> Result<Plan, IntentError>) -> (Plan, Vec<String>) {
    let (topology, values) = (topology(), values());
    let ground = Ground { id: "h", topology: &topology, values: &values };
    let plan = use_it(&ground).expect("there is something to do");
    assert_eq!(lint(&plan), []);
    assert_eq!(
        canonical(&plan),
        canonical(&use_it(&ground).expect("the same")),
        "the same input, the same bytes"
    );
    let does = plan.steps.iter().map(|step| words(&step.action).does).collect();
    (plan, does)
}

fn has(does: &[String], texts: &[&str]) {
    for text in texts {
        assert!(does.iter().any(|step| step.contains(text)), "{text:?} is not in {does:#?}");
    }
}

fn has_not(does: &[String], texts: &[&str]) {
    for text in texts {
        assert!(!does.iter().any(|step| step.contains(text)), "{text:?} is in {does:#?}");
    }
}

#[test]
fn for_latency_each_virtual_cpu_has_a_core_of_one_node() {
    let (plan, does) = made(|ground| tune(ground, &GUEST, Goal::Latency));
    has(
        &does,
        &[
            "`cpu.pinning.vcpu = [{ threads = \"0\", cpus = \"8\" }, { threads = \"1\", cpus = \"10\" }]`",
            "`cpu.pinning.emulator = \"12-15\"`",
            "`memory.policy = { mode = \"strict\", nodes = \"1\" }`",
            "`memory.hugepages = true`",
            "`memory.merge = false`",
            "`disk.0.iothread = 1`",
            "`disk.0.cache = \"none\"`",
            "`disk.0.aio = \"native\"`",
            "`cpu.pinning.iothreads = 1`",
            "writes `200000` to /sys/module/kvm/parameters/halt_poll_ns",
            "/etc/sysctl.d/90-vmwright-web-hugepages.conf",
            "to /etc/default/irqbalance",
        ],
    );
    let irqs = plan.steps.iter().find_map(|step| match &step.action {
        Action::FileWrite { path, text, .. } if path.ends_with("irqbalance") => Some(text.as_str()),
        _ => None,
    });
    let own = "# mine\n# CPUs of vm web. Written by vmwright.\nIRQBALANCE_BANNED_CPULIST=\"8,10\"\n";
    assert_eq!(irqs, Some(own), "the user's own lines stay");
    assert!(plan.left.iter().any(|line| line.starts_with("performance-engineer: ")), "{:?}", plan.left);
    assert!(
        plan.left.iter().any(|line| line.contains("from its next start")),
        "it does not run: {:?}",
        plan.left
    );
    has_not(&does, &["network.0.queues", "ksm"]);
    let reserved = plan.steps.iter().find_map(|step| match step.action {
        Action::HugePages { node, from, to, .. } => Some((node, from, to)),
        _ => None,
    });
    assert_eq!(reserved, Some((None, 100, 512)), "a GiB has 512 pages, and 100 are free");
    assert!(
        plan.left.iter().any(|line| line.starts_with("given up for security: the mitigations")),
        "{:?}",
        plan.left
    );
    let shown = preview(&plan).to_text();
    assert!(
        shown.contains("\ngiven up:\n") && shown.contains("\n   for security: the mitigations"),
        "{shown}"
    );
}

#[test]
fn irqbalance_reads_its_file_anew_where_it_runs() {
    let (topology, mut values) = (topology(), values());
    values.insert("/sys/fs/cgroup/system.slice/irqbalance.service/cgroup.procs", "612\n");
    values.insert("/etc/systemd/system/multi-user.target.wants/irqbalance.service", "");
    let ground = Ground { id: "h", topology: &topology, values: &values };
    let plan = tune(&ground, &GUEST, Goal::Latency).expect("made");
    assert_eq!(lint(&plan), []);
    let does: Vec<String> = plan.steps.iter().map(|step| words(&step.action).does).collect();
    let at = |text: &str| {
        does.iter().position(|step| step.contains(text)).unwrap_or_else(|| panic!("{text}: {does:#?}"))
    };
    let (stop, write, start) = (
        at("irqbalance.service: stops it"),
        at("to /etc/default/irqbalance"),
        at("irqbalance.service: starts it"),
    );
    assert!(stop < write && write < start, "{does:#?}");
    assert_eq!(crate::disruption(&plan), Disruption::ServiceRestart, "that is said");
    assert!(!plan.left.iter().any(|line| line.contains("next start")), "{:?}", plan.left);
}

#[test]
fn where_no_irqbalance_runs_interrupts_of_the_vms_devices_go_to_cpus_near_by() {
    let irqs = "\
default mask ffff
irq 9 allowed 0-15 effective 0 node -1 acpi
irq 24 allowed 0-15 effective 3 node 0 nvme0q1
irq 30 allowed 8 effective 8 node 1 eth0-TxRx-0
irq 31 allowed 0-7 effective 1 node 1 eth0-TxRx-1
irq 32 allowed 0-15 effective 9 node 1 eth01-TxRx-0
irq 40 allowed 0-15 effective 10 node 1 vfio-msix[0](0000:3b:00.0)
";
    let links = "br0 bridge 1\neth0 master br0\neth0 device 0000:05:00.0\neth01 device 0000:05:00.1\n";
    let text = format!("{SPEC}\n[[host_device]]\nkind = \"pci\"\ndevice = \"0000:3b:00.0\"\n");
    let guest = Guest { text: &text, ..GUEST };
    let (topology, mut values) = (topology(), values());
    values.remove("/etc/default/irqbalance");
    values.extend([("irq-affinity", irqs), ("links", links), ("/etc/tmpfiles.d", "")]);
    let made = |values: &BTreeMap<&str, &str>| {
        let plan =
            tune(&Ground { id: "h", topology: &topology, values }, &guest, Goal::Latency).expect("made");
        assert_eq!(lint(&plan), []);
        plan
    };
    let plan = made(&values);
    let moved = plan.steps.iter().filter_map(|step| match &step.action {
        Action::IrqAffinity { irq, from, to } => Some((*irq, from.as_str(), to.as_str())),
        _ => None,
    });
    assert_eq!(
        moved.collect::<Vec<_>>(),
        [(Some(30), "8", "12-15"), (Some(40), "0-15", "12-15"), (None, "0-15", "0-7,9,11-15")],
        "8 and 10 are the VM's, and what does not come to them stays"
    );
    let does: Vec<String> = plan.steps.iter().map(|step| words(&step.action).does).collect();
    has(&does, &["interrupt 30 served by CPUs 12-15", "makes /etc/tmpfiles.d/90-vmwright-interrupts.conf"]);
    let kept = plan.steps.iter().find_map(|step| match &step.action {
        Action::FileCreate { path, text, .. } if path.contains("tmpfiles.d") => Some(text.clone()),
        _ => None,
    });
    let kept = kept.expect("made");
    assert!(kept.ends_with("w /proc/irq/default_smp_affinity - - - - faff\n"), "{kept}");
    for part in ["3 interrupts of other devices may come to CPUs 8,10", "those of NVMe queues"] {
        assert!(plan.left.iter().any(|line| line.contains(part)), "{part}: {:#?}", plan.left);
    }
    // What is so already is not done again; of another VM's the file is changed.
    let done = irqs.replace("ffff", "faff").replace("allowed 8 ", "allowed 12-15 ");
    let mut again = values.clone();
    again.extend([
        ("irq-affinity", done.as_str()),
        ("/etc/tmpfiles.d/90-vmwright-interrupts.conf", kept.as_str()),
    ]);
    let plan = made(&again);
    let moved = |plan: &Plan| {
        plan.steps.iter().filter(|step| matches!(step.action, Action::IrqAffinity { .. })).count()
    };
    assert_eq!(moved(&plan), 1, "that of the VM's device, which was set up anew");
    again.insert("irq-affinity", irqs);
    again.insert(
        "/etc/tmpfiles.d/90-vmwright-interrupts.conf",
        "w /proc/irq/default_smp_affinity - - - - ff00\n",
    );
    assert!(made(&again).steps.iter().any(|step| matches!(&step.action,
        Action::FileWrite { path, .. } if path.contains("tmpfiles.d"))));
    // Where irqbalance runs, it is told, and nothing is done behind its back.
    values.insert("/etc/default/irqbalance", "");
    values.insert("/sys/fs/cgroup/system.slice/irqbalance.service/cgroup.procs", "612\n");
    assert_eq!(moved(&made(&values)), 0);
}

#[test]
fn for_throughput_there_are_queues_and_for_density_no_shared_pages() {
    let (_, does) = made(|ground| tune(ground, &GUEST, Goal::Throughput));
    has(
        &does,
        &[
            "`cpu.pinning.all = \"8-15\"`",
            "`network.0.queues = 2`",
            "`disk.0.queues = 2`",
            "`memory.hugepages = true`",
        ],
    );
    has_not(&does, &["cpu.pinning.vcpu", "memory.merge"]);
    let dense = |ksm: &'static str| {
        let (topology, mut values) = (topology(), values());
        values.insert("/sys/kernel/mm/ksm/run", ksm);
        values.insert("/sys/module/kvm/parameters/halt_poll_ns", "200000\n");
        tune(&Ground { id: "h", topology: &topology, values: &values }, &GUEST, Goal::Density).expect("made")
    };
    let plan = dense("0\n");
    let does: Vec<String> = plan.steps.iter().map(|step| words(&step.action).does).collect();
    has(
        &does,
        &[
            "writes `50000` to /sys/module/kvm/parameters/halt_poll_ns",
            "`balloon.free_page_reporting = true`",
            "writes `madvise` to",
            "`disk.0.cache = \"none\"`",
            "`disk.0.aio = \"native\"`",
        ],
    );
    has_not(&does, &["pinning", "hugepages", "ksm", "iothread", "queues"]);
    assert!(plan.left.iter().any(|line| line.contains("for security: equal pages")), "{:?}", plan.left);
}

#[test]
fn without_room_nothing_is_bound_and_that_is_said() {
    let (mut topology, mut values) = (topology(), values());
    for node in &mut topology.nodes {
        node.cpus = node.cpus.numbers().take(1).collect();
    }
    values.insert("/proc/meminfo", "MemAvailable: 500000 kB\n");
    let ground = Ground { id: "h", topology: &topology, values: &values };
    let plan = tune(&ground, &GUEST, Goal::Latency).expect("the disks are left");
    let does: Vec<String> = plan.steps.iter().map(|step| words(&step.action).does).collect();
    has_not(&does, &["pinning.vcpu", "hugepages"]);
    assert!(
        plan.left.iter().filter(|line| line.contains("as there is no room")).count() == 2,
        "{:?}",
        plan.left
    );
}

#[test]
fn what_is_tuned_is_not_tuned_again() {
    let (topology, values) = (topology(), values());
    let ground = Ground { id: "h", topology: &topology, values: &values };
    let plan = tune(&ground, &GUEST, Goal::Latency).expect("made");
    let mut text = SPEC.to_owned();
    for step in &plan.steps {
        if let Action::EditSpec { key, from, to, .. } = &step.action {
            text = vmwright_formats::machine_spec::set_value(&text, key, from.as_deref(), to.as_deref())
                .expect("it can be set");
        }
    }
    assert!(text.starts_with("name = \"web\" # the shop\n"), "{text}");
    let guest = Guest { text: &text, ..GUEST };
    let mut done = values.clone();
    done.insert("/sys/module/kvm/parameters/halt_poll_ns", "200000\n");
    done.insert("/etc/default/irqbalance", "IRQBALANCE_BANNED_CPULIST=\"8,10\"\n");
    let again = tune(&Ground { id: "h", topology: &topology, values: &done }, &guest, Goal::Latency);
    assert!(matches!(again, Err(IntentError::Nothing(_))), "{again:?}");
}

#[test]
fn a_host_is_closed_and_what_that_costs_is_said() {
    let (plan, does) = made(|ground| harden_host(ground, &tests::debian()));
    has(
        &does,
        &[
            "sets kernel.dmesg_restrict = 1",
            "writes `2` to /sys/kernel/mm/ksm/run",
            "writes `off` to /sys/devices/system/cpu/smt/control",
            "/etc/sysctl.d/90-vmwright-harden.conf",
        ],
    );
    has_not(&does, &["kptr_restrict"]);
    let smt = plan.steps.iter().find(|step| words(&step.action).does.contains("smt")).expect("there");
    assert!(smt.why.contains("(mds)") && smt.disruption == Disruption::GuestPause, "{smt:?}");
    let (given_up, left): (Vec<&String>, Vec<&String>) =
        plan.left.iter().partition(|line| line.starts_with("given up for security: "));
    assert_eq!(given_up.len(), 3, "{given_up:?}");
    assert!(left[0].contains("neither SELinux nor AppArmor is on") && left.len() == 1, "{left:?}");
}

#[test]
fn mitigations_that_were_switched_off_come_back_with_a_way_back() {
    let grub = "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet mitigations=off mds=off\"\n";
    let mut boot = tests::debian();
    boot.cmdline = "ro quiet mitigations=off mds=off l1tf=off";
    boot.texts.insert("/etc/default/grub", grub);
    let (plan, does) = made(|ground| harden_host(ground, &boot));
    has(
        &does,
        &[
            "takes the kernel's parameter `mitigations` in GRUB_CMDLINE_LINUX_DEFAULT out of /etc/default/grub",
            "takes the kernel's parameter `mds` in GRUB_CMDLINE_LINUX_DEFAULT out of /etc/default/grub",
            "makes /boot/grub/custom.cfg",
        ],
    );
    assert_eq!(does.iter().filter(|step| step.starts_with("runs update-grub")).count(), 1, "{does:#?}");
    assert!(
        plan.left.iter().any(|line| line.contains("`l1tf=off`, which is written nowhere")),
        "{:?}",
        plan.left
    );
    assert!(
        plan.left.iter().any(|line| line.contains("the speed that the kernel has without")),
        "{:?}",
        plan.left
    );
}

#[test]
fn a_vm_is_closed() {
    let text =
        format!("{SPEC}\n[process]\nsandbox = false\n\n[[display]]\nkind = \"vnc\"\nlisten = \"0.0.0.0\"\n");
    let (plan, does) = made(|ground| harden_vm(ground, &Guest { text: &text, ..GUEST }));
    has(
        &does,
        &[
            "`process.sandbox = true`",
            "`memory.merge = false`",
            "`memory.dump = false`",
            "`display.0.listen = \"127.0.0.1\"`",
        ],
    );
    assert_eq!(plan.vm.as_deref(), Some("web"));
    assert!(plan.left.iter().any(|line| line.contains("it starts by a BIOS")), "{:?}", plan.left);
    let uefi = format!("{SPEC}\n[firmware]\nkind = \"uefi\"\n");
    let (_, does) = made(|ground| harden_vm(ground, &Guest { text: &uefi, ..GUEST }));
    has(&does, &["`firmware.secure_boot = true`", "`tpm.version = \"2.0\"`"]);
    let closed = "name = \"web\"\n[memory]\nmerge = false\ndump = false\n";
    let (topology, values) = (topology(), values());
    let nothing = harden_vm(
        &Ground { id: "h", topology: &topology, values: &values },
        &Guest { text: closed, ..GUEST },
    );
    assert!(matches!(nothing, Err(IntentError::Nothing(_))), "{nothing:?}");
}
