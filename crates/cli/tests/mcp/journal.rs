//! The journal by the names that agents already know.

use crate::client::Client;
use crate::common::Site;
use serde_json::json;

#[test]
fn thoughts_are_kept_by_section_and_found_by_it() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    let kept = client.call(
        "process_thoughts",
        json!({ "project_notes": "the bridge is br7", "technical_insights": "group viability needs ACS", "feelings": "calm" }),
    );
    let entries = kept["structuredContent"]["result"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "{kept}");
    let search = |client: &mut Client, arguments| {
        let found = client.call("search_journal", arguments);
        found["structuredContent"]["result"]["entries"].as_array().unwrap().len()
    };
    assert_eq!(search(&mut client, json!({ "query": "viability" })), 1);
    assert_eq!(search(&mut client, json!({ "query": "viability", "sections": ["technical_insights"] })), 1);
    assert_eq!(search(&mut client, json!({ "query": "viability", "sections": ["Technical Insights"] })), 1);
    assert_eq!(search(&mut client, json!({ "query": "viability", "sections": ["project_notes"] })), 0);
    assert_eq!(search(&mut client, json!({ "query": "bridge", "type": "project" })), 1);
    assert_eq!(search(&mut client, json!({ "query": "bridge", "type": "user" })), 0);
    assert_eq!(search(&mut client, json!({ "query": "viability", "type": "project" })), 0);

    // Another project sees what is known everywhere, and not what belongs to this one.
    let other = site.path("other");
    std::fs::create_dir(&other).unwrap();
    let mut elsewhere = Client::new(&site, &["--project", other.to_str().unwrap()]);
    assert_eq!(search(&mut elsewhere, json!({ "query": "bridge" })), 0);
    assert_eq!(search(&mut elsewhere, json!({ "query": "viability" })), 1);

    let listed = client.call("list_recent_entries", json!({ "limit": 1, "type": "both", "days": 30 }));
    assert_eq!(listed["structuredContent"]["result"]["entries"].as_array().unwrap().len(), 1);
    let path = site.call(&["journal", "list", "--limit", "1"]).ok().out;
    let read = client.call("read_journal_entry", json!({ "path": entries[0][0].to_string() }));
    assert!(read.to_string().contains("the bridge is br7"), "{read} {path}");
}

#[test]
fn secrets_do_not_enter_the_journal() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    client.call(
        "process_thoughts",
        json!({ "technical_insights": "it starts with -spice port=5900,password=hunter2secret" }),
    );
    let listed = client.call("list_recent_entries", json!({}));
    assert!(
        !listed.to_string().contains("hunter2secret") && listed.to_string().contains("redacted"),
        "{listed}"
    );
}

#[test]
fn a_chain_of_thoughts_is_kept_and_answered_with_what_is_known() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    let think = |client: &mut Client, arguments| client.call("sequentialthinking", arguments);
    let first = think(
        &mut client,
        json!({ "thought": "Windows stops with 0x7B; I am 100 % certain that it is the disk", "nextThoughtNeeded": true,
                "thoughtNumber": 1, "totalThoughts": 3 }),
    );
    let answer = &first["structuredContent"];
    assert_eq!(answer["thoughtHistoryLength"], 1, "{first}");
    assert_eq!((&answer["totalThoughts"], &answer["nextThoughtNeeded"]), (&json!(3), &json!(true)));
    assert!(answer["known"]["meanings"].to_string().contains("INACCESSIBLE_BOOT_DEVICE"), "{answer}");
    assert!(answer["known"]["rules"].as_array().unwrap().iter().all(|rule| rule.is_string()), "{answer}");
    assert!(!first.to_string().contains("certain"), "the caller's certainty comes back");
    let second = think(
        &mut client,
        json!({ "thought": "or the driver", "nextThoughtNeeded": false, "thoughtNumber": 4, "totalThoughts": 3,
                "branchFromThought": 1, "branchId": "driver" }),
    );
    let answer = &second["structuredContent"];
    assert_eq!((&answer["totalThoughts"], &answer["thoughtHistoryLength"]), (&json!(4), &json!(2)));
    assert_eq!(answer["branches"], json!([{ "untrusted": "driver" }]));
    let listed = site.call(&["journal", "list"]).ok().out;
    assert!(
        listed.contains("thought 1 of 3: Windows stops") && listed.contains("branching from 1"),
        "{listed}"
    );
    let wrong = think(
        &mut client,
        json!({ "thought": "x", "nextThoughtNeeded": false, "thoughtNumber": 1, "totalThoughts": 1, "isRevision": true }),
    );
    assert!(wrong.to_string().contains("revisesThought"), "{wrong}");
}

/// A tiny model: in it `sluggish` and `slow` are used alike.
#[test]
fn word_vectors_of_the_administrators_find_what_is_said_in_other_words() {
    let site = Site::new();
    for title in ["web is sluggish under load", "the bridge of db lost its address"] {
        site.call(&["journal", "add", title, ""]).ok();
    }
    let found = |query: &str| site.call(&["journal", "search", query, "--format", "json"]);
    let none = found("slowness").ok().json();
    assert_eq!(none["entries"], json!([]), "without a model words alone are looked for");
    site.file("config/word-vectors", "3 3\nslowness 1 0.1 0\nsluggish 0.9 0.2 0\nbridge 0 0 1\n");
    let one = found("slowness").ok().json();
    assert_eq!(one["entries"].as_array().unwrap().len(), 1, "{one}");
    assert_eq!(one["entries"][0][1]["title"], "web is sluggish under load");
    let mut client = Client::new(&site, &[]);
    let called = client.call("search_journal", json!({ "query": "slowness" }));
    assert!(called.to_string().contains("sluggish under load"), "{called}");
    let mut locked = Client::new(&site, &["--read-only"]);
    let called = locked.call("search_journal", json!({ "query": "slowness" }));
    assert!(
        called.to_string().contains("sluggish under load") || called.to_string().contains("cannot lock"),
        "{called}"
    );
    // A model that is not whole is named, with the place.
    site.file("config/word-vectors", "3 3\nslowness 1 0.1 0\nsluggish 0.9 x 0\n");
    found("slowness").fails(3, &["config/word-vectors holds no word vectors", "line 3: `x` is no number"]);
}
