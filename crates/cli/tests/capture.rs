//! A capture stands for its host: analysed anywhere it gives the same causes, and it gives no secret away.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::{Done, Site};
use flate2::read::GzDecoder;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The bytes of an archive, unpacked.
fn unpacked(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// What an analysis found, as it prints it. A full kernel log drops its oldest line for each new one, so that the places
/// of all others move between two readings; what stands there does not.
fn findings(call: &Done) -> String {
    let mut analysis = call.json();
    unplace(&mut analysis["causes"]);
    format!("{:#}\n{:#}", analysis["causes"], analysis["unknown"])
}

/// Takes the numbers of lines out of all that is said of the kernel log.
fn unplace(value: &mut serde_json::Value) {
    if value["source"] == "dmesg" {
        value.as_object_mut().and_then(|evidence| evidence.remove("line"));
        for line in value.get_mut("lines").and_then(serde_json::Value::as_array_mut).into_iter().flatten() {
            line.as_object_mut().and_then(|line| line.remove("number"));
        }
    }
    match value {
        serde_json::Value::Array(items) => items.iter_mut().for_each(unplace),
        serde_json::Value::Object(items) => items.values_mut().for_each(unplace),
        _ => {}
    }
}

/// A host lives on between two readings (its kernel log above all): only what two live analyses around the capture
/// agree on can be compared.
fn assert_same(site: &Site, about: &[&str]) -> serde_json::Value {
    for attempt in 0..8 {
        let live = || site.call(&[&["analyze", "--format", "json"], about].concat());
        let archive = site.path(&format!("{attempt}.tar.gz"));
        let archive = archive.to_str().unwrap();
        let before = findings(&live());
        let made = site.call(&[&["capture", "-o", archive, "--format", "json"], about].concat());
        assert!([0, 3].contains(&made.status), "{made:#?}");
        if findings(&live()) != before {
            continue;
        }
        let offline = site.call(&["analyze", "--from", archive, "--format", "json"]);
        assert_eq!(findings(&offline), before);
        let offline = offline.json();
        assert_eq!(offline["host"]["live"], false);
        assert!(!offline["host"]["id"].as_str().unwrap().is_empty());
        return offline;
    }
    panic!("two live analyses never agreed");
}

#[test]
fn a_capture_of_this_host_gives_its_causes() {
    assert_same(&Site::new(), &[]);
}

#[test]
fn a_capture_of_a_vm_gives_its_causes() {
    let site = Site::new();
    site.machine("web", "[[disk]]\npath = \"/nonexistent/web.qcow2\"\nformat = \"qcow2\"\n").ok();
    let log = "qemu-system-x86_64: -drive file=/nonexistent/web.qcow2: Failed to get \"write\" lock\n";
    site.file("state/machines/web/qemu.log", log);
    let found = assert_same(&site, &["--vm", "web"]);
    let rules: Vec<&str> =
        found["causes"].as_array().unwrap().iter().map(|cause| cause["rule"].as_str().unwrap()).collect();
    assert!(rules.contains(&"storage/image-locked"), "{rules:?}");
}

#[test]
fn no_secret_comes_into_a_capture() {
    let site = Site::new();
    site.machine("web", "").ok();
    let secrets = "\
        -vnc :1,password=CANARY -object secret,id=s,data=CANARY\n\
        <graphics type='spice' passwd='CANARY'/>\n\
        <secret ephemeral='no'><value>CANARY</value></secret>\n\
        Authorization: Bearer CANARY-0123456789\n\
        -----BEGIN PRIVATE KEY-----\nCANARY\nCANARY\n-----END PRIVATE KEY-----\n\
        Kernel command line: root=/dev/vda rd.luks.key=CANARY rd.iscsi.password=CANARY\n\
        #cloud-config\npassword: CANARY\nchpasswd:\n  list: |\n    root:CANARY\n\
        seedfrom=https://me:CANARY@seed.invalid/\n\
        root:$6$CANARY$CANARY0123456789:19000::::::\n\
        key = AQCANARYgAAAAABAAMx5Cs8h6iXC3vOJ5nL3n4ow==\n";
    let last = "qemu-system-x86_64: -drive file=/a: Failed to get \"write\" lock\n";
    site.file("state/machines/web/qemu.log", format!("{secrets}{last}"));
    site.file("state/machines/web/serial.log", secrets);
    let archive = site.path("a.tar.gz");
    let made = site.call(&["capture", "--vm", "web", "-o", archive.to_str().unwrap(), "--format", "json"]);
    assert!([0, 3].contains(&made.status), "{made:#?}");
    let bytes = unpacked(&archive);
    assert!(contains(&bytes, "[redacted:private-key]"));
    let at = bytes.windows(6).position(|window| window == b"CANARY");
    let shown = at.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(200)..at + 20]).into_owned());
    assert_eq!(shown, None);
    let redacted = &made.json()["redacted"];
    for kind in [
        "option-password",
        "xml-password",
        "libvirt-secret",
        "token",
        "private-key",
        "kernel-secret",
        "cloud-init-password",
        "url-password",
        "password-hash",
        "ceph-key",
    ] {
        assert!(redacted[kind].as_u64().is_some_and(|times| times > 0), "{kind}: {redacted}");
    }
    // Lines stay lines: the quote stands where it stands on the host.
    let found = site.call(&["analyze", "--from", archive.to_str().unwrap(), "--format", "json"]).json();
    let locked = |cause: &&serde_json::Value| cause["rule"] == "storage/image-locked";
    let quote = &found["causes"].as_array().unwrap().iter().find(locked).unwrap()["evidence"][0];
    assert_eq!(quote["quote"], last.trim_end());
    assert_eq!(quote["line"], secrets.lines().count() as u64 + 1);
}

