//! What a running host's old log lines make of it.

use vmwright_model::{Kind, Level, Record, Snapshot, Verdict};
use vmwright_rules::{Reading, entry, ranking};

/// Whether `memory/host-oom` fires on a kernel's log.
fn fires(log: &str, live: bool, complaint: &str) -> bool {
    let record = Record::new("dmesg", Kind::new("kernel_log"), log);
    let snapshot = Snapshot { live, records: vec![record], ..Snapshot::default() };
    let entry = entry("memory/host-oom").expect("it is in the catalogue");
    let verdicts = ranking::judge(entry, &Reading::new(&snapshot, complaint));
    verdicts.iter().any(|one| matches!(one, Verdict::Fired(_)))
}

#[test]
fn an_old_kill_of_another_program_is_no_fault_of_a_running_host() {
    let other = "[ 812.1] Out of memory: Killed process 512 (java) total-vm:8121344kB, anon-rss:4112344kB\n";
    let guest = "[ 812.1] Out of memory: Killed process 513 (qemu-system-x86) total-vm:8121344kB\n";
    assert!(!fires(other, true, ""), "a log of long ago");
    assert!(fires(other, true, "a VM disappears each night, out of memory?"), "somebody complains of it");
    assert!(fires(other, false, ""), "somebody pasted it");
    assert!(fires(guest, true, ""), "a VM was the victim");
}

#[test]
fn a_message_in_the_complaint_is_complained_of() {
    let record = Record::new("/etc/hosts", Kind::TEXT, "127.0.0.1 localhost hv1\n");
    let snapshot = Snapshot { live: true, records: vec![record], ..Snapshot::default() };
    let first = |complaint: &str| {
        let diagnosis = ranking::diagnose(&snapshot, complaint, &|_| true);
        diagnosis.causes.first().map(|cause| cause.rule.clone())
    };
    // None of the rule's own words stands in it.
    let said = first("address resolution failed for hv2:49152: Temporary failure in name resolution");
    assert_eq!(said.as_deref(), Some("migration/hostname-resolution"));
    assert_eq!(first("it stands still"), None);
}

#[test]
fn the_hosts_own_kernel_is_no_guests() {
    let lacks = |source: &str| {
        let record = Record::new(source, Kind::new("kernel_config"), "CONFIG_VIRTIO_VSOCKETS=m\n");
        let snapshot = Snapshot { live: true, records: vec![record], ..Snapshot::default() };
        let diagnosis = ranking::diagnose(&snapshot, "firecracker exits at once", &|_| true);
        diagnosis.causes.iter().any(|cause| cause.rule == "firecracker/guest-kernel-config")
    };
    assert!(!lacks("kernel-config") && !lacks("/boot/config-6.1.0-48-amd64"));
    assert!(lacks("/srv/guest/.config"));
}

#[test]
fn another_vms_definition_is_no_fault_of_the_one_that_is_asked_about() {
    let domain = |name: &str, card: &str| {
        let text = format!(
            "<domain type='kvm'>\n<name>{name}</name>\n<uuid>7e4c0c2e-0000-4000-8000-000000000001</uuid>\n\
             <os><type arch='x86_64' machine='q35'>hvm</type></os>\n<devices>\n\
             <interface type='network'><source network='default'/><model type='{card}'/></interface>\n\
             </devices>\n</domain>\n"
        );
        Record::new(format!("/etc/libvirt/qemu/{name}.xml"), Kind::new("domain_xml"), text)
    };
    let fires = |rule: &str, vm: Option<&str>| {
        let records = vec![domain("db", "e1000"), domain("web", "virtio")];
        let snapshot = Snapshot { live: true, records, vm: vm.map(str::to_owned), ..Snapshot::default() };
        let entry = entry(rule).expect("it is in the catalogue");
        let verdicts = ranking::judge(entry, &Reading::new(&snapshot, "the network is slow"));
        verdicts.iter().any(|one| matches!(one, Verdict::Fired(_)))
    };
    assert!(fires("perf/emulated-device", None) && fires("perf/emulated-device", Some("db")));
    assert!(!fires("perf/emulated-device", Some("web")));
    for vm in [None, Some("db"), Some("web")] {
        assert!(fires("machine/id-in-use", vm), "both have one UUID");
    }
}

#[test]
fn what_would_block_a_migration_is_no_error_while_nobody_migrates() {
    let level = |source: &str, complaint: &str| {
        let text = "{\"blocked-reasons\": [\n\"non-migratable device: 0000:00:1d.0:00.0/nvme\"\n]}\n";
        let records = vec![Record::new(source, Kind::TEXT, text)];
        let snapshot = Snapshot { live: true, records, ..Snapshot::default() };
        let diagnosis = ranking::diagnose(&snapshot, complaint, &|_| true);
        diagnosis.causes.into_iter().map(|cause| cause.level).max()
    };
    assert_eq!(level("qmp/web/query-migrate", ""), Some(Level::Note), "QEMU tells it unasked");
    assert_eq!(level("qmp/web/query-migrate", "it does not migrate"), Some(Level::Error));
    assert_eq!(level("qmp/web/query-migrate", "a snapshot with memory is refused"), Some(Level::Error));
    assert_eq!(level("/var/log/libvirt/qemu/web.log", ""), Some(Level::Error), "it was refused");
}
