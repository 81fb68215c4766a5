//! Analyses ask the QEMUs that vmwright itself started, over a monitor that is theirs alone.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::{Site, has};
use serde_json::Value;
use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

/// The text of a record in a new capture of this host, or why there is none.
fn captured(site: &Site, number: u32, source: &str) -> Result<String, String> {
    let (archive, folder) = (site.path(&format!("{number}.tar.gz")), site.path(&number.to_string()));
    let made = site.call(&["capture", "-o", archive.to_str().unwrap()]);
    assert!([0, 3].contains(&made.status), "{made:#?}");
    fs::create_dir(&folder).unwrap();
    let unpacked = Command::new("tar")
        .arg("xzf")
        .arg(&archive)
        .arg("-C")
        .arg(&folder)
        .arg("--strip-components=1")
        .status();
    assert!(unpacked.unwrap().success());
    let index: Value = serde_json::from_slice(&fs::read(folder.join("vmwright.json")).unwrap()).unwrap();
    let records = index["sources"].as_array().unwrap();
    let record = records.iter().find(|record| record["source"] == source);
    let record = record.unwrap_or_else(|| panic!("no {source} in {index:#}"));
    match record["file"].as_str() {
        Some(file) => Ok(fs::read_to_string(folder.join(file)).unwrap()),
        None => Err(record.to_string()),
    }
}

/// Connects to a socket of a machine, and waits until QEMU speaks to it.
fn held(site: &Site, vm: &str, socket: &str) -> UnixStream {
    let record = fs::read_to_string(site.path(&format!("state/machines/{vm}/process.json"))).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let path = std::path::Path::new(record["qmp"].as_str().unwrap()).with_file_name(socket);
    let mut client = UnixStream::connect(path).unwrap();
    let mut greeting = [0; 6];
    client.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"{\"QMP\"");
    client
}

#[test]
fn machines_of_its_own_are_asked_while_their_monitor_is_used() {
    if !has("machines_of_its_own_are_asked_while_their_monitor_is_used", "qemu-system-x86_64") {
        return;
    }
    let site = Site::new();
    let name = format!("asked-{}", std::process::id());
    let source = format!("qmp/{name}/query-status");
    site.machine(&name, "").ok();
    site.call(&["vm", "start", &name]).ok();
    let planned = site.call(&["capture", "--dry-run"]).out;
    let line = planned.lines().find(|line| line.contains(&format!("of VM {name}"))).expect(&planned);
    assert!(line.contains("/query: QMP, queries alone"), "{line}");
    assert!(captured(&site, 1, &source).unwrap().contains("\"status\": \"running\""));
    let holder = held(&site, &name, "qmp");
    assert!(captured(&site, 2, &source).unwrap().contains("\"status\": \"running\""));
    drop(holder);
    // One of two analyses at once is told so and goes on.
    let holder = held(&site, &name, "query");
    let why = captured(&site, 3, &source).unwrap_err();
    assert!(why.contains("another client holds it"), "{why}");
    drop(holder);
    site.call(&["vm", "pause", &name]).ok();
    assert!(captured(&site, 4, &source).unwrap().contains("\"status\": \"paused\""));
}

#[test]
fn a_machine_of_another_user_is_asked_and_ends_without_a_complaint() {
    let test = "a_machine_of_another_user_is_asked_and_ends_without_a_complaint";
    if !has(test, "qemu-system-x86_64") {
        return;
    }
    let site = Site::new();
    if std::os::unix::fs::MetadataExt::uid(&fs::metadata(site.path("")).unwrap()) != 0 {
        eprintln!("SKIPPED {test}: it takes root to start a process as another user");
        return;
    }
    let name = format!("foreign-{}", std::process::id());
    site.machine(&name, "[process]\nuser = \"nobody\"\n").ok();
    site.call(&["vm", "start", &name]).ok();
    let told = captured(&site, 1, &format!("qmp/{name}/query-status"));
    assert!(told.unwrap().contains("\"status\": \"running\""));
    site.asked(&name, "quit");
    let begun = Instant::now();
    while !site.call(&["vm", "list"]).ok().out.contains("gone") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(fs::read_to_string(site.path(&format!("state/machines/{name}/qemu.log"))).unwrap(), "");
}

#[test]
fn why_a_vmm_stays_root_is_told() {
    let test = "why_a_vmm_stays_root_is_told";
    if !has(test, "qemu-system-x86_64") {
        return;
    }
    let site = Site::new();
    if std::os::unix::fs::MetadataExt::uid(&fs::metadata(site.path("")).unwrap()) != 0 {
        eprintln!("SKIPPED {test}: what is not root stays nobody else");
        return;
    }
    let share = format!(
        "[[share]]\npath = '{}'\ntag = 'data'\ndriver = '9p'\nsecurity_model = 'none'\n",
        site.path("").display()
    );
    site.machine("nine", &share).ok();
    site.machine("plain", "").ok();
    let why = "QEMU stays root: it serves 9p itself";
    let shown = site.call(&["vm", "show", "nine"]).ok().out;
    assert!(shown.contains(why) && !shown.contains("user="), "{shown}");
    let started = site.call(&["vm", "start", "nine"]).ok();
    assert!(started.out.contains(why), "{started:?}");
    site.call(&["vm", "stop", "nine", "--force"]).ok();
    let shown = site.call(&["vm", "show", "plain"]).ok().out;
    assert!(!shown.contains("stays root") && shown.contains("-run-with user="), "{shown}");
}
