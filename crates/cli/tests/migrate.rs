//! `vmwright plan migrate`: a move is looked at on both hosts before anybody is asked to approve it.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::{Site, has};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

const REFUSED: i32 = 4;
const USAGE: i32 = 2;

/// The host that the rules' own tests move a VM to.
fn target() -> String {
    format!("{}/../rules/tests/preflight/hv2", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_move_that_would_fail_is_refused_with_what_stands_in_the_way() {
    let site = Site::new();
    let disk = site.file("only-here.raw", vec![0; 4096]);
    let more = format!("[[disk]]\npath = {:?}\nformat = \"raw\"\n", disk.to_str().unwrap());
    site.machine("web", &more).ok();
    let call = site.call(&["plan", "migrate", "web", "tcp:hv2:49152", "--against", &target()]);
    call.fails(REFUSED, &["web cannot move to tcp:hv2:49152:", "\n  migration/", "\n  web does not run"]);
    assert!(!site.path("state/plans").exists(), "no plan was kept");
}

#[test]
fn bad_input_names_its_place() {
    let site = Site::new();
    site.machine("web", "").ok();
    let target = target();
    let call =
        |vm: &str, to: &str, against: &str| site.call(&["plan", "migrate", vm, to, "--against", against]);
    call("web", "hv2", &target).fails(USAGE, &["`hv2` is no place for a guest", "tcp:host:port"]);
    call("web", "tcp:hv2:49152", "/nonexistent-host").fails(USAGE, &["/nonexistent-host"]);
    call("wep", "tcp:hv2:49152", &target).fails(USAGE, &["wep"]);
    let paced = |more: &[&str]| {
        let words = ["plan", "migrate", "web", "tcp:hv2:49152", "--against", target.as_str()];
        site.call(&[&words[..], more].concat())
    };
    paced(&["--bandwidth", "much"]).fails(USAGE, &["--bandwidth"]);
    paced(&["--downtime", "soon"]).fails(USAGE, &["--downtime"]);
    site.call(&["plan", "migrate", "web", "tcp:hv2:49152"]).fails(USAGE, &["--against"]);
}

#[test]
fn a_machine_moves_by_a_plan_and_is_not_said_to_be_back() {
    let test = "a_machine_moves_by_a_plan_and_is_not_said_to_be_back";
    if !has(test, "qemu-system-x86_64") {
        return;
    }
    let (here, there) = (Site::new(), Site::new());
    let key = here.approver();
    for site in [&here, &there] {
        site.machine("web", "").ok();
    }
    // The rules would refuse a move within one host, so that the plan is written by hand, over one that starts it.
    let mut plan = here.call(&["plan", "--vm", "web", "--format", "json"]).ok().json()["plan"].take();
    here.call(&["vm", "start", "web"]).ok();
    let socket = there.path("web.sock");
    let to = format!("unix:{}", socket.display());
    let mut receive = there.command(&["vm", "receive", "web", "--from", &to]).spawn().unwrap();
    let begun = Instant::now();
    while !socket.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody waits at {to}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut steps = |to: &str| {
        let step = |action: Value, disruption: &str| {
            json!({ "subject": {"kind": "vm", "name": "web"}, "action": action, "why": "a test",
                    "disruption": disruption, "settles": [] })
        };
        let downtime = json!({ "action": "qmp", "machine": "web", "value": {"kind": "migration-downtime"},
                               "from": 300, "to": 400 });
        let away = json!({ "action": "machine-migrate", "machine": "web", "to": to });
        plan["steps"] = json!([step(downtime, "none"), step(away, "guest-pause")]);
        here.file("plan.json", plan.to_string())
    };
    let approved = |path: &Path| {
        here.approve(path.to_str().unwrap(), &key).ok();
        here.call(&["apply", path.to_str().unwrap()])
    };
    // Where it does not arrive, QEMU has what it had.
    let parameters = here.asked("web", "query-migrate-parameters");
    let failed = approved(&steps(&format!("unix:{}", here.path("nobody.sock").display())));
    assert!(failed.status != 0 && failed.out.contains("1. taken back"), "{failed:#?}");
    assert_eq!(here.asked("web", "query-migrate-parameters"), parameters);
    let path = steps(&to);
    let path = path.to_str().unwrap();
    here.approve(path, &key).ok();
    let applied = here.call(&["apply", path]).ok().out;
    assert!(receive.wait().unwrap().success());
    let state = |site: &Site| site.call(&["vm", "list"]).ok().out;
    assert!(state(&here).contains("defined") && state(&there).contains("running"), "{applied}");
    let run = applied.lines().find_map(|line| line.strip_prefix("run ")).unwrap();
    let undone = here.call(&["undo", run]);
    assert!(
        undone.out.contains(&format!("machine web has moved to {to}: send it back from there")),
        "{undone:#?}"
    );
    assert!(state(&there).contains("running"), "nothing is done to it from here");
}

#[test]
fn what_does_not_wait_for_a_restart_does_not_go_on() {
    let site = Site::new();
    site.call(&["apply"]).fails(USAGE, &["<PLAN>"]);
    site.call(&["apply", "--resume", "20990101T000000Z-abc"])
        .fails(REFUSED, &["there is no run 20990101T000000Z-abc"]);
    site.call(&["apply", "--resume", "../x"]).fails(REFUSED, &["is not the id of a run"]);
}
