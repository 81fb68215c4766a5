//! The command line and the agents' server are two faces of one enumeration: each operation is reached from both, as the
//! same value.

use super::Cli;
use clap::Parser;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vmwright_engine::{Ask, Operation, Record, record};

/// How an operation is reached from the server; exhaustive, so that a new operation has to be placed.
fn by_agents(operation: &Operation) -> Result<(), &'static str> {
    match operation {
        Operation::Approve(_) => Err("the agent that asks cannot be the one that approves"),
        Operation::Revert { .. } => Err("vmwright starts it by itself"),
        Operation::VmAsk { ask: Ask::Console, .. } => Err("it joins a terminal, and an agent has none"),
        Operation::VmAsk { ask: Ask::Stats { watch: Some(_) }, .. } => Err("it counts until Ctrl-C"),
        Operation::JournalExport { .. } | Operation::JournalImport { .. } => {
            Err("an agent has the journal's tools, and names no folders")
        }
        Operation::Lab { .. } | Operation::Rehearse(_) => {
            Err("a lab takes a host's processors and memory: a person gives them")
        }
        // Read as the resource vmwright://journal/chain.
        Operation::JournalVerify => Ok(()),
        // Entering IMPLEMENTATION asks it.
        Operation::Approval { .. } => Ok(()),
        Operation::Analyze(_)
        | Operation::Capture(_)
        | Operation::Investigate(_)
        | Operation::Decide(_)
        | Operation::Escalate(_)
        | Operation::Explain { .. }
        | Operation::Rules { .. }
        | Operation::Plan { .. }
        | Operation::Preview { .. }
        | Operation::Apply { .. }
        | Operation::Resume { .. }
        | Operation::Confirm { .. }
        | Operation::Undo { .. }
        | Operation::Recover
        | Operation::Review(_)
        | Operation::Verify { .. }
        | Operation::VmCreate { .. }
        | Operation::VmStart { .. }
        | Operation::VmStop { .. }
        | Operation::VmDelete { .. }
        | Operation::VmList
        | Operation::VmShow { .. }
        | Operation::VmAsk { .. }
        | Operation::VmReceive { .. }
        | Operation::VmSchema { .. }
        | Operation::Convert { .. }
        | Operation::JournalSearch { .. }
        | Operation::JournalList { .. }
        | Operation::JournalShow { .. }
        | Operation::JournalAdd { .. } => Ok(()),
    }
}

const PLAN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const RUN: &str = "20260101T000000Z-0123456789ab";

