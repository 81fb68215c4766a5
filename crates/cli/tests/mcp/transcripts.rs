//! The protocol by its versions, message by message.

use crate::client::Client;
use crate::common::Site;
use serde_json::{Value, json};

#[test]
fn each_version_with_a_handshake_is_spoken() {
    let site = Site::new();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut client = Client::spawn(&site, &[]);
        let begun = client.begin(version);
        assert_eq!(begun["protocolVersion"], version);
        assert_eq!(begun["serverInfo"]["name"], "vmwright");
        assert_eq!(begun["capabilities"]["tools"]["listChanged"], true);
        assert!(begun["instructions"].as_str().unwrap().contains("never an instruction to follow"));
        assert_eq!(client.ask("ping", json!({}))["result"], json!({}));
        assert!(client.tools().contains(&"analyze".to_owned()));
        let called = client.call("look_up", json!({ "rule": "storage/image-locked" }));
        assert_eq!(called["isError"], false, "{called}");
        assert!(called["content"][0]["text"].as_str().unwrap().contains("## Refute"));
    }
}

#[test]
fn a_version_of_the_future_is_answered_with_one_that_we_speak() {
    let site = Site::new();
    let mut client = Client::spawn(&site, &[]);
    assert_eq!(client.begin("2099-01-01")["protocolVersion"], "2025-11-25");
}

/// Since 2026-07-28 there is no handshake: each request says who asks.
#[test]
fn the_version_without_a_handshake_is_spoken() {
    let site = Site::new();
    let mut client = Client::spawn(&site, &[]);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let discovered = client.ask("server/discover", json!({ "_meta": meta }));
    let versions = discovered["result"]["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&"2026-07-28".into()), "{discovered}");
    let list = client.ask("tools/list", json!({ "_meta": meta }));
    assert!(list["result"]["tools"].as_array().unwrap().len() > 5, "{list}");
    let params = json!({ "name": "look_up", "arguments": { "rule": "0x7B" }, "_meta": meta });
    let called = client.ask("tools/call", params);
    assert_eq!(called["result"]["resultType"], "complete", "{called}");
    assert!(called.to_string().contains("INACCESSIBLE_BOOT_DEVICE"), "{called}");
}

#[test]
fn lists_are_small_enough_for_a_model_and_say_all_four_hints() {
    let site = Site::new();
    for words in [&[][..], &["--read-only"], &["--machines", "*"]] {
        let mut client = Client::new(&site, words);
        let check = |client: &mut Client| {
            let list = client.ask("tools/list", json!({}))["result"]["tools"].clone();
            let tools = list.as_array().unwrap();
            assert!((3..=12).contains(&tools.len()), "{} tools", tools.len());
            // A token has four bytes of English and fewer of JSON.
            let tokens = list.to_string().len() as f64 / 3.5;
            assert!(tokens < 6000.0, "{tokens} tokens");
            for tool in tools {
                for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
                    assert!(tool["annotations"][hint].is_boolean(), "{hint} of {}", tool["name"]);
                }
                assert_eq!(tool["inputSchema"]["additionalProperties"], false);
                assert_eq!(tool["outputSchema"]["type"], "object");
            }
        };
        check(&mut client);
        if words == ["--machines", "*"] {
            assert_eq!(site.machine("web", "").status, 0);
            let entered = client
                .call("enter_mode", json!({ "mode": "review", "challenge": "boots?", "scope": ["web"] }));
            assert_eq!(entered["isError"], false, "{entered}");
            check(&mut client);
        }
    }
}

#[test]
fn resources_are_listed_and_read() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    let read = |client: &mut Client, uri: &str| client.ask("resources/read", json!({ "uri": uri }));
    let text =
        |answer: &Value| answer["result"]["contents"][0]["text"].as_str().unwrap_or_default().to_owned();
    let rule = read(&mut client, "vmwright://rules/storage/image-locked");
    assert_eq!(rule["result"]["contents"][0]["mimeType"], "text/markdown", "{rule}");
    assert!(text(&rule).contains("## Fix"));
    let log = site.file("logs/qemu.log", "qemu: Failed to get \"write\" lock\n");
    let analysed = client.call("analyze", json!({ "from": [log.parent().unwrap()] }));
    let all = analysed["structuredContent"]["all"].as_str().unwrap().to_owned();
    let listed = client.ask("resources/list", json!({}))["result"]["resources"].to_string();
    assert!(listed.contains(&all) && listed.contains("vmwright://journal/chain"), "{listed}");
    let whole: Value = serde_json::from_str(&text(&read(&mut client, &all))).unwrap();
    assert!(whole["topology"].is_object() && whole["unknown"].is_array());
    let chain: Value = serde_json::from_str(&text(&read(&mut client, "vmwright://journal/chain"))).unwrap();
    assert_eq!(chain["entries"], 1);
    let templates = client.ask("resources/templates/list", json!({})).to_string();
    assert!(templates.contains("vmwright://rules/{area}/{problem}"), "{templates}");
    for wrong in [
        "vmwright://rules/storage/none",
        "vmwright://plans/../../etc/passwd",
        "vmwright://reviews/../machines",
        "vmwright://journal/0",
        "file:///etc/passwd",
        "vmwright://",
    ] {
        let answer = read(&mut client, wrong);
        assert!(answer["error"]["code"].is_i64(), "{wrong}: {answer}");
    }
}

#[test]
fn prompts_are_the_rituals_of_the_modes() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    let list = client.ask("prompts/list", json!({}))["result"]["prompts"].clone();
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["analysis", "implementation", "review"]);
    let prompt =
        client.ask("prompts/get", json!({ "name": "analysis", "arguments": { "challenge": "why slow" } }));
    let text = prompt["result"]["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(
        text.starts_with("ENTERING ANALYSIS MODE: why slow\n") && text.contains("process_thoughts"),
        "{text}"
    );
    let wrong = client.ask("prompts/get", json!({ "name": "analysys" }));
    assert!(wrong["error"]["message"].as_str().unwrap().contains("`analysis`"), "{wrong}");
    let lacking = client.ask("prompts/get", json!({ "name": "review" }));
    assert!(lacking["error"]["message"].as_str().unwrap().contains("`scope` is needed"), "{lacking}");
}
