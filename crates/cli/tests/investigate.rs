//! Investigations: hypotheses that compete, told apart by what is read, kept in the journal.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::Site;
use serde_json::Value;

const LOCK: &str = "qemu-system-x86_64: -drive file=/vm/web.qcow2: Failed to get \"write\" lock\n\
                    Is another process using the image [/vm/web.qcow2]?\n";

fn hypotheses(all: &Value) -> &Vec<Value> {
    all["hypotheses"].as_array().unwrap()
}

fn of<'v>(all: &'v Value, rule: &str) -> &'v Value {
    hypotheses(all).iter().find(|one| one["rule"] == rule).unwrap_or_else(|| panic!("no {rule}: {all:#}"))
}

/// What holds of every investigation.
#[track_caller]
fn is_sound(all: &Value) {
    assert_eq!(all["schema"], "vmwright.investigation/1");
    assert!(hypotheses(all).iter().filter(|one| one["rule"].is_string()).count() >= 2, "{all:#}");
    let shares = hypotheses(all).iter().map(|one| one["share"].as_f64().unwrap());
    let sum = shares.sum::<f64>() + all["other"].as_f64().unwrap();
    assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    for one in hypotheses(all).iter().filter(|one| one["standing"] == "supported") {
        assert!(!one["pieces"].as_array().unwrap().is_empty(), "{one:#}");
    }
    for one in hypotheses(all).iter().filter(|one| one["standing"] != "supported") {
        assert_eq!(one["confidence"], 0.0, "{one:#}");
    }
}

#[test]
fn records_settle_a_question_and_the_journal_keeps_it() {
    let site = Site::new();
    let log = site.file("logs/web.log", LOCK);
    let logs = log.parent().unwrap().to_str().unwrap().to_owned();
    let words =
        ["investigate", "the VM does not start, its disk is in use", "--from", &logs, "--format", "json"];
    let call = site.call(&words);
    assert_eq!(call.status, 1, "{call:#?}");
    let all = call.json();
    is_sound(&all);
    assert_eq!(
        (&all["state"], &hypotheses(&all)[0]["rule"]),
        (&"settled".into(), &"storage/image-locked".into())
    );
    let first = &hypotheses(&all)[0];
    assert!(
        first["confidence"].as_f64().unwrap() >= 0.9 && first["share"].as_f64().unwrap() > 0.8,
        "{first:#}"
    );
    assert!(!first["refute"].as_str().unwrap().is_empty());
    let number = all["investigation"].to_string();
    let kept = site.call(&["journal", "show", &number, "--format", "json"]).ok().json();
    assert_eq!(kept["entries"][0][1]["operation"], "investigate");
    assert_eq!(kept["entries"][0][1]["rules"][0], "storage/image-locked");

    let text = site.call(&["investigate", "--resume", &number]);
    assert_eq!(text.status, 1, "{text:#?}");
    for part in ["supported", "web.log:1: qemu-system", "refuted by: ", "settled: storage/image-locked"] {
        assert!(text.out.contains(part), "{part:?} is not in: {}", text.out);
    }
    site.call(&["journal", "verify"]).ok();
}

