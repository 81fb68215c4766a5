//! Clients that send nonsense, too much, or go away.

use crate::client::{Client, lives, until};
use crate::common::Site;
use serde_json::json;

#[test]
fn what_is_no_message_is_answered_and_forgotten() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    for (line, code) in [
        ("{", -32700),
        ("\u{0}\u{1}", -32700),
        ("[]", -32600),
        ("42", -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":7}", -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"tools/call\",\"params\":{\"name\":5}}", -32602),
    ] {
        client.raw(line);
        let answer = client.read().unwrap();
        assert_eq!(answer["error"]["code"], code, "{line:?}: {answer}");
    }
    client.raw("");
    client.raw("{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\",\"params\":{}}");
    client.send(&json!({ "jsonrpc": "2.0", "id": 99, "method": "no/such", "params": {} }));
    assert_eq!(client.answer(99)["error"]["code"], -32601);
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    client.raw(&format!("{{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"ping\",\"params\":{nested}}}"));
    assert!(client.read().unwrap()["error"]["code"].is_i64());
    assert_eq!(client.ask("ping", json!({}))["result"], json!({}));
}

#[test]
fn who_sends_nothing_but_nonsense_is_left() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    for _ in 0..300 {
        client.raw("nonsense");
    }
    while client.read().is_some() {}
    assert!(client.child.wait().unwrap().success());
}

#[test]
fn huge_arguments_are_refused_in_a_line() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    let big = "x".repeat(10 << 20);
    let called = client.call("search_journal", json!({ "query": big }));
    assert_eq!(called["isError"], true);
    assert!(
        called.to_string().contains("at most 1048576 are taken") && called.to_string().len() < 2000,
        "{called}"
    );
    let called = client.call("search_journal", json!({ "query": "x", big.as_str(): 1 }));
    assert!(called.to_string().len() < 2000);
    let called = client.call(&big, json!({}));
    assert!(called.to_string().len() < 2000, "the name is not sent back whole");
    // Longer than any message: thrown away, named, and the next one is read.
    client.raw(&"y".repeat(40 << 20));
    let answer = client.read().unwrap();
    assert!(answer["error"]["message"].as_str().unwrap().contains("at most"), "{answer}");
    assert_eq!(client.ask("ping", json!({}))["result"], json!({}));
}

#[test]
fn near_misses_are_named() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    let unknown = client.call("anlyze", json!({}));
    assert!(unknown["message"].as_str().unwrap().contains("did you mean `analyze`?"), "{unknown}");
    let wrong = client.call("analyze", json!({ "complain": "x", "dry_run": "yes" }));
    let text = wrong["structuredContent"]["error"]["untrusted"].as_str().unwrap();
    assert!(
        text.contains("did you mean `complaint`?") && text.contains("`dry_run` is true or false"),
        "{text}"
    );
    for (tool, arguments, part) in [
        ("plan", json!({ "intent": "fxi" }), "did you mean `fix`?"),
        ("plan", json!({ "intent": "sriov", "device": "01:00.0" }), "`vfs` is needed"),
        ("read_journal_entry", json!({ "path": "/etc/passwd" }), "no file is read"),
        ("plan", json!({ "intent": "preview", "plan": "/etc/passwd" }), "not a path"),
        ("process_thoughts", json!({}), "at least one of"),
        ("process_thoughts", json!({ "feelings": "  " }), "at least one of"),
        ("look_up", json!({ "rule": "vfio/code-44" }), "vfio/code-43"),
    ] {
        let called = client.call(tool, arguments);
        assert_eq!(called["isError"], true, "{called}");
        assert!(called.to_string().contains(part), "{part:?} is not in: {called}");
    }
}

/// A client that dies in the middle of a call: the server and its worker end, and nothing stays locked.
#[test]
fn a_client_that_goes_away_leaves_nothing() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    client.request("tools/call", json!({ "name": "analyze", "arguments": {} }));
    until("the worker starts", || !client.workers().is_empty());
    let workers = client.workers();
    client.hang_up();
    until("the server ends", || client.child.try_wait().unwrap().is_some());
    until("the worker ends", || !workers.iter().any(|worker| lives(*worker)));
    assert_eq!(site.call(&["journal", "verify"]).status, 0);
    assert_eq!(site.call(&["journal", "add", "still", "writable"]).status, 0);
}

/// A server that is killed takes its workers with it.
#[test]
fn a_killed_server_leaves_nothing() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    client.request("tools/call", json!({ "name": "analyze", "arguments": {} }));
    until("the worker starts", || !client.workers().is_empty());
    let workers = client.workers();
    client.child.kill().unwrap();
    until("the worker ends", || !workers.iter().any(|worker| lives(*worker)));
    assert_eq!(site.call(&["journal", "verify"]).status, 0);
}

/// A client that asks much and reads nothing: the server waits, and answers all when it reads.
#[test]
fn a_slow_reader_gets_everything_in_the_end() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    let ids: Vec<i64> = (0..60).map(|_| client.request("tools/list", json!({}))).collect();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut seen: Vec<i64> = Vec::new();
    while seen.len() < ids.len() {
        seen.extend(client.read().unwrap()["id"].as_i64());
    }
    seen.sort_unstable();
    assert_eq!(seen, ids);
}

/// Many calls at once are done a few at a time, and each gets its own answer.
#[test]
fn calls_at_the_same_time_do_not_mix() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    let codes = ["0x7B", "0xD1", "0x50", "0x1E", "0x7E", "0x3B", "0x0A", "0xC4"];
    let params = |code: &str| json!({ "name": "look_up", "arguments": { "rule": code } });
    let ids: Vec<i64> = codes.iter().map(|code| client.request("tools/call", params(code))).collect();
    let mut answers = std::collections::BTreeMap::new();
    while answers.len() < ids.len() {
        let message = client.read().unwrap();
        answers.insert(message["id"].as_i64().unwrap(), message);
    }
    for (id, code) in ids.iter().zip(codes) {
        let of = &answers[id]["result"]["structuredContent"];
        assert!(of["result"]["of"]["untrusted"] == code || of["exit"] == "usage", "{code}: {of}");
    }
}
