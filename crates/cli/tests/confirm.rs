//! A run that could lock its user out, on the real network of a namespace of its own: confirmed it stays, and without it
//! is taken back, whoever is killed.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::{Site, has};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const REFUSED: i32 = 4;

/// Runs the test of this name once more in a network namespace of its own; whether this is that run.
fn apart(name: &str) -> bool {
    if std::env::var_os("VMWRIGHT_TEST_CHILD").is_some() {
        return true;
    }
    if !has(name, "unshare") || !has(name, "ip") {
        return false;
    }
    if !Command::new("unshare").args(["--net", "true"]).output().unwrap().status.success() {
        eprintln!("SKIPPED {name}: no network namespace without root");
        return false;
    }
    let output = Command::new("unshare")
        .arg("--net")
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env("VMWRIGHT_TEST_CHILD", "1")
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// A site with an approved plan that makes a bridge with an address; the plan's id. Each test has a bridge of another name:
/// equal plans that begin in one second have equal runs, and their guards are told apart by the run alone.
fn with_plan(name: &str) -> (Site, String) {
    let site = Site::new();
    let key = site.approver();
    site.machine("web", "").ok();
    let mut plan = site.call(&["plan", "--vm", "web", "--format", "json"]).ok().json()["plan"].take();
    plan["vm"] = Value::Null;
    plan["steps"] = json!([{
        "subject": {"kind": "interface", "name": name},
        "action": {"action": "bridge-add", "name": name, "address": "10.213.0.1/24"},
        "why": "a test",
        "disruption": "none",
        "settles": [],
    }]);
    let path = site.file("plan.json", plan.to_string());
    let path = path.to_str().unwrap().to_owned();
    site.approve(&path, &key).ok();
    (site, path)
}

fn is_there(name: &str) -> bool {
    Command::new("ip").args(["link", "show", "dev", name]).output().unwrap().status.success()
}

/// Waits for what must come, for as long as a slow machine may take.
fn until(what: &str, mut come: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !come() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Processes that wait for this run.
fn guards(run: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<String> =
            words.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let alive = fs::read_to_string(entry.path().join("stat")).is_ok_and(|stat| !stat.contains(") Z "));
        if let Some(at) = words.iter().position(|word| word == "revert")
            && alive
            && words.get(at + 1).is_some_and(|word| word == run)
        {
            found.push((pid, words.get(at + 3).cloned().unwrap_or_default()));
        }
    }
    found
}

fn the_run(out: &str) -> String {
    out.lines().find_map(|line| line.strip_prefix("run ")).unwrap().to_owned()
}

#[test]
fn nobody_confirms_and_the_run_is_taken_back_though_a_guard_is_killed() {
    if !apart("nobody_confirms_and_the_run_is_taken_back_though_a_guard_is_killed") {
        return;
    }
    let (site, plan) = with_plan("vmw0");
    let applied = site.call(&["apply", &plan, "--confirm-within", "20"]).ok();
    assert!(applied.out.contains("it is taken back in 20 s unless you confirm"), "{}", applied.out);
    let run = the_run(&applied.out);
    assert!(is_there("vmw0"));
    site.call(&["apply", &plan]).fails(REFUSED, &[&run, "waits for a confirmation"]);
    let said = site.call(&["recover"]);
    assert!(said.out.contains(&format!("vmwright confirm {run}")), "{}", said.out);

    until("the second guard", || guards(&run).len() == 2);
    for watch in ["first", "second"] {
        let (pid, _) = guards(&run).into_iter().find(|(_, which)| which == watch).unwrap();
        assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
        until("the other's help", || guards(&run).iter().any(|(new, which)| which == watch && *new != pid));
    }
    until("the undo", || !is_there("vmw0"));
    until("the end of the guards", || guards(&run).is_empty());
    site.call(&["confirm", &run]).fails(REFUSED, &["does not wait"]);
    assert!(site.call(&["recover"]).ok().out.contains("no run was cut off"));
    assert!(fs::read_dir(site.path("state/guards")).unwrap().next().is_none(), "no lock is left");
    let log = fs::read_to_string(site.path("state/runs").join(format!("{run}.jsonl"))).unwrap();
    assert!(log.contains("nobody confirmed the run in time"), "{log}");
}

#[test]
fn a_confirmed_run_stays() {
    if !apart("a_confirmed_run_stays") {
        return;
    }
    let (site, plan) = with_plan("vmw1");
    let run = the_run(&site.call(&["apply", &plan, "--confirm-within", "3600"]).ok().out);
    assert!(site.call(&["confirm", &run]).ok().out.contains("stays"));
    until("the end of the guards", || guards(&run).is_empty());
    assert!(is_there("vmw1"));
    assert!(!site.call(&["recover"]).ok().out.contains(&run));
    site.call(&["undo", &run]).ok();
    assert!(!is_there("vmw1"));
}

#[test]
fn a_run_that_died_is_taken_back_at_its_deadline() {
    if !apart("a_run_that_died_is_taken_back_at_its_deadline") {
        return;
    }
    let (site, plan) = with_plan("vmw2");
    let run = the_run(&site.call(&["apply", &plan, "--confirm-within", "2"]).ok().out);
    // As if the process had died before the end of the run was on disk.
    let log = site.path("state/runs").join(format!("{run}.jsonl"));
    let text = fs::read_to_string(&log).unwrap();
    let kept: String = text.split_inclusive('\n').filter(|line| !line.contains("\"ended\"")).collect();
    fs::write(&log, kept).unwrap();
    until("the undo", || !is_there("vmw2"));
    until("the end of the guards", || guards(&run).is_empty());
    assert!(Path::new(&log).exists());
}

#[test]
fn guards_that_are_all_killed_at_once_are_started_anew_by_recover() {
    if !apart("guards_that_are_all_killed_at_once_are_started_anew_by_recover") {
        return;
    }
    let (site, plan) = with_plan("vmw3");
    let run = the_run(&site.call(&["apply", &plan, "--confirm-within", "10"]).ok().out);
    until("the second guard", || guards(&run).len() == 2);
    let both = guards(&run).into_iter().map(|(pid, _)| pid.to_string()).collect::<Vec<_>>();
    assert!(Command::new("kill").arg("-KILL").args(&both).status().unwrap().success());
    until("their end", || !guards(&run).iter().any(|(pid, _)| both.contains(&pid.to_string())));
    // Where one has just started the other anew, they are not gone.
    if guards(&run).is_empty() {
        let said = site.call(&["recover"]).out;
        assert!(said.contains("was started anew"), "{said}");
        assert!(!site.call(&["recover"]).out.contains("was started anew"), "they are there again");
    }
    until("the undo", || !is_there("vmw3"));
    until("the end of the guards", || guards(&run).is_empty());
}
