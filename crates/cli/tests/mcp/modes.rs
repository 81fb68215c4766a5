//! Three modes, three lists of tools, and what opens each.

use crate::client::{Client, lives, until};
use crate::common::{Site, has};
use serde_json::{Value, json};

#[test]
fn a_session_begins_in_analysis_and_has_no_other_tools() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    let tools = client.tools();
    for there in
        ["enter_mode", "analyze", "debug", "thinkdeep", "plan", "search_journal", "sequentialthinking"]
    {
        assert!(tools.contains(&there.to_owned()), "{there}: {tools:?}");
    }
    for absent in ["apply", "undo", "confirm", "review", "use_machine", "approve"] {
        assert!(!tools.contains(&absent.to_owned()), "{absent}");
        let error = client.call(absent, json!({}));
        assert_eq!(error["code"], -32602, "{absent}: {error}");
    }
    let error = client.call("apply", json!({}));
    assert!(error["message"].as_str().unwrap().contains("tool of IMPLEMENTATION"), "{error}");
}

#[test]
fn implementation_needs_a_signature_that_no_argument_can_be() {
    let site = Site::new();
    if !has("implementation_needs_a_signature_that_no_argument_can_be", "ssh-keygen") {
        return;
    }
    let mut client = Client::new(&site, &[]);
    let (id, _) = site.plan_of_a_mode();
    let enter = |client: &mut Client, more: Value| {
        let mut arguments = json!({ "mode": "implementation", "challenge": "repair it", "plan": id });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.call("enter_mode", arguments)
    };
    for more in
        [json!({}), json!({ "approved": true }), json!({ "approval": "yes", "confirm": true, "force": true })]
    {
        let refused = enter(&mut client, more);
        assert_eq!(refused["isError"], true, "{refused}");
        assert!(client.tools().contains(&"analyze".to_owned()));
    }
    let refused = enter(&mut client, json!({}));
    assert_eq!(refused["structuredContent"]["exit"], "refused");
    assert!(refused["content"][0]["text"].as_str().unwrap().contains("vmwright approve"), "{refused}");

    // A person signs, outside.
    let key = site.approver();
    site.approve(&id, &key).ok();
    assert!(site.call(&["approve", &id, "--check"]).ok().out.contains("approved by tester"));
    let entered = enter(&mut client, json!({}));
    assert_eq!(entered["isError"], false, "{entered}");
    assert_eq!(entered["structuredContent"]["mode"], "implementation");
    let changed = |message: &Value| message["method"] == "notifications/tools/list_changed";
    assert!(client.told.iter().any(changed), "{:?}", client.told);
    let tools = client.tools();
    assert!(tools.contains(&"apply".to_owned()) && !tools.contains(&"analyze".to_owned()), "{tools:?}");

    let other = client.call("undo", json!({ "run": "20260101T000000Z-ffffffffffff" }));
    assert!(other.to_string().contains("no run of plan"), "{other}");
    let applied = client.call("apply", json!({}));
    assert_eq!(applied["structuredContent"]["result"]["state"], "applied", "{applied}");
    let mode = |site: &Site| {
        let meta = std::fs::metadata(site.path("images/web.qcow2")).unwrap();
        std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o777
    };
    assert_eq!(mode(&site), 0o640);
    let run = applied["structuredContent"]["result"]["run"].clone();
    let undone = client.call("undo", json!({ "run": run }));
    assert_eq!(undone["structuredContent"]["result"]["state"], "undone", "{undone}");
    assert_eq!(mode(&site), 0);
    assert!(client.tools().contains(&"analyze".to_owned()), "a run that was taken back ends the mode");
}

#[test]
fn drift_ends_the_mode() {
    let site = Site::new();
    if !has("drift_ends_the_mode", "ssh-keygen") {
        return;
    }
    let (id, _) = site.plan_of_a_mode();
    site.approve(&id, &site.approver()).ok();
    let mut client = Client::new(&site, &[]);
    client.call("enter_mode", json!({ "mode": "implementation", "challenge": "repair it", "plan": id }));
    std::fs::set_permissions(
        site.path("images/web.qcow2"),
        std::os::unix::fs::PermissionsExt::from_mode(0o604),
    )
    .unwrap();
    let stopped = client.call("apply", json!({}));
    assert_ne!(stopped["structuredContent"]["result"]["state"], "applied", "{stopped}");
    assert_eq!(stopped["structuredContent"]["mode"], "analysis", "{stopped}");
    assert!(client.tools().contains(&"analyze".to_owned()));
}

