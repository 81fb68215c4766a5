//! Wrong input gets a clear error with its place and exit status, and nothing is lost or left running.

mod common;

use common::{Site, done, has};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const USAGE: i32 = 2;
const INCOMPLETE: i32 = 3;
const REFUSED: i32 = 4;

#[test]
fn an_unknown_vm_is_named_with_those_there_are() {
    let site = Site::new();
    site.machine("web", "").ok();
    site.call(&["analyze", "--vm", "wep"]).fails(USAGE, &["wep", "web"]);
    site.call(&["vm", "start", "wep"]).fails(USAGE, &["wep"]);
    site.call(&["plan", "--vm", "../etc"]).fails(USAGE, &["../etc"]);
}

#[test]
fn a_specification_is_refused_with_all_its_problems_and_their_lines() {
    let site = Site::new();
    let spec = "name = \"web\"\nacelerator = \"tcg\"\n[memory]\nsize = \"12 parsecs\"\n[cpu]\ncount = 0\n";
    let path = site.file("web.toml", spec);
    let call = site.call(&["vm", "create", path.to_str().unwrap()]);
    call.fails(USAGE, &["acelerator", "accelerator", "2", "parsecs", "4", "count", "6"]);
    assert!(!site.path("state/machines/web").exists());
}

#[test]
fn an_unreadable_specification_is_named() {
    let site = Site::new();
    site.call(&["vm", "create", "/no/such/spec.toml"]).fails(USAGE, &["/no/such/spec.toml"]);
    let path = site.file("web.toml", b"\xff\xfe\x00");
    site.call(&["vm", "create", path.to_str().unwrap()]).fails(USAGE, &["web.toml"]);
    site.machine("web", "").ok();
    fs::write(site.path("state/machines/web/machine.toml"), "name = ").unwrap();
    site.call(&["vm", "start", "web"]).fails(USAGE, &["machine.toml"]);
    let list = site.call(&["vm", "list"]).ok();
    assert!(list.out.contains("web"), "an unreadable specification does not hide the machine: {}", list.out);
}