#[test]
fn an_anonymous_capture_names_nobody() {
    let site = Site::new();
    site.machine("web", "").ok();
    let lines =
        "tcp:198.51.100.23:49152 3c:fd:fe:a1:b2:c3 2001:db8:77:88::99 127.0.0.1\nagain 198.51.100.23\n";
    site.file("state/machines/web/qemu.log", lines);
    let archive = site.path("a.tar.gz");
    let path = archive.to_str().unwrap();
    let made = site.call(&["capture", "--anonymize", "--vm", "web", "-o", path]);
    assert!([0, 3].contains(&made.status), "{made:#?}");
    let bytes = unpacked(&archive);
    for gone in ["198.51.100", "a1:b2:c3", "db8:77:88"] {
        assert!(!contains(&bytes, gone), "{gone}");
    }
    assert!(contains(&bytes, "3c:fd:fe:") && contains(&bytes, "127.0.0.1"));
    for (path, least) in [("/proc/sys/kernel/hostname", 4), ("/etc/machine-id", 32)] {
        let name = fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let common =
            ["localhost", "debian", "ubuntu", "fedora", "linux", "host", "server"].contains(&name.as_str());
        if name.len() < least || common {
            eprintln!(
                "SKIPPED an_anonymous_capture_names_nobody, {path}: `{name}` tells this host from no other"
            );
            continue;
        }
        assert!(!contains(&bytes, &name), "{path}: {name}");
    }
    let found = site.call(&["analyze", "--from", path, "--format", "json"]).json();
    let id = site.call(&["analyze", "--format", "json"]).json()["host"]["id"].clone();
    assert_ne!(found["host"]["id"], id);
}

#[test]
fn a_dry_run_names_privileges_and_makes_nothing() {
    let site = Site::new();
    let mut command = site.command(&["capture", "--dry-run"]);
    let folder = site.path("here");
    fs::create_dir(&folder).unwrap();
    let call = common::done({
        command.current_dir(&folder);
        command
    });
    assert_eq!(call.status, 0, "{call:#?}");
    let line =
        |start: &str| call.out.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert!(line("/proc/cmdline").ends_with("any user"), "{}", call.out);
    assert!(line("/dev/kvm").contains("group kvm"), "{}", call.out);
    assert!(line("command: lspci -nnk").ends_with("any user"), "{}", call.out);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn the_file_is_the_owners_alone_and_replaces_none() {
    let site = Site::new();
    let folder = site.path("here");
    fs::create_dir(&folder).unwrap();
    let mut command = site.command(&["capture"]);
    command.current_dir(&folder);
    let made = common::done(command);
    assert!([0, 3].contains(&made.status), "{made:#?}");
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len(), 1);
    let name = names[0].file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("vmwright-") && name.ends_with("Z.tar.gz"), "{name}");
    assert_eq!(fs::metadata(&names[0]).unwrap().permissions().mode() & 0o777, 0o600);
    let there = site.file("there.tar.gz", "mine\n");
    site.call(&["capture", "-o", there.to_str().unwrap()]).fails(2, &["there.tar.gz", "exists"]);
    assert_eq!(fs::read_to_string(&there).unwrap(), "mine\n");
    site.call(&["capture", "-o", "/no/such/folder/a.tar.gz"]).fails(2, &["/no/such/folder/a.tar.gz"]);
    let none = site.path("none.tar.gz");
    site.call(&["capture", "--vm", "wep", "-o", none.to_str().unwrap()]).fails(2, &["wep"]);
    assert!(!none.exists());
}

#[test]
fn archives_of_others_are_read_and_what_is_none_is_named() {
    let site = Site::new();
    site.file("logs/sosreport-x/var/log/libvirt/qemu/web.log", "qemu: Failed to get \"write\" lock\n");
    let archive = site.path("sos.tar.gz");
    let packed = Command::new("tar")
        .arg("-C")
        .arg(site.path("logs"))
        .arg("-czf")
        .arg(&archive)
        .arg("sosreport-x")
        .status()
        .unwrap();
    assert!(packed.success());
    let call = site.call(&["analyze", "--from", archive.to_str().unwrap(), "--format", "json"]);
    assert_eq!(call.status, 1, "{call:#?}");
    let cause = &call.json()["causes"][0];
    assert_eq!(cause["rule"], "storage/image-locked");
    assert_eq!(cause["evidence"][0]["source"], "var/log/libvirt/qemu/web.log");
    // Cut off in transfer: what is missing is said.
    let whole = fs::read(&archive).unwrap();
    let cut = site.file("cut.tar.gz", &whole[..whole.len() / 2]);
    let call = site.call(&["analyze", "--from", cut.to_str().unwrap(), "--format", "json"]);
    let unread = call.json()["unread"].to_string();
    assert!(unread.contains("cut off"), "{unread}");
    let text = site.file("notes.txt", "no archive\n");
    site.call(&["analyze", "--from", text.to_str().unwrap()]).fails(2, &["notes.txt", "neither"]);
}
