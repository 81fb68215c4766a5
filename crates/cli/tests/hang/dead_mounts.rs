//! A dead network file system under what is read.

use crate::common::{Done, Site};
use crate::fuse::{GETATTR, LOOKUP, OPEN, OPENDIR, READ, READDIR, Silent};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a call may take: one reading has 10 s, and several hang at the same file system.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a call to its end; it fails where that does not come, with the file system's unanswered requests given up.
fn bounded(mut command: Command, dead: &mut Option<Silent>) -> (Done, Duration) {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let began = Instant::now();
    let child = command.spawn().unwrap();
    let id = child.id();
    let (send, ended) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let output = child.wait_with_output().unwrap();
        let _ = send.send(());
        output
    });
    let in_time = ended.recv_timeout(PATIENCE).is_ok();
    let took = began.elapsed();
    if !in_time {
        let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
        *dead = None;
    }
    let output = waiting.join().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let done = Done {
        status: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
    };
    assert!(in_time, "no end within {PATIENCE:?}: {done:#?}");
    (done, took)
}

fn unread(done: &Done, source: &str) -> String {
    let analysis = done.json();
    let unread = analysis["unread"].as_array().unwrap();
    let found = unread.iter().find(|one| one[0].as_str().unwrap().contains(source));
    found.unwrap_or_else(|| panic!("{source} is not in {unread:#?}"))[1].as_str().unwrap().to_owned()
}

#[test]
fn an_image_on_a_dead_file_system_is_told_and_nothing_hangs() {
    let site = Site::new();
    for (what, unanswered) in [("lookup", &[LOOKUP][..]), ("attributes", &[GETATTR])] {
        let mut dead = Silent::mount("an_image_on_a_dead_file_system", &site.path(what), unanswered);
        let Some(path) = dead.as_ref().map(|dead| dead.path.join("web.qcow2")) else { return };
        let vm = format!("web-{what}");
        site.machine(&vm, &format!("[[disk]]\npath = {path:?}\nformat = \"qcow2\"\n")).ok();
        let (done, took) = bounded(site.command(&["analyze", "--vm", &vm, "--format", "json"]), &mut dead);
        eprintln!("{what}: {took:?}");
        assert!([0, 1, 3].contains(&done.status), "{done:#?}");
        let why = unread(&done, path.to_str().unwrap());
        assert!(why.contains("no answer within"), "{why}");
    }
}

#[test]
fn a_folder_on_a_dead_file_system_is_told_and_nothing_hangs() {
    let site = Site::new();
    for (what, unanswered) in
        [("read", &[READ][..]), ("open", &[OPEN]), ("list", &[OPENDIR, READDIR]), ("look", &[LOOKUP])]
    {
        let folder = format!("{what}/logs");
        site.file(&format!("{folder}/qemu.log"), "qemu: Failed to get \"write\" lock\n");
        let mut dead = Silent::mount(
            "a_folder_on_a_dead_file_system",
            &site.path(&format!("{folder}/dead")),
            unanswered,
        );
        if dead.is_none() {
            return;
        }
        std::os::unix::fs::symlink("dead/a.log", site.path(&format!("{folder}/link.log"))).unwrap();
        let folder = site.path(&folder);
        let (done, took) = bounded(
            site.command(&["analyze", "--from", folder.to_str().unwrap(), "--format", "json"]),
            &mut dead,
        );
        eprintln!("{what}: {took:?}");
        let analysis = done.json();
        assert_eq!(analysis["causes"][0]["rule"], "storage/image-locked", "what can be read is: {analysis}");
        let why = unread(&done, if what == "list" { "dead" } else { "link.log" });
        assert!(why.contains("no answer within"), "{why}");
    }
}

#[test]
fn a_root_that_does_not_answer_is_named() {
    let site = Site::new();
    let mut dead =
        Silent::mount("a_root_that_does_not_answer", &site.path("dead"), &[GETATTR, LOOKUP, OPENDIR]);
    let Some(path) = dead.as_ref().map(|dead| dead.path.clone()) else { return };
    let (done, took) = bounded(site.command(&["analyze", "--from", path.to_str().unwrap()]), &mut dead);
    eprintln!("{took:?}");
    assert_ne!(done.status, 0, "{done:#?}");
    assert!(done.err.contains("no answer within"), "{}", done.err);
}
