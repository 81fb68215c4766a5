//! A move from one host to another, judged by all rules together.
#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

use std::fs;
use std::path::{Path, PathBuf};
use vmwright_formats::recognise;
use vmwright_model::{Kind, Level, Missing, Record, Snapshot, Verdict};
use vmwright_rules::{CATALOGUE, Diagnosis, Reading, TARGET, diagnose_reading, entry, ranking};

/// The records of one host of the pair, as somebody pasted them.
fn host(name: &str) -> Snapshot {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/preflight").join(name);
    let mut open: Vec<PathBuf> = vec![root.clone()];
    let mut snapshot = Snapshot::default();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        snapshot.records.push(Record::new(name.clone(), recognise(&name, &text), text));
    }
    snapshot.records.sort_by(|a, b| a.source.cmp(&b.source));
    snapshot
}

fn diagnosis(source: &Snapshot, target: &Snapshot) -> Diagnosis {
    let target = Reading::of_target(target);
    diagnose_reading(&Reading::new(source, "").against(&target), &|_| true)
}

#[test]
fn a_healthy_pair_gives_no_cause_and_leaves_nothing_open() {
    let found = diagnosis(&host("hv1"), &host("hv2"));
    assert!(found.causes.is_empty(), "{:#?}", found.causes);
    assert!(found.unknown.is_empty(), "{:#?}", found.unknown);
    let judging = CATALOGUE.iter().filter(|entry| entry.rule.preflight.is_some()).count();
    assert_eq!(found.ruled_out.len(), judging, "{:#?}", found.ruled_out);
}

#[test]
fn the_same_hosts_the_other_way_round_have_no_vm_to_move() {
    let found = diagnosis(&host("hv2"), &host("hv1"));
    assert!(found.causes.is_empty());
    assert!(found.unknown.iter().any(|one| one.source.contains("dumpxml")), "{:#?}", found.unknown);
}

#[test]
fn nothing_of_the_target_is_known_where_nothing_was_read() {
    let found = diagnosis(&host("hv1"), &Snapshot::default());
    assert!(found.causes.is_empty(), "{:#?}", found.causes);
    let judging = CATALOGUE.iter().filter(|entry| entry.rule.preflight.is_some()).count();
    assert!(judging >= 14 && found.unknown.len() >= 10, "{judging}, {:#?}", found.unknown);
    assert!(found.unknown.iter().any(|one| one.source == format!("{TARGET}/proc/cpuinfo")));
}

#[test]
fn a_broken_target_gives_a_cause_for_each_fault_with_quotes_of_both_hosts() {
    let mut target = host("hv2");
    for record in &mut target.records {
        let text = String::from_utf8(record.content.clone().unwrap()).unwrap();
        let text = match record.source.as_str() {
            "proc/cpuinfo" => text.replace(" avx512vl", ""),
            "proc/mounts" => text.replace("/srv/vms", "/srv/other"),
            "proc/meminfo" => text.replace("MemAvailable:   50000000", "MemAvailable:     500000"),
            "env.txt" => text.replace("7.2.4", "7.0.0"),
            "ip-link.txt" => text.replace("br-guests", "br-other"),
            _ => text,
        };
        record.content = Ok(text.into_bytes());
    }
    let found = diagnosis(&host("hv1"), &target);
    let rules: Vec<&str> = found.causes.iter().map(|cause| cause.rule.as_str()).collect();
    for rule in
        ["cpu-incompatible", "storage-not-shared", "memory-limit", "target-older", "target-lacks-device"]
    {
        assert!(rules.contains(&format!("migration/{rule}").as_str()), "{rule} is not in {rules:?}");
    }
    let cpu = found.causes.iter().find(|cause| cause.rule == "migration/cpu-incompatible").unwrap();
    assert_eq!((cpu.level, cpu.subject.as_str()), (Level::Error, "vm shop"));
    assert!(cpu.title.ends_with("avx512vl"), "{}", cpu.title);
    let sources: Vec<&str> = cpu.evidence.iter().map(|quote| quote.source.as_str()).collect();
    assert!(sources.contains(&"dst:proc/cpuinfo") && sources.contains(&"proc/cpuinfo"), "{sources:?}");
}

/// What a live host was asked for and has not.
fn absent(host: &mut Snapshot, path: &str) {
    host.records.push(Record::missing(path, Kind::TEXT, Missing::Absent));
    host.live = true;
}

#[test]
fn what_a_live_target_said_it_has_not_is_missing() {
    let (source, mut target) = (host("hv1"), Snapshot::default());
    absent(&mut target, "/usr/bin/qemu-system-x86_64");
    let found = diagnosis(&source, &target);
    let cause = found.causes.iter().find(|cause| cause.rule == "migration/machine-mismatch").unwrap();
    assert!(cause.title.contains("has no /usr/bin/qemu-system-x86_64"), "{}", cause.title);

    let mut source = source;
    let conf = source.records.iter_mut().find(|record| record.source.ends_with("qemu.conf")).unwrap();
    conf.content = Ok(b"migrate_tls_force = 1\n".to_vec());
    absent(&mut target, "/etc/pki/libvirt-migrate/server-cert.pem");
    absent(&mut target, "/etc/pki/qemu/server-cert.pem");
    let target = Reading::of_target(&target);
    let reading = Reading::new(&source, "").against(&target);
    let verdicts = ranking::judge(entry("migration/tls-failure").unwrap(), &reading);
    let [Verdict::Fired(finding)] = verdicts.as_slice() else { panic!("{verdicts:#?}") };
    assert!(finding.title.contains("server-cert.pem"), "{}", finding.title);
}
