//! Processes that stand still: they take connections, since the kernel does that for them, and never answer.

use crate::common::{Site, has};
use crate::{bounded, own_host, unread};
use std::fs;
use std::process::Command;

#[test]
fn a_libvirt_that_never_answers_is_named() {
    let test = "a_libvirt_that_never_answers_is_named";
    if !["libvirtd", "virsh", "unshare"].iter().all(|program| has(test, program)) {
        return;
    }
    let site = Site::new();
    let script = r#"
        mount -t tmpfs none /run
        mkdir -p /run/libvirt /run/lock
        [ -L /var/run ] || mount --bind /run /var/run
        libvirtd --timeout 120 >/dev/null 2>&1 &
        daemon=$!
        for _ in $(seq 200); do [ -S /run/libvirt/libvirt-sock-ro ] && break; sleep 0.1; done
        virsh -r list >/dev/null
        kill -STOP $daemon
        set +e
        "$VMWRIGHT" analyze --format json
        status=$?
        kill -KILL $daemon
        exit $status
    "#;
    let Some(command) = own_host(test, &site, script) else { return };
    let (done, took) = bounded(command, || ());
    println!("{took:?}");
    assert!([0, 1, 3].contains(&done.status), "{done:#?}");
    let why = unread(&done, "virsh -r list");
    assert!(why.contains("no answer within"), "{why}");
}

#[test]
fn a_vmm_that_stands_still_is_looked_at_and_can_be_ended() {
    let test = "a_vmm_that_stands_still_is_looked_at_and_can_be_ended";
    if !has(test, "qemu-system-x86_64") {
        return;
    }
    let site = Site::new();
    site.machine("web", "").ok();
    site.call(&["vm", "start", "web"]).ok();
    let record = fs::read_to_string(site.path("state/machines/web/process.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let pid = find_pid(&record).unwrap_or_else(|| panic!("no pid in {record}")).to_string();
    assert!(Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
    let archive = site.path("a.tar.gz");
    let calls: [&[&str]; 5] = [
        &["analyze", "--vm", "web", "--format", "json"],
        &["capture", "--vm", "web", "-o", archive.to_str().unwrap()],
        &["plan", "--vm", "web"],
        &["vm", "list"],
        &["vm", "show", "web"],
    ];
    for words in calls {
        let (done, took) = bounded(site.command(words), || ());
        println!("{words:?}: {took:?}");
        // It runs, and what holds it up is no fault of the host.
        let no_plan = done.status == 4 && done.err.contains("nothing that a plan can settle");
        assert!([0, 1, 3].contains(&done.status) || no_plan, "{words:?}: {done:#?}");
    }
    let (done, took) = bounded(site.command(&["vm", "stop", "web", "--force"]), || ());
    println!("stop --force: {took:?}");
    assert_eq!(done.status, 0, "{done:#?}");
}

/// The number under `pid`, wherever it stands.
fn find_pid(value: &serde_json::Value) -> Option<u64> {
    match value {
        serde_json::Value::Object(map) => {
            map.get("pid").and_then(serde_json::Value::as_u64).or_else(|| map.values().find_map(find_pid))
        }
        _ => None,
    }
}