#[test]
fn hostile_files_in_the_folder_are_named_and_the_others_are_read() {
    let site = Site::new();
    site.file("logs/domain.xml", "<domain type='kvm'>\n  <name>web</name>\n  <devices>\n    <disk type='fi");
    site.file("logs/blob.log", [0u8, 159, 146, 150].repeat(1000));
    site.file("logs/qemu.log", "qemu-system-x86_64: -drive file=a: Failed to get \"write\" lock\n");
    File::create(site.path("logs/huge.log")).unwrap().set_len(2 << 30).unwrap();
    let fifo = site.path("logs/fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    std::os::unix::fs::symlink("/etc/passwd", site.path("logs/passwd")).unwrap();

    let began = Instant::now();
    let call = site.call(&["analyze", "--from", site.path("logs").to_str().unwrap(), "--format", "json"]);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(call.status, 1, "{call:#?}");
    let analysis = call.json();
    assert_eq!(analysis["causes"][0]["rule"], "storage/image-locked");
    let unread: Vec<&str> =
        analysis["unread"].as_array().unwrap().iter().map(|one| one[0].as_str().unwrap()).collect();
    for name in ["blob.log", "huge.log", "fifo", "passwd"] {
        assert!(unread.contains(&name), "{name} is not in {unread:?}");
    }
    assert!(unread.iter().any(|one| one.starts_with("domain.xml:4")), "where the XML is cut off: {unread:?}");
}

#[test]
fn a_folder_that_is_none_is_named() {
    let site = Site::new();
    site.call(&["analyze", "--from", "/no/such/folder"]).fails(USAGE, &["/no/such/folder"]);
    let file = site.file("file", "text");
    site.call(&["analyze", "--from", file.to_str().unwrap()]).fails(USAGE, &["file"]);
    site.call(&["analyze", "--symptom-file", "/no/such/file"]).fails(USAGE, &["/no/such/file"]);
}

#[test]
fn a_plan_that_is_cut_edited_or_of_another_host_does_nothing() {
    let site = Site::new();
    let key = site.approver();
    site.machine("web", "").ok();
    let made = site.call(&["plan", "--vm", "web", "--format", "json"]).ok().json();
    let (id, path) = (made["id"].as_str().unwrap(), made["path"].as_str().unwrap());
    site.approve(id, &key).ok();
    let text = fs::read_to_string(path).unwrap();

    let cut = site.file("cut.json", &text[..text.len() / 2]);
    site.call(&["preview", cut.to_str().unwrap()]).fails(USAGE, &["cut.json", "line 1"]);
    site.call(&["apply", cut.to_str().unwrap()]).fails(USAGE, &["cut.json"]);

    let edited = site.file("edited.json", text.replacen("start vm", "Start vm", 1));
    site.call(&["apply", edited.to_str().unwrap()]).fails(REFUSED, &["nobody has approved"]);

    let host = made["plan"]["host_id"].as_str().unwrap();
    let other = site.file("other.json", text.replace(host, &"0".repeat(32)));
    site.call(&["approve", other.to_str().unwrap(), "--key", key.to_str().unwrap(), "--principal", "tester"])
        .fails(REFUSED, &[&"0".repeat(32), host]);
    site.call(&["apply", other.to_str().unwrap()]).fails(REFUSED, &[]);

    let newer = site.file("newer.json", text.replace("vmwright.plan/1", "vmwright.plan/2"));
    site.call(&["preview", newer.to_str().unwrap()]).fails(USAGE, &["vmwright.plan/2"]);
    site.call(&["apply", "0123abcd"]).fails(USAGE, &["0123abcd"]);
    assert!(!site.call(&["vm", "list"]).ok().out.contains("running"));
}

#[test]
fn a_plan_of_too_many_steps_or_in_a_circle_does_nothing() {
    let site = Site::new();
    let key = site.approver();
    site.machine("web", "").ok();
    let plan = site.call(&["plan", "--vm", "web", "--format", "json"]).ok().json()["plan"].take();
    let folder = site.path("many");
    fs::create_dir(&folder).unwrap();
    let of = |steps: Vec<(String, u32, u32)>| {
        let mut plan = plan.clone();
        plan["steps"] = steps
            .into_iter()
            .map(|(path, from, to)| {
                serde_json::json!({
                    "subject": {"kind": "path", "name": path}, "why": "a test", "disruption": "none", "settles": [],
                    "action": {"action": "file-mode", "path": path, "from": from, "to": to},
                })
            })
            .collect();
        plan
    };
    let many =
        |count: usize| of((0..count).map(|n| (format!("{}/{n}", folder.display()), 0o600, 0o640)).collect());
    let refused = |plan: serde_json::Value, words: &[&str]| {
        let path = site.file("refused.json", plan.to_string());
        let path = path.to_str().unwrap();
        site.approve(path, &key).fails(REFUSED, words);
        site.call(&["apply", path]).fails(REFUSED, &["nobody has approved"]);
    };
    refused(many(10_001), &["10001 steps, more than 10000"]);
    let file = site.file("many/0", "");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let name = file.display().to_string();
    refused(of(vec![(name.clone(), 0o600, 0o640), (name, 0o644, 0o600)]), &["step 2 contradicts step 1"]);
    // As many as there may be are shown and approved in seconds; the second one is not there, so nothing is done.
    let path = site.file("most.json", many(10_000).to_string());
    let path = path.to_str().unwrap();
    let began = Instant::now();
    assert!(site.call(&["preview", path]).ok().out.contains("10000"), "the preview counts the steps");
    site.approve(path, &key).ok();
    site.call(&["apply", path]).fails(REFUSED, &["step 2", "/many/1"]);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn what_is_protected_is_neither_approved_nor_disturbed() {
    let site = Site::new();
    let key = site.approver();
    site.machine("web", "").ok();
    let made = site.call(&["plan", "--vm", "web", "--format", "json"]).ok().json();
    let mut plan = made["plan"].clone();
    plan["steps"][0]["action"] = serde_json::json!({"action": "machine-stop", "machine": "web"});
    plan["steps"][0]["disruption"] = "guest-restart".into();
    let path = site.file("stop.json", plan.to_string());
    let path = path.to_str().unwrap();
    site.approve(path, &key).ok();
    let list = site.file("config/protected", "# not in office hours\nvm web\n");
    site.call(&["apply", path]).fails(REFUSED, &["step 1", "vm web is protected"]);
    site.approve(path, &key).fails(REFUSED, &["vm web is protected"]);
    fs::write(&list, "vm web\nwhatever\n").unwrap();
    site.call(&["apply", path]).fails(REFUSED, &["line 2"]);
    fs::write(&list, "").unwrap();
    fs::set_permissions(&list, fs::Permissions::from_mode(0o666)).unwrap();
    site.call(&["apply", path]).fails(REFUSED, &["protected", "0666"]);
}

#[test]
fn who_may_approve_is_not_for_others_to_write() {
    let site = Site::new();
    let key = site.approver();
    site.machine("web", "").ok();
    let id = site.call(&["plan", "--vm", "web", "--format", "json"]).ok().json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    site.approve(&id, &key).ok();
    let signers = site.path("config/allowed_signers");
    fs::set_permissions(&signers, fs::Permissions::from_mode(0o666)).unwrap();
    site.call(&["apply", &id]).fails(REFUSED, &["allowed_signers"]);
    fs::remove_file(&signers).unwrap();
    site.call(&["apply", &id]).fails(REFUSED, &["allowed_signers"]);
}

#[test]
fn a_journal_of_a_newer_version_is_left_alone() {
    let site = Site::new();
    site.call(&["journal", "add", "first", "text"]).ok();
    let path = site.path("state/journal.db");
    let mut bytes = fs::read(&path).unwrap();
    // The user version of an SQLite file stands at offset 60, big-endian (SQLite file format, section 1.3.13).
    bytes[60..64].copy_from_slice(&99u32.to_be_bytes());
    fs::write(&path, &bytes).unwrap();
    site.call(&["journal", "list"]).fails(INCOMPLETE, &["newer"]);
    let folder =
        site.file("logs/qemu.log", "qemu-system-x86_64: -drive file=a: Failed to get \"write\" lock\n");
    let call =
        site.call(&["analyze", "--from", folder.parent().unwrap().to_str().unwrap(), "--format", "json"]);
    let analysis = call.json();
    assert_eq!(analysis["causes"][0]["rule"], "storage/image-locked", "the analysis is not lost");
    assert!(analysis["unread"].to_string().contains("newer"), "{analysis}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "not a byte was changed");
}

#[test]
fn a_full_disk_loses_neither_the_analysis_nor_the_journal() {
    let site = Site::new();
    let folder =
        site.file("logs/qemu.log", "qemu-system-x86_64: -drive file=a: Failed to get \"write\" lock\n");
    let state = site.path("state");
    fs::create_dir(&state).unwrap();
    // A private mount namespace: the small file system is gone with the shell.
    let script = format!(
        "mount -t tmpfs -o size=256k,mode=700 none {state} && VMWRIGHT_STATE={state} {vmwright} journal add first text && \
         dd if=/dev/zero of={state}/filler bs=1k count=1024 2>/dev/null; \
         VMWRIGHT_STATE={state} {vmwright} analyze --from {folder} --format json; echo status $?; rm {state}/filler; \
         VMWRIGHT_STATE={state} {vmwright} journal verify",
        state = state.display(),
        folder = folder.parent().unwrap().display(),
        vmwright = env!("CARGO_BIN_EXE_vmwright"),
    );
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
    if !Command::new("unshare")
        .args(["--mount", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|done| done.success())
    {
        eprintln!("SKIPPED a_full_disk: no mount namespace without root");
        return;
    }
    let done = done(shell);
    assert!(done.out.contains("storage/image-locked") && done.out.contains("\nstatus 1\n"), "{done:#?}");
    assert!(done.out.contains("no space left"), "{done:#?}");
    assert!(done.out.contains("the chain of 1 entries holds"), "{done:#?}");
}

#[test]
fn ctrl_c_in_the_middle_of_a_run_takes_everything_back() {
    if !has("ctrl_c", "qemu-system-x86_64") || !has("ctrl_c", "qemu-img") {
        return;
    }
    let site = Site::new();
    let key = site.approver();
    let disk = site.path("disk.qcow2");
    let made =
        Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&disk).arg("1M").status().unwrap();
    assert!(made.success());
    let on_disk = format!("[[disk]]\npath = {disk:?}\nformat = \"qcow2\"\n");
    site.machine("holder", &on_disk).ok();
    site.machine("web", &on_disk).ok();
    site.call(&["vm", "start", "holder"]).ok();
    let made = site.call(&["plan", "--vm", "web", "--format", "json"]).ok().json();
    assert_eq!(made["plan"]["steps"][0]["action"]["action"], "machine-stop", "{made}");
    let id = made["id"].as_str().unwrap();
    site.approve(id, &key).ok();

    let mut apply = site.command(&["apply", id]);
    let apply = apply.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The first step takes long: a guest without a system does not power off when it is asked to.
    let runs = site.path("state/runs");
    let deadline = Instant::now() + Duration::from_secs(30);
    let begun = || {
        let logs = fs::read_dir(&runs).into_iter().flatten().flatten();
        logs.filter_map(|log| fs::read_to_string(log.path()).ok()).any(|text| text.contains("\"intent\""))
    };
    while !begun() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &apply.id().to_string()]).status().unwrap().success());
    let output = apply.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(REFUSED), "{text}");
    assert!(text.contains("taken back"), "{text}");
    let list = site.call(&["vm", "list", "--format", "json"]).ok().json();
    let state = |name: &str| {
        let mut machines = list["machines"].as_array().unwrap().iter();
        machines.find(|machine| machine["name"] == name).unwrap()["state"].clone()
    };
    assert_eq!(state("holder"), "running", "{text}");
    assert_ne!(state("web"), "running", "{text}");
    let again = site.call(&["recover"]).ok();
    assert!(again.out.contains("no run was cut off"), "{}", again.out);
}