#[test]
fn review_needs_a_scope_and_changes_what_the_person_allows() {
    let site = Site::new();
    assert_eq!(site.machine("web", "").status, 0);
    assert_eq!(site.machine("db", "").status, 0);
    let mut client = Client::new(&site, &["--machines", "web"]);
    let enter = |client: &mut Client, scope: Value| {
        client.call("enter_mode", json!({ "mode": "review", "challenge": "does it boot", "scope": scope }))
    };
    assert!(enter(&mut client, json!([])).to_string().contains("needs `scope`"));
    assert_eq!(enter(&mut client, json!(["none"]))["isError"], true);
    assert_eq!(enter(&mut client, json!(["web", "db"]))["isError"], false);
    let machine = |client: &mut Client, vm: &str, what: &str| {
        client.call("use_machine", json!({ "vm": vm, "do": what }))
    };
    assert!(machine(&mut client, "db", "delete").to_string().contains("--machines"));
    assert!(machine(&mut client, "other", "delete").to_string().contains("not in scope"));
    assert_eq!(machine(&mut client, "web", "delete")["isError"], false);
    let left = site.call(&["vm", "list", "--format", "json"]).ok().json();
    let names: Vec<&str> =
        left["machines"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"db") && !names.contains(&"web"), "{names:?}");

    let mut plain = Client::new(&site, &[]);
    assert_eq!(enter(&mut plain, json!(["db"]))["isError"], false);
    assert!(!plain.tools().contains(&"use_machine".to_owned()));
}

#[test]
fn a_read_only_server_offers_analysis_alone_in_locked_processes() {
    let site = Site::new();
    let mut client = Client::new(&site, &["--read-only"]);
    let tools = client.tools();
    for absent in ["enter_mode", "apply", "review", "use_machine"] {
        assert!(!tools.contains(&absent.to_owned()), "{absent}");
    }
    let log = site.file("logs/qemu.log", "qemu: Failed to get \"write\" lock\n");
    let analysed = client.call("analyze", json!({ "from": [log.parent().unwrap()] }));
    let sandbox = &analysed["structuredContent"]["result"]["sandbox"];
    if analysed["isError"] == true {
        // A kernel that cannot lock the process fully is refused, not used unlocked.
        assert!(analysed.to_string().contains("cannot lock"), "{analysed}");
        return;
    }
    assert!(!sandbox["enforced"].as_array().unwrap().is_empty(), "{analysed}");
    let kept = client.call("process_thoughts", json!({ "technical_insights": "the image was locked" }));
    assert_eq!(kept["isError"], false, "{kept}");
    // The worker holds the same line by itself.
    let mut worker = site.command(&["mcp", "--worker", "--read-only"]);
    let task = json!({ "server": std::process::id(), "operation": { "operation": "vm-start", "vm": "web" } })
        .to_string();
    worker.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = worker.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{}\n{task}", task.len()).as_bytes())
        .unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(said.contains("none of ANALYSIS"), "{said}");
}

#[test]
fn long_work_tells_its_progress_and_can_be_cancelled() {
    let site = Site::new();
    let fifo = site.path("logs/slow.log");
    std::fs::create_dir_all(fifo.parent().unwrap()).unwrap();
    let mut client = Client::new(&site, &[]);
    let params =
        json!({ "name": "analyze", "arguments": { "complaint": "why" }, "_meta": { "progressToken": "t" } });
    let id = client.request("tools/call", params.clone());
    client.answer(id);
    let progress: Vec<&Value> =
        client.told.iter().filter(|message| message["method"] == "notifications/progress").collect();
    assert!(!progress.is_empty(), "{:?}", client.told);
    assert_eq!(progress[0]["params"]["progressToken"], "t");
    let message = progress[0]["params"]["message"].as_str().unwrap();
    assert!(message.starts_with("untrusted: \"ENTERING ANALYSIS MODE: why"), "{message}");
    let steps: Vec<f64> = progress.iter().map(|one| one["params"]["progress"].as_f64().unwrap()).collect();
    assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");

    let id = client.request("tools/call", params);
    until("the worker starts", || !client.workers().is_empty());
    let workers = client.workers();
    client.send(
        &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } }),
    );
    until("the worker is gone", || !workers.iter().any(|worker| lives(*worker)));
    // The session goes on.
    assert!(client.tools().contains(&"analyze".to_owned()));
    assert_eq!(client.call("look_up", json!({ "rule": "vfio/code-43" }))["isError"], false);
}
