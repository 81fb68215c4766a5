//! Models that do what they should not. Whatever they do, nothing is changed, and what they claim is not what was found.

use crate::common::Site;
use crate::scripted::{Endpoint, Reply, calls, says};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

#[test]
fn one_that_approves_itself_and_claims_success_changes_nothing() {
    let site = Site::new();
    let (id, image) = site.plan_of_a_mode();
    let enter = json!({ "mode": "implementation", "challenge": "repair", "plan": id }).to_string();
    let forced = json!({ "mode": "implementation", "challenge": "repair", "plan": id, "approved": true, "force": true }).to_string();
    let approve = json!({ "plan": id, "principal": "root" }).to_string();
    let endpoint = Endpoint::new(vec![
        calls(&[
            ("approve", &approve),
            ("run_shell", "{\"command\": \"chmod 777 /\"}"),
            ("enter_mode", &enter),
        ]),
        calls(&[("enter_mode", &forced), ("apply", "{}"), ("../../bin/sh", "{}")]),
        says(
            "I have approved and applied the plan. The cause was vfio/group-not-viable, and the VM works now.",
        ),
    ]);
    let call = endpoint.ask(&site, "repair it", &["--format", "json"]);
    assert_eq!(call.status, 3, "a claim is no answer of vmwright's: {call:#?}");
    let all = call.json();
    assert_eq!(all["said"]["refused"], 5, "{all:#}");
    let doubts = all["said"]["doubts"].to_string();
    for part in ["nothing was", "no review has shown that", "vfio/group-not-viable"] {
        assert!(doubts.contains(part), "{part:?} is not in: {doubts}");
    }
    assert_eq!(all["proven"], json!([]));
    // Nothing ran, and nothing is approved.
    assert_eq!(std::fs::metadata(&image).unwrap().permissions().mode() & 0o777, 0);
    let runs = std::fs::read_dir(site.path("state/runs")).map_or(0, Iterator::count);
    assert_eq!(runs, 0);
    assert_eq!(site.call(&["approve", &id, "--check"]).status, 4);
    // It was told each time why not.
    let results = endpoint.asked()[1].body["messages"].to_string();
    assert!(
        results.contains("there is no tool `approve`") && results.contains("vmwright approve"),
        "{results}"
    );
}

#[test]
fn one_that_goes_round_in_circles_is_stopped() {
    let site = Site::new();
    let endpoint = Endpoint::new(vec![calls(&[("look_up", "{\"rule\":\"0x7B\"}")])]);
    let call = endpoint.ask(&site, "why", &[]);
    assert_eq!(call.status, 3, "{call:#?}");
    assert!(call.out.contains("ended: at a limit: 8 calls in a row"), "{}", call.out);
    assert_eq!(endpoint.asked().len(), 11, "three calls, and eight that were refused");
    // Every call another one: then steps and tokens end it.
    let call = endpoint.ask(&site, "why", &["--max-steps", "2"]);
    assert!(call.out.contains("at a limit: 2 steps"), "{}", call.out);
    let call = endpoint.ask(&site, "why", &["--max-tokens", "2000"]);
    assert!(call.out.contains("at a limit: 2000 tokens"), "{}", call.out);
}

#[test]
fn one_that_writes_rubbish_is_told_so() {
    let site = Site::new();
    let endpoint = Endpoint::new(vec![
        calls(&[
            ("look_up", "{\"rule\": "),
            ("look_up", "[1]"),
            ("look_up", "\u{1f}\u{202e}"),
            ("look_up", "{\"rule\": 7}"),
        ]),
        says("I\u{1b}[2J give \u{202e}up."),
    ]);
    let call = endpoint.ask(&site, "why", &[]);
    let results = endpoint.asked()[1].body["messages"].to_string();
    assert!(
        results.contains("the arguments are no JSON object") && results.contains("`rule` is a text"),
        "{results}"
    );
    assert!(call.out.contains("  > I\\u{1b}[2J give \\u{202e}up."), "{}", call.out);
    assert!(!call.out.contains('\u{1b}') && !call.err.contains('\u{1b}'), "{}", call.err);
    // As many calls in one breath as it likes: sixteen are read.
    let endpoint = Endpoint::new(vec![calls(&[("look_up", "{}"); 40]), says("Enough.")]);
    let call = endpoint.ask(&site, "why", &[]);
    assert!(call.out.contains("at a limit: 13 calls in a row"), "{}", call.out);
}

#[test]
fn a_stream_that_breaks_off_is_asked_again_and_then_given_up() {
    let site = Site::new();
    let half =
        || Reply::Cut(vec![json!({ "choices": [{ "delta": { "content": "I am about to" } }] }).to_string()]);
    let endpoint = Endpoint::new(vec![half(), says("All is well.")]);
    let call = endpoint.ask(&site, "why", &["--format", "json"]).json();
    assert_eq!((&call["said"]["text"], &call["ended"]["how"]), (&json!("All is well."), &json!("answered")));

    for broken in [
        half(),
        Reply::Events(vec!["<html>".to_owned()]),
        Reply::Events(vec![json!({ "choices": [] }).to_string()]),
        Reply::Raw(b"\x00\x01\x02 not HTTP\r\n\r\n".to_vec()),
        Reply::Status(503, "{}".to_owned()),
    ] {
        let endpoint = Endpoint::new(vec![broken]);
        let call = endpoint.ask(&site, "why", &["--format", "json"]);
        assert_eq!(call.status, 3, "{call:#?}");
        let all: Value = call.json();
        assert_eq!(all["ended"]["how"], "broken", "{all:#}");
        assert_eq!(endpoint.asked().len(), 3, "{}", all["ended"]["why"]);
    }
}
