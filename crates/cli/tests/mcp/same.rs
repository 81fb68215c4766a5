//! The two faces give the same JSON, but for the marks.

use crate::client::Client;
use crate::common::Site;
use serde_json::{Value, json};

/// What changes from one call to the next: the journal grows, time goes by, and the process is another one.
fn steady(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        for name in ["journal", "taken"] {
            map.remove(name);
        }
    }
    value
}

#[test]
fn what_an_agent_is_given_is_what_the_command_prints() {
    let site = Site::new();
    assert_eq!(site.machine("web", "").status, 0);
    let log = site.file("logs/qemu.log", "x\nqemu: Failed to get \"write\" lock \u{1F980}\n");
    let logs = log.parent().unwrap().to_str().unwrap().to_owned();
    site.call(&["journal", "add", "a lock", "of the image"]).ok();
    let mut client = Client::new(&site, &[]);
    for (words, tool, arguments) in [
        (
            vec!["analyze", "--from", &logs, "it does not start"],
            "analyze",
            json!({ "from": [logs], "complaint": "it does not start", "detail": "all" }),
        ),
        (
            vec!["analyze", "--from", &logs, "--why", "storage/image-locked"],
            "analyze",
            json!({ "from": [logs], "why": "storage/image-locked" }),
        ),
        (vec!["analyze", "--dry-run"], "analyze", json!({ "dry_run": true })),
        (vec!["capture", "--dry-run"], "analyze", json!({ "dry_run": true, "keep": "archive" })),
        (vec!["explain", "vfio/code-43"], "look_up", json!({ "rule": "vfio/code-43" })),
        (vec!["explain", "0x7B"], "look_up", json!({ "rule": "0x7B" })),
        (vec!["rules", "--area", "vfio"], "look_up", json!({ "area": "vfio" })),
        (vec!["vm", "show", "web"], "look_up", json!({ "look": "show", "vm": "web" })),
        (vec!["vm", "snapshot", "web"], "look_up", json!({ "look": "snapshots", "vm": "web" })),
        (vec!["vm", "schema"], "look_up", json!({ "look": "schema" })),
        (vec!["journal", "search", "lock"], "search_journal", json!({ "query": "lock" })),
        (vec!["journal", "show", "1"], "read_journal_entry", json!({ "path": "1" })),
    ] {
        let printed = site.call(&[&words[..], &["--format", "json"]].concat());
        let called = client.call(tool, arguments);
        assert_eq!(called["isError"], false, "{words:?}: {called}");
        let given = vmwright_mcp::unmarked(called["structuredContent"]["result"].clone());
        assert_eq!(steady(given), steady(printed.json()), "{words:?}");
        let names = ["clean", "findings", "usage", "incomplete"];
        assert_eq!(
            called["structuredContent"]["exit"],
            names[usize::try_from(printed.status).unwrap()],
            "{words:?}"
        );
    }
    for (words, tool, arguments) in [
        (vec!["explain", "vfio/code-44"], "look_up", json!({ "rule": "vfio/code-44" })),
        (vec!["vm", "show", "none"], "look_up", json!({ "look": "show", "vm": "none" })),
        (vec!["preview", "0123456789ab"], "plan", json!({ "intent": "preview", "plan": "0123456789ab" })),
        (vec!["journal", "show", "77"], "read_journal_entry", json!({ "path": "77" })),
    ] {
        let printed = site.call(&words);
        let called = client.call(tool, arguments);
        let error = called["structuredContent"]["error"]["untrusted"].as_str().unwrap();
        assert_eq!(printed.err.trim(), format!("error: {error}"), "{words:?}");
    }
}

#[test]
fn a_description_is_translated_from_what_was_sent() {
    let site = Site::new();
    let text = "name = \"web\"\nmachine = \"q35\"\n[memory]\nsize = \"64MiB\"\n";
    let path = site.file("web.toml", text);
    let printed =
        site.call(&["convert", path.to_str().unwrap(), "--to", "libvirt", "--format", "json"]).json();
    let mut client = Client::new(&site, &[]);
    let called = client.call("look_up", json!({ "look": "convert", "text": text, "to": "libvirt" }));
    let given = vmwright_mcp::unmarked(called["structuredContent"]["result"].clone());
    assert_eq!(given["text"], printed["text"], "{called}");
}
