//! A dead network file system under what is read.

use crate::common::Site;
use crate::fuse::{GETATTR, LOOKUP, OPEN, OPENDIR, READ, READDIR, Silent};
use crate::{bounded, unread};

#[test]
fn an_image_on_a_dead_file_system_is_told_and_nothing_hangs() {
    let site = Site::new();
    for (what, unanswered) in [("lookup", &[LOOKUP][..]), ("attributes", &[GETATTR])] {
        let mut dead = Silent::mount("an_image_on_a_dead_file_system", &site.path(what), unanswered);
        let Some(path) = dead.as_ref().map(|dead| dead.path.join("web.qcow2")) else { return };
        let vm = format!("web-{what}");
        site.machine(&vm, &format!("[[disk]]\npath = {path:?}\nformat = \"qcow2\"\n")).ok();
        let (done, took) =
            bounded(site.command(&["analyze", "--vm", &vm, "--format", "json"]), || dead = None);
        println!("{what}: {took:?}");
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
            || dead = None,
        );
        println!("{what}: {took:?}");
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
    let (done, took) = bounded(site.command(&["analyze", "--from", path.to_str().unwrap()]), || dead = None);
    println!("{took:?}");
    assert_ne!(done.status, 0, "{done:#?}");
    assert!(done.err.contains("no answer within"), "{}", done.err);
}