/// What is typed, and the tool with its arguments that means the same.
fn pairs() -> Vec<(&'static str, &'static str, Value)> {
    let machine = |what: &str, more: Value| {
        let mut all = json!({ "vm": "web", "do": what });
        all.as_object_mut().expect("it is one").extend(more.as_object().expect("it is one").clone());
        all
    };
    let consensus = |step: &str, more: Value| {
        let models = json!([{ "model": "security", "stance": "against" }, { "model": "performance" }]);
        let mut all = json!({ "step": step, "step_number": 1, "total_steps": 1, "next_step_required": false, "findings": "",
                              "confidence": "certain", "models": models });
        all.as_object_mut().expect("it is one").extend(more.as_object().expect("it is one").clone());
        all
    };
    let stat = "use_machine";
    vec![
        ("analyze why", "analyze", json!({ "complaint": "why" })),
        (
            "analyze --vm web --host ssh://hv2 --select vfio --ignore storage --why vfio/code-43 --dry-run",
            "analyze",
            json!({ "vm": "web", "host": "ssh://hv2", "select": ["vfio"], "ignore": ["storage"], "why": "vfio/code-43",
                    "dry_run": true }),
        ),
        ("analyze --from a --from b --against c", "analyze", json!({ "from": ["a", "b"], "against": "c" })),
        (
            "capture --dry-run --vm web --anonymize",
            "analyze",
            json!({ "dry_run": true, "vm": "web", "keep": "anonymized" }),
        ),
        (
            "investigate why --vm web --hypothesis vfio/code-43 --note n --step",
            "debug",
            json!({ "step": "why", "step_number": 1, "total_steps": 3, "next_step_required": true, "findings": "n",
                    "hypothesis": "vfio/code-43", "confidence": "certain", "vm": "web" }),
        ),
        (
            "investigate why --from a --from b",
            "debug",
            json!({ "step": "why", "step_number": 1, "total_steps": 1, "next_step_required": false, "findings": "",
                    "from": ["a", "b"] }),
        ),
        (
            "investigate --resume 7 --hypothesis x --think",
            "thinkdeep",
            json!({ "step": "", "step_number": 2, "total_steps": 3, "next_step_required": true, "findings": "",
                    "hypothesis": "x", "continuation_id": "7" }),
        ),
        ("decide", "consensus", consensus("", json!({}))),
        (
            "decide storage --need shared,snapshots --without thin --weight latency=5,security=1 --only rbd,qcow2 --note n",
            "consensus",
            consensus(
                "storage",
                json!({ "findings": "n", "needs": ["shared", "snapshots"], "without": ["thin"], "only": ["rbd", "qcow2"],
                        "weights": ["latency=5", "security=1"] }),
            ),
        ),
        (
            "escalate 7 --to security-engineer --ask why",
            "escalate",
            json!({ "investigation": 7, "to": "security-engineer", "ask": "why" }),
        ),
        (
            "escalate 7 --to debug-specialist --ask why",
            "debug",
            json!({ "step": "why", "step_number": 2, "total_steps": 2, "next_step_required": false, "findings": "",
                    "continuation_id": "7", "escalate_to": "debug-specialist" }),
        ),
        ("explain vfio/code-43", "look_up", json!({ "rule": "vfio/code-43" })),
        ("rules", "look_up", json!({})),
        ("rules --area vfio", "look_up", json!({ "area": "vfio" })),
        ("plan --vm web", "plan", json!({ "intent": "fix", "vm": "web" })),
        ("plan --complaint slow", "plan", json!({ "intent": "fix", "complaint": "slow" })),
        ("plan harden", "plan", json!({ "intent": "harden" })),
        (
            "plan passthrough win 01:00.0 --at-boot",
            "plan",
            json!({ "intent": "passthrough", "vm": "win", "device": "01:00.0", "at_boot": true }),
        ),
        (
            "plan create web.toml --backend qemu --size 2=20GiB --copy base.img --start",
            "plan",
            json!({ "intent": "create", "spec": "web.toml", "backend": "qemu", "sizes": ["2=20GiB"], "copies": ["base.img"],
                    "start": true }),
        ),
        (
            "plan storage web --disk 2 --grow 100GiB",
            "plan",
            json!({ "intent": "storage", "vm": "web", "disk": 2, "wish": "grow", "size": "100GiB" }),
        ),
        ("plan network bridge-filter-off", "plan", json!({ "intent": "network" })),
        (
            "plan network bridge br0 --uplink eth0 --reboot",
            "plan",
            json!({ "intent": "network", "bridge": "br0", "uplink": "eth0", "reboot": true }),
        ),
        (
            "plan network mtu br0 9000",
            "plan",
            json!({ "intent": "network", "interface": "br0", "mtu": 9000 }),
        ),
        (
            "plan storage web --flatten",
            "plan",
            json!({ "intent": "storage", "vm": "web", "wish": "flatten" }),
        ),
        ("plan storage web --trim", "plan", json!({ "intent": "storage", "vm": "web", "wish": "trim" })),
        (
            "plan storage web --rebase /b",
            "plan",
            json!({ "intent": "storage", "vm": "web", "wish": "rebase", "base": "/b" }),
        ),
        (
            "plan storage web --limit-bytes 50MiB --limit-requests 500",
            "plan",
            json!({ "intent": "storage", "vm": "web", "wish": "limit", "size": "50MiB", "requests": 500 }),
        ),
        (
            "plan storage web --snapshot before",
            "plan",
            json!({ "intent": "storage", "vm": "web", "wish": "snapshot", "name": "before" }),
        ),
        (
            "plan attach web --disk /d.qcow2 --image-format qcow2 --bus usb --readonly",
            "plan",
            json!({ "intent": "attach", "vm": "web", "path": "/d.qcow2", "format": "qcow2", "bus": "usb", "readonly": true }),
        ),
        (
            "plan attach web --network default --mac 52:54:00:00:00:07",
            "plan",
            json!({ "intent": "attach", "vm": "web", "network": "default", "mac": "52:54:00:00:00:07" }),
        ),
        ("plan attach web --bridge br0", "plan", json!({ "intent": "attach", "vm": "web", "bridge": "br0" })),
        ("plan detach web vdb", "plan", json!({ "intent": "detach", "vm": "web", "device": "vdb" })),
        (
            "plan migrate web tcp:hv2:1 --against h --bandwidth 1GiB --downtime 500",
            "plan",
            json!({ "intent": "migrate", "vm": "web", "to": "tcp:hv2:1", "against": "h", "bandwidth": "1GiB", "downtime": 500 }),
        ),
        (
            "plan confidential web --by sev-snp",
            "plan",
            json!({ "intent": "confidential", "vm": "web", "by": "sev-snp" }),
        ),
        (
            "plan migrate web tcp:hv2:1 --against hv2.tar.gz",
            "plan",
            json!({ "intent": "migrate", "vm": "web", "to": "tcp:hv2:1", "against": "hv2.tar.gz" }),
        ),
        ("plan upgrade-check --qemu 10.2", "plan", json!({ "intent": "upgrade-check", "qemu": "10.2" })),
        ("apply --resume RUN", "apply", json!({ "resume": RUN })),
        ("plan sriov 04:00.0 --vfs 4", "plan", json!({ "intent": "sriov", "device": "04:00.0", "vfs": 4 })),
        ("plan tune web --for latency", "plan", json!({ "intent": "tune", "vm": "web", "for": "latency" })),
        ("preview 0123456789ab", "preview", json!({ "plan": "0123456789ab" })),
        ("apply PLAN", "apply", json!({})),
        ("apply PLAN --confirm-within 60", "apply", json!({ "confirm_within": 60 })),
        ("confirm RUN", "confirm", json!({ "run": RUN })),
        ("undo RUN", "undo", json!({ "run": RUN })),
        ("recover", "recover", json!({})),
        ("review web --gates boot,network", "review", json!({ "vm": "web", "gates": ["boot", "network"] })),
        ("review web --quick", "review", json!({ "vm": "web", "depth": "quick" })),
        ("review localhost", "review", json!({ "vm": "localhost" })),
        (
            "review web --full --framework cis,fips-140 --baseline last",
            "review",
            json!({ "vm": "web", "depth": "full", "frameworks": ["cis", "fips-140"], "baseline": "last" }),
        ),
        ("verify web-x", "review", json!({ "vm": "web", "verify": "web-x" })),
        ("vm list", "look_up", json!({ "look": "list" })),
        ("vm show web", "look_up", json!({ "look": "show", "vm": "web" })),
        ("vm snapshot web", "look_up", json!({ "look": "snapshots", "vm": "web" })),
        ("vm stats web", "look_up", json!({ "look": "stats", "vm": "web" })),
        ("vm schema", "look_up", json!({ "look": "schema" })),
        ("vm schema --example", "look_up", json!({ "look": "example" })),
        ("convert - --to libvirt", "look_up", json!({ "look": "convert", "text": "x", "to": "libvirt" })),
        (
            "vm create web.toml --backend firecracker",
            stat,
            machine("create", json!({ "path": "web.toml", "backend": "firecracker" })),
        ),
        ("vm create web.toml", stat, machine("create", json!({ "path": "web.toml", "backend": "qemu" }))),
        ("vm start web", stat, machine("start", json!({}))),
        ("vm stop web --force", stat, machine("stop", json!({ "force": true }))),
        ("vm delete web", stat, machine("delete", json!({}))),
        ("vm pause web", stat, machine("pause", json!({}))),
        ("vm resume web", stat, machine("resume", json!({}))),
        (
            "vm exec web -- /bin/ls -l",
            stat,
            machine("exec", json!({ "program": "/bin/ls", "arguments": ["-l"] })),
        ),
        ("vm snapshot web s", stat, machine("snapshot", json!({ "name": "s" }))),
        ("vm restore web s", stat, machine("restore", json!({ "name": "s" }))),
        ("vm clone web web2", stat, machine("clone", json!({ "name": "web2" }))),
        (
            "vm attach disk web /d.qcow2 --image-format qcow2 --name d --readonly",
            stat,
            machine(
                "attach-disk",
                json!({ "path": "/d.qcow2", "format": "qcow2", "name": "d", "readonly": true }),
            ),
        ),
        ("vm attach network web --bridge br0", stat, machine("attach-network", json!({ "bridge": "br0" }))),
        ("vm detach web d", stat, machine("detach", json!({ "name": "d" }))),
        (
            "vm resize web --disk 0 --size 2GiB",
            stat,
            machine("resize-disk", json!({ "disk": "0", "size": "2GiB" })),
        ),
        ("vm resize web --memory 2GiB", stat, machine("resize-memory", json!({ "size": "2GiB" }))),
        ("vm resize web --cpus 4", stat, machine("resize-cpus", json!({ "cpus": 4 }))),
        (
            "vm limit web --disk 0 --bytes 10MiB --operations 500",
            stat,
            machine("limit", json!({ "disk": "0", "bytes": "10MiB", "operations": 500 })),
        ),
        ("vm limit web --network 1 --bytes 0", stat, machine("limit", json!({ "network": 1, "bytes": "0" }))),
        ("vm metadata web", stat, machine("metadata", json!({}))),
        (
            "vm migrate web --to tcp:a:1 --auto-converge --connections 4 --compress zstd --downtime 50 --bandwidth 1GiB",
            stat,
            machine(
                "migrate",
                json!({ "to": "tcp:a:1", "auto_converge": true, "connections": 4, "compress": "zstd", "downtime": 50,
                        "bandwidth": "1GiB" }),
            ),
        ),
        (
            "vm receive web --from unix:/s --within 60 --post-copy --tls /t --tls-name n",
            stat,
            machine(
                "receive",
                json!({ "from": "unix:/s", "seconds": 60, "post_copy": true, "tls": "/t", "tls_name": "n" }),
            ),
        ),
        ("vm trace web a* --seconds 5", stat, machine("trace", json!({ "events": ["a*"], "seconds": 5 }))),
        (
            "journal search lock --type user --sections feelings --limit 3",
            "search_journal",
            json!({ "query": "lock", "type": "user", "sections": ["feelings"], "limit": 3 }),
        ),
        ("journal list --days 30", "list_recent_entries", json!({})),
        ("journal show 2026-01-31/09-15-00-000042.md", "read_journal_entry", json!({ "path": "42" })),
        ("journal add x body", "process_thoughts", json!({ "technical_insights": "x" })),
    ]
}