#[test]
fn what_somebody_brings_later_goes_on_where_it_was() {
    let site = Site::new();
    let first = site.file("first/web.log", "qemu-system-x86_64: terminating on signal 15 from pid 1\n");
    let second = site.file("second/qemu.log", LOCK);
    let folder = |path: &std::path::Path| path.parent().unwrap().to_str().unwrap().to_owned();
    let begun = site.call(&[
        "investigate",
        "the disk image is locked",
        "--from",
        &folder(&first),
        "--format",
        "json",
    ]);
    assert_eq!(begun.status, 3, "{begun:#?}");
    let begun = begun.json();
    is_sound(&begun);
    assert_eq!(begun["state"], "open", "{begun:#}");
    assert_eq!(of(&begun, "storage/image-locked")["standing"], "open", "what was not pasted is not refuted");
    let next = begun["next"].as_array().unwrap();
    assert!(!next.is_empty() && next.iter().all(|one| one["here"] == false), "{begun:#}");

    let number = begun["investigation"].to_string();
    let more = ["investigate", "--resume", &number, "--from", &folder(&second), "--format", "json"];
    let ended = site.call(&more).json();
    is_sound(&ended);
    assert_eq!((&ended["state"], &ended["investigation"]), (&"settled".into(), &begun["investigation"]));
    let steps = ended["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2, "{ended:#}");
    assert!(steps[1]["told"].as_f64().unwrap() > steps[0]["told"].as_f64().unwrap(), "{steps:#?}");
    let listed = site.call(&["journal", "list", "--format", "json"]).json();
    let states: Vec<&Value> =
        listed["entries"].as_array().unwrap().iter().map(|one| &one[1]["state"]).collect();
    assert_eq!(states, ["pending", "superseded"]);
}

#[test]
fn what_a_caller_says_is_a_hypothesis_and_no_evidence() {
    let site = Site::new();
    let log = site.file("logs/web.log", LOCK);
    let logs = log.parent().unwrap().to_str().unwrap().to_owned();
    let all = site
        .call(&[
            "investigate",
            "it does not start",
            "--from",
            &logs,
            "--hypothesis",
            "vfio/group-not-viable",
            "--hypothesis",
            "xyzzy plugh, with 100 % certainty",
            "--note",
            "confidence: certain",
            "--format",
            "json",
        ])
        .json();
    is_sound(&all);
    let believed = of(&all, "vfio/group-not-viable");
    assert!(believed["origins"].as_array().unwrap().contains(&"caller".into()));
    assert_ne!(believed["standing"], "supported");
    let said = hypotheses(&all).iter().find(|one| one["rule"].is_null()).unwrap();
    assert_eq!((&said["standing"], &said["confidence"]), (&"untested".into(), &0.0.into()));
    // What fired on the records came in besides, and is ahead.
    assert_eq!(hypotheses(&all)[0]["rule"], "storage/image-locked", "{all:#}");
    assert_eq!(all["notes"][0], "confidence: certain");
}

#[test]
fn a_running_host_is_read_source_by_source_the_most_telling_first() {
    let site = Site::new();
    let begun = site.call(&[
        "investigate",
        "KVM is not available, /dev/kvm is missing",
        "--think",
        "--format",
        "json",
    ]);
    let begun = begun.json();
    is_sound(&begun);
    assert!(begun["steps"].as_array().unwrap().is_empty());
    let next = begun["next"].as_array().unwrap();
    let bits: Vec<f64> = next.iter().map(|one| one["expected"].as_f64().unwrap()).collect();
    assert!(bits[0] > 0.05 && bits.windows(2).all(|pair| pair[0] >= pair[1]), "{next:#?}");
    let number = begun["investigation"].to_string();
    let step = || site.call(&["investigate", "--resume", &number, "--step", "--format", "json"]).json();
    let one = step();
    is_sound(&one);
    assert_eq!(one["steps"][0]["probe"], next[0]["probe"]);
    assert_eq!(one["steps"].as_array().unwrap().len(), 1);
    if one["state"] == "open" {
        let two = step();
        let steps = two["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 2, "{two:#}");
        assert_ne!(steps[0]["probe"], steps[1]["probe"]);
    }
    let chosen =
        ["investigate", "--resume", &number, "--step", "--probe", "/proc/cmdline", "--format", "json"];
    let chosen = site.call(&chosen).json();
    assert_eq!(chosen["steps"].as_array().unwrap().last().unwrap()["probe"], "/proc/cmdline");
    let ended = site.call(&["investigate", "--resume", &number, "--format", "json"]).json();
    is_sound(&ended);
    assert_ne!(ended["state"], "open", "{ended:#}");
}

#[test]
fn what_is_no_investigation_is_named() {
    let site = Site::new();
    site.call(&["journal", "add", "a", "b"]).ok();
    site.call(&["investigate", "--resume", "1"]).fails(2, &["entry 1", "no investigation"]);
    site.call(&["investigate", "--resume", "77"]).fails(2, &["no entry 77"]);
    site.call(&["investigate", " "]).fails(2, &["needs a question"]);
    site.call(&["investigate", "x", "--step", "--probe", "dmseg"]).fails(2, &["did you mean `dmesg`?"]);
    let log = site.file("logs/web.log", LOCK);
    let logs = log.parent().unwrap().to_str().unwrap().to_owned();
    site.call(&["investigate", "x", "--from", &logs, "--vm", "web"]).fails(2, &["not with records"]);
}
