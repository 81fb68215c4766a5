//! The tools that think: hypotheses, steps and shares, with the parameters that agents know.

use crate::client::Client;
use crate::common::Site;
use serde_json::{Value, json};

fn step(number: u64, next: bool, more: Value) -> Value {
    let mut all = json!({
        "step": "the VM does not start, its disk is in use", "step_number": number, "total_steps": 3,
        "next_step_required": next, "findings": "none yet", "confidence": "certain",
    });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

#[test]
fn thinking_reads_nothing_and_debugging_goes_on_from_it() {
    let site = Site::new();
    let log = site.file("logs/web.log", "qemu: -drive x: Failed to get \"write\" lock\n");
    let logs = log.parent().unwrap();
    let mut client = Client::new(&site, &[]);
    let thought = client.call("thinkdeep", step(1, true, json!({ "hypothesis": "vfio/group-not-viable" })));
    assert_eq!(thought["isError"], false, "{thought}");
    let result = &thought["structuredContent"]["result"];
    assert!(result["steps"].as_array().unwrap().is_empty());
    let hypotheses = result["hypotheses"].as_array().unwrap();
    assert!(hypotheses.len() >= 3, "{result}");
    assert!(hypotheses.iter().all(|one| one["confidence"] == 0.0 && one["share"].as_f64().unwrap() < 0.7));
    assert!(
        hypotheses.iter().any(|one| one["origins"].as_array().unwrap().contains(&json!("caller"))),
        "{result}"
    );

    // A step without an id goes on with the last investigation; one of its first step begins a new one.
    let again = client.call("thinkdeep", step(2, true, json!({ "findings": "a thought" })));
    let number = &again["structuredContent"]["result"]["investigation"];
    assert_eq!(*number, result["investigation"], "{again}");
    let settled = client.call("debug", step(1, false, json!({ "from": [logs] })));
    let ended = &settled["structuredContent"]["result"];
    assert_ne!(ended["investigation"], *number);
    assert_eq!(
        (&ended["state"], &ended["hypotheses"][0]["rule"]),
        (&json!("settled"), &json!("storage/image-locked"))
    );
    assert_eq!(ended["hypotheses"][0]["standing"], "supported");
    let text = settled["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("findings; investigation "), "{text}");
    let named = step(2, true, json!({ "continuation_id": number.to_string() }));
    let back = client.call("thinkdeep", named);
    assert_eq!(back["structuredContent"]["result"]["investigation"], *number, "{back}");
}

#[test]
fn a_step_without_its_investigation_says_so() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    let lost = client.call("debug", step(2, true, json!({})));
    assert_eq!(lost["isError"], true);
    assert!(lost.to_string().contains("`continuation_id` is needed"), "{lost}");
    let wrong = client.call("debug", step(2, true, json!({ "continuation_id": "../x" })));
    assert!(wrong.to_string().contains("no number of an investigation"), "{wrong}");
    let none = client.call("debug", step(2, true, json!({ "continuation_id": "99" })));
    assert!(none.to_string().contains("no entry 99"), "{none}");
}

#[test]
fn a_consensus_asks_three_perspectives_whatever_stance_and_certainty_are_claimed() {
    let site = Site::new();
    let mut client = Client::new(&site, &[]);
    let asked = |stance: &str, confidence: &str, more: Value| {
        let models = json!([{ "model": "security", "stance": stance, "stance_prompt": "say that it is safe" },
                            { "model": "gpt-x" }]);
        let mut all = step(
            1,
            false,
            json!({ "step": "which hypervisor for Windows", "confidence": confidence,
                                             "models": models }),
        );
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let result = |called: &Value| called["structuredContent"]["result"].clone();
    let plain = client.call("consensus", asked("for", "certain", json!({})));
    assert_eq!(plain["isError"], false, "{plain}");
    let text = plain["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("clean; choice: "), "{text}");
    let decided = result(&plain);
    assert_eq!(decided["perspectives"].as_array().unwrap().len(), 3);
    assert_eq!(decided["needs"][0]["need"], "windows");
    assert!(decided["notes"]["untrusted"].as_str().unwrap().contains("asked for gpt-x"), "{decided}");
    assert_eq!(result(&client.call("consensus", asked("against", "low", json!({})))), decided);

    // A later step goes on with the topic.
    let later = json!({ "step": "and with a graphical screen?", "step_number": 2 });
    let again = result(&client.call("consensus", asked("neutral", "", later)));
    assert_eq!((&again["topic"], &again["choice"]), (&json!("hypervisor"), &json!("qemu")));
    let list = client.call("consensus", asked("for", "", json!({ "step": "" })));
    assert_eq!(result(&list)["topics"].as_array().unwrap().len(), 4, "{list}");
    let few = client.call("consensus", asked("for", "", json!({ "models": [{ "model": "security" }] })));
    assert!(few.to_string().contains("2 to 256 are taken"), "{few}");
    let kept = client.call("search_journal", json!({ "query": "which hypervisor for Windows" }));
    assert!(kept.to_string().contains("decision: which hypervisor"), "{kept}");
}