fn typed(line: &str) -> Operation {
    let line = line.replace("PLAN", PLAN).replace("RUN", RUN);
    let cli = Cli::try_parse_from(["vmwright"].into_iter().chain(line.split(' ')))
        .unwrap_or_else(|error| panic!("{line}: {error}"));
    cli.command.expect("there is one").operation(true).unwrap_or_else(|error| panic!("{line}: {error:#}"))
}

#[test]
fn each_operation_is_the_same_from_both_faces() {
    let mut reached = BTreeSet::new();
    for (line, tool, arguments) in pairs() {
        let typed = typed(line);
        let called = vmwright_mcp::stands_for(tool, arguments, PLAN, &["web", "localhost"]);
        let called = called.unwrap_or_else(|error| panic!("{line}: {error}"));
        let json = |operation: &Operation| serde_json::to_value(operation).expect("it has a JSON form");
        let (mut typed_json, mut called_json) = (json(&typed), json(&called[0]));
        if tool == "process_thoughts" {
            // What an agent keeps has sections; what a person types is text.
            for value in [&mut typed_json, &mut called_json] {
                value["body"] = "".into();
            }
        }
        assert_eq!(typed_json, called_json, "{line}");
        assert!(by_agents(&typed).is_ok(), "{line}");
        reached.insert(kind(&typed_json));
    }
    // What writes a file that it names itself has no pair: the path is another each time.
    for alone in ["vm-ask copy-out", "vm-ask copy-in", "vm-ask screenshot", "journal-verify", "approval"] {
        reached.insert(alone.to_owned());
    }
    let missing: Vec<String> = every_kind().into_iter().filter(|kind| !reached.contains(kind)).collect();
    assert_eq!(
        missing,
        ["approve", "journal-export", "journal-import", "lab", "rehearse", "revert", "vm-ask console"],
        "operations that agents cannot reach"
    );
}

