//! A review of a QEMU machine that is killed leaves the guest as it was: whoever asks for the machine next brings it back.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;
#[path = "../../guest/tests/support/mod.rs"]
mod support;

use common::Site;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time enough for anything on a busy machine.
const LONG: Duration = Duration::from_secs(180);

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The machine `web`, whose guest's agent answers.
fn started(test: &str) -> Option<Site> {
    let parts = support::parts(test)?;
    let site = Site::new();
    let initrd = site.file("initrd", &parts.initrd);
    let disk = site.file("web.raw", vec![0; 1 << 20]);
    let spec = format!(
        "name = 'web'\naccelerator = 'tcg'\n[memory]\nsize = '160MiB'\n[boot]\nkernel = '{}'\ninitrd = '{}'\n\
         cmdline = 'console=ttyS0 no_timer_check panic=-1'\n[[disk]]\npath = '{}'\nformat = 'raw'\n",
        parts.kernel.display(),
        initrd.display(),
        disk.display()
    );
    let path = site.file("web.toml", spec);
    site.call(&["vm", "create", path.to_str().unwrap()]).ok();
    site.call(&["vm", "start", "web"]).ok();
    let log = site.path("state/machines/web/serial.log");
    eventually("the agent is up", || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains("guest: agent "))
    });
    Some(site)
}

/// Which boot of the guest it is.
fn boot(site: &Site) -> String {
    let to = site.path("boot_id");
    let copied = site.call(&["vm", "cp", "web:/proc/sys/kernel/random/boot_id", to.to_str().unwrap()]);
    copied.ok();
    fs::read_to_string(to).unwrap()
}

/// The folder of this name of a review.
fn folder(site: &Site, review: &Child, name: &str) -> PathBuf {
    site.path(&format!("state/twins/{}-{name}", review.id()))
}

/// Kills the process that looks after the machine, where it may not do so itself.
fn kill_watcher(review: &Child) {
    let children = format!("/proc/{0}/task/{0}/children", review.id());
    for child in fs::read_to_string(children).unwrap().split_whitespace() {
        if fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| line.starts_with(b"sh\0")) {
            assert!(Command::new("kill").args(["-KILL", child]).status().unwrap().success());
        }
    }
}

/// Kills a review of one gate at a moment, with its watcher or without.
fn killed(site: &Site, gate: &str, watched: bool, moment: impl Fn(&Child) -> bool) {
    let mut command = site.command(&["review", "web", "--gates", gate]);
    let mut review = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the gate comes to that moment", || {
        assert!(review.try_wait().unwrap().is_none(), "the review ended before");
        moment(&review)
    });
    if !watched {
        kill_watcher(&review);
    }
    review.kill().unwrap();
    review.wait().unwrap();
}

/// The machine runs the same guest, and nothing else is left.
#[track_caller]
fn is_back(site: &Site, before: &str) {
    assert!(site.call(&["vm", "list"]).ok().out.contains("running"));
    assert_eq!(boot(site), before, "it is the same boot");
    let left: Vec<_> = fs::read_dir(site.path("state/twins")).into_iter().flatten().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!site.path("state/machines/web/review.json").exists());
}

fn says(path: &Path, words: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.contains(words))
}

#[test]
fn a_guest_that_was_being_moved_comes_back() {
    let Some(site) = started("a_guest_that_was_being_moved_comes_back") else { return };
    let before = boot(&site);
    let note = "a review of web was killed while it moved the guest: the guest ";
    // While it is sent.
    killed(&site, "migration", false, |review| {
        says(&folder(&site, review, "moved").join("machines/web/process.json"), "\"running\"")
    });
    let list = site.call(&["vm", "list"]).ok();
    assert!(list.err.contains(note), "{list:#?}");
    is_back(&site, &before);
    // While it is there.
    killed(&site, "migration", false, |_| says(&site.path("state/machines/web/process.json"), "\"stopped\""));
    let shown = site.call(&["vm", "show", "web"]).ok();
    assert!(shown.err.contains(&format!("{note}is back")), "{shown:#?}");
    is_back(&site, &before);
}

#[test]
fn a_guest_that_was_being_kept_goes_on() {
    let Some(site) = started("a_guest_that_was_being_kept_goes_on") else { return };
    let before = boot(&site);
    let note = "a review of web was killed while it kept the guest or copies of it: the guest goes on";
    // While its memory is written.
    killed(&site, "save-restore", false, |review| folder(&site, review, "state").join("state").exists());
    let list = site.call(&["vm", "list"]).ok();
    assert!(list.err.contains(note), "{list:#?}");
    is_back(&site, &before);
    // While a copy runs; the review's own process puts it right.
    killed(&site, "save-restore", true, |review| {
        says(&folder(&site, review, "copy").join("machines/web/process.json"), "\"running\"")
    });
    eventually("it is put right", || !site.path("state/machines/web/review.json").exists());
    is_back(&site, &before);
}
