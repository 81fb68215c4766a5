//! A migration that QEMU's own limit holds back, from its cause to its end: seen by an analysis, raised by an approved plan.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;
#[path = "../../guest/tests/support/mod.rs"]
mod support;

use common::Site;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const RULE: &str = "migration/not-converging";

/// Time enough for anything on a busy machine.
const LONG: Duration = Duration::from_secs(180);

/// Tells the guest of `web` to change a page of its memory again and again, 10000 times in a second at most.
fn writes(site: &Site) {
    let record = fs::read_to_string(site.path("state/machines/web/process.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let mut agent = UnixStream::connect(record["agent"].as_str().unwrap()).unwrap();
    agent.set_read_timeout(Some(LONG)).unwrap();
    let asked = json!({ "execute": "vmwright-memory-fill", "arguments": { "mib": 24, "pause-us": 100 } });
    writeln!(agent, "{asked}").unwrap();
    let mut answer = String::new();
    BufReader::new(agent).read_line(&mut answer).unwrap();
    assert!(answer.contains("\"pages\""), "{answer}");
}

fn eventually<T>(what: &str, mut tried: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(done) = tried() {
            return done;
        }
        assert!(begun.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What an analysis has found of the rule; none where it is no cause.
fn found(site: &Site, of: [&str; 2]) -> Option<Value> {
    let analysis = site.call(&["analyze", of[0], of[1], "--format", "json"]).json();
    let causes = analysis["causes"].as_array().unwrap();
    causes.iter().find(|cause| cause["rule"] == RULE).cloned()
}

#[test]
fn a_migration_that_a_limit_holds_back_ends_by_a_plan() {
    let Some(parts) = support::parts("a_migration_that_a_limit_holds_back_ends_by_a_plan") else { return };
    let (here, there) = (Site::new(), Site::new());
    let key = here.approver();
    let initrd = here.file("initrd", &parts.initrd);
    let spec = format!(
        "name = 'web'\naccelerator = 'tcg'\n[memory]\nsize = '160MiB'\n[boot]\nkernel = '{}'\ninitrd = '{}'\n\
         cmdline = 'console=ttyS0 no_timer_check panic=-1'\n",
        parts.kernel.display(),
        initrd.display()
    );
    for site in [&here, &there] {
        let path = site.file("web.toml", &spec);
        site.call(&["vm", "create", path.to_str().unwrap()]).ok();
    }
    here.call(&["vm", "start", "web"]).ok();
    let log = here.path("state/machines/web/serial.log");
    eventually("the agent is up", || {
        fs::read_to_string(&log).ok().filter(|text| text.contains("guest: agent "))
    });
    writes(&here);
    let socket = there.path("web.sock");
    let to = format!("unix:{}", socket.display());
    let mut receive = there.command(&["vm", "receive", "web", "--from", &to]).spawn().unwrap();
    eventually("somebody waits for it", || socket.exists().then_some(()));
    let mut migrate =
        here.command(&["vm", "migrate", "web", "--to", &to, "--bandwidth", "6MiB"]).spawn().unwrap();
    // Its first round takes in all of its memory; from the second on QEMU tells how much is written meanwhile.
    let plan = eventually("it is named, with a plan", || {
        assert!(migrate.try_wait().unwrap().is_none(), "it ended by itself");
        // Until then there is nothing that a plan can settle.
        let plan = here.call(&["plan", "--vm", "web", "--format", "json"]);
        let plan: Value = serde_json::from_str(&plan.out).ok()?;
        let raises = |step: &Value| step["action"]["action"] == "qmp";
        plan["plan"]["steps"].as_array().is_some_and(|steps| steps.iter().any(raises)).then_some(plan)
    });
    let limit = &plan["plan"]["steps"].as_array().unwrap()[0]["action"];
    assert_eq!((&limit["value"]["kind"], &limit["from"]), (&json!("migration-bandwidth"), &json!(6 << 20)));
    // A capture says the same as the host that it was taken of.
    let archive = here.path("capture.tar.gz");
    let (live, kept) = eventually("it is named by both", || {
        here.call(&["capture", "--vm", "web", "-o", archive.to_str().unwrap()]);
        Some((found(&here, ["--vm", "web"])?, found(&here, ["--from", archive.to_str().unwrap()])?))
    });
    for finding in [live, kept] {
        assert_eq!(finding["subject"], "vm web", "{finding:#}");
        assert!(finding.to_string().contains("qmp/web/query-migrate-parameters"), "{finding:#}");
    }
    let path = here.file("plan.json", plan["plan"].to_string());
    here.approve(path.to_str().unwrap(), &key).ok();
    let applied = here.call(&["apply", path.to_str().unwrap()]).ok();
    let begun = Instant::now();
    assert!(migrate.wait().unwrap().success() && receive.wait().unwrap().success(), "{applied:#?}");
    eprintln!("it arrived {:.1?} after the limit was raised", begun.elapsed());
    assert!(there.call(&["vm", "list"]).ok().out.contains("running"));
    // The run stands, and nothing of it is left to be taken back: the limit has gone with the QEMU that had it.
    let run = applied.out.lines().find_map(|line| line.strip_prefix("run ")).unwrap();
    let undone = here.call(&["undo", run]).ok();
    assert!(undone.out.contains(&format!("machine web went to {to} meanwhile")), "{undone:#?}");
}