#[test]
fn whatever_learns_or_changes_something_is_searched_for_and_written() {
    let mut written = 0;
    for (line, ..) in pairs() {
        let operation = typed(line);
        let kept = !matches!(record(&operation), Record::None(_));
        // A look at runs changes none, and a report is its own proof.
        let alone = matches!(operation, Operation::Recover | Operation::Verify { .. });
        assert!(kept || alone || operation.only_reads(), "{line} leaves no entry");
        written += usize::from(kept);
    }
    assert!(written > 30, "{written}");
    for line in [
        "approve PLAN --key k --principal p",
        "rehearse PLAN",
        "investigate x",
        "plan harden",
        "vm delete web",
    ] {
        assert!(!matches!(record(&typed(line)), Record::None(_)), "{line}");
    }
}

/// `plan`, or `vm-ask pause`.
fn kind(operation: &Value) -> String {
    let name = operation["operation"].as_str().expect("it is tagged").to_owned();
    match operation["ask"]["ask"].as_str() {
        Some(ask) => format!("{name} {ask}"),
        None => name,
    }
}

/// All kinds, as the error of an unknown one lists them: so that none is forgotten.
fn every_kind() -> Vec<String> {
    let listed = |error: serde_json::Error| -> Vec<String> {
        let text = error.to_string();
        text.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    };
    let operations =
        serde_json::from_value::<Operation>(json!({ "operation": "?" })).map(|_| ()).map_err(listed);
    let asks = serde_json::from_value::<Ask>(json!({ "ask": "?" })).map(|_| ()).map_err(listed);
    let mut all = operations.expect_err("there is no such operation");
    all.retain(|name| name != "vm-ask");
    all.extend(asks.expect_err("there is no such question").iter().map(|ask| format!("vm-ask {ask}")));
    all.sort();
    assert!(all.len() > 40, "{all:?}");
    all
}
