//! vmwright's own answer, without a model.

use crate::common::Site;
use crate::scripted::logs;

#[test]
fn a_question_about_records_is_analysed_and_investigated() {
    let site = Site::new();
    let logs = logs(&site);
    let call = site.call(&["ask", "my VM does not start, its disk is in use", "--from", &logs]);
    assert_eq!(call.status, 1, "{call:#?}");
    assert!(call.err.contains("ENTERING ANALYSIS MODE: my VM does not start"), "{}", call.err);
    for part in [
        "error[storage/image-locked]",
        "settled: storage/image-locked",
        "what vmwright found\n  analyze: storage/image-locked: ",
        "web.log:1: qemu: -drive",
        "ended: with an answer",
    ] {
        assert!(call.out.contains(part), "{part:?} is not in: {}", call.out);
    }
    assert!(!call.out.contains("which proves nothing"), "no model was asked");
    let json = site.call(&["ask", "its disk is in use", "--from", &logs, "--format", "json"]).json();
    assert_eq!(json["schema"], "vmwright.ask/1");
    let done: Vec<&str> =
        json["parts"].as_array().unwrap().iter().map(|one| one["operation"].as_str().unwrap()).collect();
    assert_eq!(done, ["analyze", "investigate"], "records are mended nowhere");
    assert_eq!(json["said"], serde_json::Value::Null);
    site.call(&["journal", "verify"]).ok();
}

#[test]
fn a_question_for_one_of_several_is_decided() {
    let site = Site::new();
    let call = site.call(&["ask", "which hypervisor should I use for Windows desktops?"]).ok();
    assert!(
        call.out.contains("need: windows") && call.out.contains("decide: decision: qemu"),
        "{}",
        call.out
    );
    site.call(&["ask", " "]).fails(2, &["the question is empty"]);
    site.call(&["ask", "why", "--format", "sarif"]).fails(2, &["text, json and jsonl"]);
}
