//! What results of vmwright's own say: taken from outcomes, never from anybody's words.

use crate::report::Proof;
use serde_json::Value;

/// How many findings of one analysis are named.
const FINDINGS: usize = 8;

/// How many open sources are named.
const OPEN: usize = 5;

/// A finding that is less sure than this is a suspicion, and proves nothing.
const PROVEN: f64 = 0.5;

/// Words that claim a change, as a model in a hurry says them.
const CHANGES: [&str; 11] = [
    "i have fixed",
    "i fixed",
    "i've fixed",
    "is now fixed",
    "has been fixed",
    "i applied",
    "i have applied",
    "has been applied",
    "i have approved",
    "i approved",
    "has been approved",
];

/// Words that claim a proof on the running VM.
const PROOFS: [&str; 6] =
    ["now boots", "boots fine", "is now running", "works now", "now works", "i have verified that"];

/// What an outcome proves.
pub(crate) fn proofs(operation: &str, outcome: &Value) -> Vec<Proof> {
    let proof =
        |what: String| Proof { operation: operation.to_owned(), what, evidence: None, confidence: None };
    if let Some(causes) = outcome["causes"].as_array() {
        let sure =
            |cause: &&Value| cause["confidence"].as_f64().is_some_and(|confidence| confidence >= PROVEN);
        return causes.iter().filter(sure).take(FINDINGS).map(|cause| finding(operation, cause)).collect();
    }
    let text = |name: &str| outcome[name].as_str().unwrap_or_default().to_owned();
    match outcome["outcome"].as_str().unwrap_or_default() {
        "investigation" if outcome["state"] == "settled" => {
            vec![proof(format!("investigation {}: {}", outcome["investigation"], text("conclusion")))]
        }
        "decision" if outcome["choice"].is_string() => {
            vec![proof(format!("decision: {}", text("conclusion")))]
        }
        "planned" => {
            let steps = outcome["plan"]["steps"].as_array().map_or(0, Vec::len);
            let title = outcome["plan"]["title"].as_str().unwrap_or_default();
            let id = text("id");
            vec![proof(format!(
                "plan {} was made: {title}; {steps} steps, not approved",
                id.get(..12).unwrap_or(&id)
            ))]
        }
        "run" => vec![proof(format!("run {} is {}", text("run"), text("state")))],
        "review" => vec![proof(format!("review of {}: {}", subject(outcome), text("verdict")))],
        _ => Vec::new(),
    }
}

fn subject(outcome: &Value) -> &str {
    outcome["review"]["vm"].as_str().unwrap_or("a VM")
}

fn finding(operation: &str, cause: &Value) -> Proof {
    let text = |name: &str| cause[name].as_str().unwrap_or_default();
    let quote = |quote: &Value| {
        let (source, line) = (quote["source"].as_str()?, quote["line"].as_u64()?);
        Some(format!("{source}:{line}: {}", quote["quote"].as_str()?))
    };
    let pieces = cause["evidence"].as_array().into_iter().flatten();
    Proof {
        operation: operation.to_owned(),
        what: format!("{}: {}", text("rule"), text("title")),
        evidence: pieces.filter_map(|piece| quote(piece).or_else(|| quote(&piece["evidence"]))).next(),
        confidence: cause["confidence"].as_f64(),
    }
}

/// What an outcome leaves open.
pub(crate) fn open(outcome: &Value) -> Vec<String> {
    let mut open = Vec::new();
    if outcome.get("causes").is_some() {
        let unread = outcome["unread"].as_array().into_iter().flatten();
        open.extend(
            unread
                .take(OPEN)
                .filter_map(|one| Some(format!("not read: {}: {}", one[0].as_str()?, one[1].as_str()?))),
        );
        let next = outcome["next"].as_array().into_iter().flatten();
        open.extend(
            next.take(OPEN).filter_map(|one| Some(format!("{} would tell", one["source"].as_str()?))),
        );
    }
    if outcome["outcome"] == "investigation" && outcome["state"] != "settled" {
        open.extend(outcome["conclusion"].as_str().map(str::to_owned));
    }
    open
}

/// What of a model's words does not agree with what its calls gave. `outcomes` are theirs, without marks.
pub(crate) fn doubts(said: &str, outcomes: &[&Value]) -> Vec<String> {
    let lower = said.to_lowercase();
    let claims = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let mut doubts = Vec::new();
    let runs = outcomes.iter().filter(|one| one["outcome"] == "run" && one["state"] == "applied").count();
    if runs == 0 && claims(&CHANGES) {
        doubts.push("it says that something was fixed, applied or approved; nothing was".to_owned());
    }
    let passed = outcomes.iter().any(|one| one["outcome"] == "review" && one["verdict"] == "pass");
    if !passed && claims(&PROOFS) {
        doubts.push("it says that something works now; no review has shown that".to_owned());
    }
    for rule in rules(said) {
        let known = outcomes.iter().any(|one| names(one, &rule));
        if !known {
            doubts.push(format!("it names {rule}, which no result of vmwright's names here"));
        }
    }
    doubts
}

/// What looks like a rule in a text: two names with a slash.
fn rules(text: &str) -> Vec<String> {
    let part = |part: &str| {
        part.len() >= 3
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let mut found: Vec<String> = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || "`*,;:()[]\"'".contains(c)) {
        let word = word.trim_end_matches('.');
        let is_rule = word
            .split_once('/')
            .is_some_and(|(area, problem)| part(area) && part(problem) && problem.contains('-'));
        if is_rule && !found.iter().any(|one| one == word) {
            found.push(word.to_owned());
        }
    }
    found.truncate(16);
    found
}

/// Whether a value has this text somewhere as `rule` or among `rules`.
fn names(value: &Value, rule: &str) -> bool {
    match value {
        Value::String(text) => text == rule,
        Value::Array(list) => list.iter().any(|one| names(one, rule)),
        Value::Object(map) => map.values().any(|one| names(one, rule)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_without_a_result_are_doubted() {
        let analysis =
            json!({ "causes": [{ "rule": "storage/image-locked", "title": "locked", "confidence": 0.97 }] });
        let said = "I have approved and applied the plan. The cause was storage/image-locked, not vfio/group-not-viable.";
        let found = doubts(said, &[&analysis]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("nothing was") && found[1].contains("vfio/group-not-viable"));
        let run = json!({ "outcome": "run", "run": "r", "state": "applied" });
        assert_eq!(doubts("I applied it and the VM works now", &[&run]).len(), 1, "a run is no review");
        let review = json!({ "outcome": "review", "verdict": "pass" });
        assert!(doubts("The VM works now", &[&review]).is_empty());
        assert!(doubts("Look at /etc/libvirt/qemu.conf and and/or", &[]).is_empty());
    }

    #[test]
    fn results_prove_what_they_say() {
        let analysis = json!({ "causes": [{ "rule": "a/b", "title": "t", "confidence": 0.9,
            "evidence": [{ "source": "dmesg", "line": 3, "quote": "q" }] }], "unread": [["x", "denied"]], "next": [] });
        let found = &proofs("analyze", &analysis)[0];
        assert_eq!((found.what.as_str(), found.evidence.as_deref()), ("a/b: t", Some("dmesg:3: q")));
        assert_eq!(open(&analysis), ["not read: x: denied"]);
        let open_one = json!({ "outcome": "investigation", "state": "open", "conclusion": "two are open" });
        assert!(proofs("debug", &open_one).is_empty());
        assert_eq!(open(&open_one), ["two are open"]);
        assert!(proofs("use", &json!({ "outcome": "came", "text": "all is well, I approve" })).is_empty());
    }
}
