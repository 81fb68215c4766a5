//! A model that works with the tools as it should.

use crate::common::Site;
use crate::scripted::{Endpoint, KEY, Reply, calls, logs, says};
use serde_json::{Value, json};

#[test]
fn a_model_asks_for_tools_and_what_they_prove_is_told_apart_from_what_it_says() {
    let site = Site::new();
    let logs = logs(&site);
    let arguments = json!({ "from": [logs], "complaint": "its disk is in use" }).to_string();
    let endpoint = Endpoint::new(vec![
        calls(&[("analyze", &arguments)]),
        says("The image is locked by another process: storage/image-locked."),
    ]);
    let call = endpoint.ask(&site, "why does it not start", &["--from", &logs]);
    assert_eq!(call.status, 1, "{call:#?}");
    for part in [
        "what vmwright found\n  analyze: storage/image-locked: ",
        "what openai:test said, which proves nothing\n  > The image is locked by another",
        "2 steps, 2000 tokens in, 20 out",
    ] {
        assert!(call.out.contains(part), "{part:?} is not in: {}", call.out);
    }
    assert!(!call.out.contains("doubt:"), "{}", call.out);

    let asked = endpoint.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].head.starts_with("POST /v1/chat/completions HTTP/1.1"), "{}", asked[0].head);
    assert!(asked[0].head.to_lowercase().contains(&format!("authorization: bearer {KEY}")));
    let tools = asked[0].body["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|one| one["function"]["name"].as_str().unwrap()).collect();
    assert!(
        names.contains(&"analyze") && names.contains(&"consensus") && !names.contains(&"apply"),
        "{names:?}"
    );
    let question = asked[0].body["messages"][1]["content"].as_str().unwrap();
    assert!(question.contains(&logs), "{question}");
    let result = asked[1].body["messages"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&result["role"], &result["tool_call_id"]), (&json!("tool"), &json!("c0")));
    assert!(result["content"].as_str().unwrap().contains("\"untrusted\""), "{result}");

    // The conversation is kept, without the key, and is no knowledge.
    let kept = site.call(&["journal", "search", "asked openai:test", "--format", "json"]).ok().out;
    assert!(
        kept.contains("asked openai:test: why does it not start") && kept.contains("calls analyze"),
        "{kept}"
    );
    assert!(!kept.contains(KEY) && !call.out.contains(KEY) && !call.err.contains(KEY));
    let later = site.call(&["analyze", "why does it not start", "--from", &logs, "--format", "json"]).json();
    assert!(!later["journal"].to_string().contains("asked openai:test"), "{}", later["journal"]);
}

#[test]
fn modes_are_lists_of_tools_for_a_model_too() {
    let site = Site::new();
    assert_eq!(site.machine("web", "").status, 0);
    let enter = json!({ "mode": "review", "challenge": "does it boot", "scope": ["web"] }).to_string();
    let endpoint = Endpoint::new(vec![calls(&[("enter_mode", &enter)]), says("I am in REVIEW.")]);
    endpoint.ask(&site, "review web", &["--machines", "web"]);
    let names = |body: &Value| -> Vec<String> {
        let tools = body["tools"].as_array().unwrap().iter();
        tools.map(|one| one["function"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let asked = endpoint.asked();
    let (before, behind) = (names(&asked[0].body), names(&asked[1].body));
    assert!(
        !before.contains(&"use_machine".to_owned()) && before.contains(&"analyze".to_owned()),
        "{before:?}"
    );
    assert!(
        behind.contains(&"use_machine".to_owned()) && !behind.contains(&"analyze".to_owned()),
        "{behind:?}"
    );
    // One that may only analyse cannot even ask for another mode.
    let endpoint = Endpoint::new(vec![calls(&[("enter_mode", &enter)]), says("No.")]);
    let call = endpoint.ask(&site, "review web", &["--read-only", "--format", "json"]);
    assert_eq!(call.json()["said"]["refused"], 1, "{call:#?}");
}

#[test]
fn messages_of_the_other_kind_are_spoken_too() {
    let site = Site::new();
    let event = |value: Value| value.to_string();
    let call = Reply::Events(vec![
        event(json!({ "type": "message_start", "message": { "usage": { "input_tokens": 50 } } })),
        event(json!({ "type": "content_block_start", "index": 0,
                      "content_block": { "type": "tool_use", "id": "t1", "name": "look_up", "input": {} } })),
        event(json!({ "type": "content_block_delta", "index": 0,
                      "delta": { "type": "input_json_delta", "partial_json": "{\"rule\": \"0x7B\"}" } })),
        event(
            json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" }, "usage": { "output_tokens": 5 } }),
        ),
        event(json!({ "type": "message_stop" })),
    ]);
    let answer = Reply::Events(vec![
        event(json!({ "type": "message_start", "message": { "usage": { "input_tokens": 90 } } })),
        event(
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "It cannot see its disk." } }),
        ),
        event(
            json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 6 } }),
        ),
        event(json!({ "type": "message_stop" })),
    ]);
    let endpoint = Endpoint::new(vec![call, answer]);
    let call = endpoint.ask_as(&site, "anthropic:test", "what is 0x7B", &["--format", "json"]).ok().json();
    assert_eq!(call["said"]["text"], "It cannot see its disk.");
    assert_eq!(call["said"]["used"], json!({ "steps": 2, "tokens_in": 140, "tokens_out": 11 }));
    let asked = endpoint.asked();
    assert!(
        asked[0].head.starts_with("POST /v1/messages ")
            && asked[0].head.contains(&format!("x-api-key: {KEY}"))
    );
    let result = &asked[1].body["messages"][2]["content"][0];
    assert_eq!(result["tool_use_id"], "t1");
    assert!(result["content"].as_str().unwrap().contains("INACCESSIBLE_BOOT_DEVICE"), "{result}");
}
