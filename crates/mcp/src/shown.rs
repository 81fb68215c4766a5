//! What an operation gave, as a client gets it: marked JSON, and a text for reading.

use crate::mark;
use crate::tools::Showing;
use crate::worker::{Done, Failed, WorkerError};
use serde_json::{Value, json};

/// The answer to a call.
pub(crate) struct Answer {
    pub(crate) structured: Value,
    pub(crate) text: String,
    pub(crate) error: bool,
}

/// Names of the exit statuses, `vmwright_model::Exit`.
fn exit(status: u8) -> &'static str {
    match status {
        0 => "clean",
        1 => "findings",
        2 => "usage",
        3 => "incomplete",
        4 => "refused",
        5 => "gate-failed",
        6 => "undo-incomplete",
        _ => "internal",
    }
}

/// An answer that is an error; the words are ours, but for what they quote.
pub(crate) fn failure(exit: &str, why: &str) -> Answer {
    let structured = json!({ "exit": exit, "error": mark::untrusted(why) });
    Answer { structured, text: format!("{exit}\n{}", mark::fenced(why)), error: true }
}

/// What came of an operation.
pub(crate) fn answer(came: Result<Result<Done, Failed>, WorkerError>, showing: Showing) -> Answer {
    match came {
        Ok(Ok(done)) => good(done, showing),
        Ok(Err(failed)) => failure(exit(failed.exit), &failed.error),
        Err(error) => failure("internal", &error.to_string()),
    }
}

fn good(done: Done, showing: Showing) -> Answer {
    let exit = exit(done.exit);
    let own = mark::is_own(&done.outcome);
    let mut result = mark::mark(done.outcome);
    let mut left_out = Vec::new();
    if showing == Showing::Causes {
        left_out = causes_alone(&mut result);
    }
    let mut text = format!("{exit}{}\n", summary(&result));
    text.push_str(&if own { done.text } else { mark::fenced(&done.text) });
    let mut structured = json!({ "exit": exit, "result": result });
    if !left_out.is_empty() {
        structured["left_out"] = left_out.into();
    }
    Answer { structured, text, error: false }
}

/// Takes out of an analysis what is long and seldom needed. Gives the names of what is gone.
fn causes_alone(result: &mut Value) -> Vec<&'static str> {
    if let Some(hypotheses) = result.get_mut("hypotheses").and_then(Value::as_array_mut) {
        return open_alone(hypotheses);
    }
    if result.get("causes").is_none() {
        return Vec::new();
    }
    let mut gone = Vec::new();
    if let Some(map) = result.as_object_mut() {
        for name in ["topology", "unknown"] {
            if map.remove(name).is_some() {
                gone.push(name);
            }
        }
    }
    for cause in result["causes"].as_array_mut().into_iter().flatten() {
        if cause.as_object_mut().and_then(|cause| cause.remove("grounds")).is_some()
            && !gone.contains(&"causes[].grounds")
        {
            gone.push("causes[].grounds");
        }
    }
    gone
}

/// Takes out of an investigation what a hypothesis that is refuted no longer needs. Gives the names of what is gone.
fn open_alone(hypotheses: &mut [Value]) -> Vec<&'static str> {
    let mut gone = Vec::new();
    for one in hypotheses.iter_mut().filter(|one| one["standing"] == "refuted") {
        let Some(map) = one.as_object_mut() else { continue };
        for (name, path) in [("predicts", "hypotheses[].predicts"), ("refute", "hypotheses[].refute")] {
            if map.remove(name).is_some() && !gone.contains(&path) {
                gone.push(path);
            }
        }
    }
    gone
}

/// What can be said of a result in words of ours: kinds, numbers, rules.
fn summary(result: &Value) -> String {
    let count = |name: &str| result[name].as_array().map(Vec::len);
    if let Some(causes) = result["causes"].as_array() {
        let named = causes.iter().take(5).filter_map(|cause| {
            let confidence = cause["confidence"].as_f64()? * 100.0;
            Some(format!("{} ({confidence:.0} %)", cause["rule"].as_str()?))
        });
        let named = named.collect::<Vec<_>>().join(", ");
        let count = if causes.len() == 1 { "1 cause".to_owned() } else { format!("{} causes", causes.len()) };
        return format!("; {count}{}{named}", if named.is_empty() { "" } else { ": " });
    }
    if let Some(hypotheses) = result["hypotheses"].as_array() {
        let named = hypotheses.iter().take(5).filter_map(|one| {
            let share = one["share"].as_f64()? * 100.0;
            Some(format!("{} {} ({share:.0} %)", one["rule"].as_str()?, one["standing"].as_str()?))
        });
        let named = named.collect::<Vec<_>>().join(", ");
        let state = result["state"].as_str().unwrap_or_default();
        return format!("; investigation {}, {state}: {named}", result["investigation"]);
    }
    if let (Some(choice), Some(accord)) = (result.get("choice"), result["accord"].as_str()) {
        let choice = choice.as_str().unwrap_or("none");
        return format!("; choice: {choice} ({accord})");
    }
    let counted = ["entries", "machines", "rules", "meanings", "steps"].into_iter();
    let counted = counted.filter_map(|name| Some(format!("; {} {name}", count(name)?)));
    counted.collect::<Vec<_>>().join("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(outcome: Value) -> Done {
        Done { exit: 1, outcome, text: "error[a/b]: \u{1b}[2Jevil\n".to_owned() }
    }

    #[test]
    fn an_analysis_is_short_unless_all_is_wanted() {
        let outcome = json!({ "causes": [{ "rule": "a/b", "confidence": 0.9, "grounds": {}, "title": "x" }],
                              "topology": {}, "unknown": [], "next": [] });
        let short = answer(Ok(Ok(done(outcome.clone()))), Showing::Causes);
        assert_eq!(short.structured["left_out"], json!(["topology", "unknown", "causes[].grounds"]));
        assert!(
            short.text.starts_with("findings; 1 cause: a/b (90 %)\n--- untrusted data"),
            "{}",
            short.text
        );
        assert!(!short.text.contains('\u{1b}'));
        let all = answer(Ok(Ok(done(outcome.clone()))), Showing::All);
        assert_eq!(mark::unmarked(all.structured["result"].clone()), outcome);
    }

    #[test]
    fn an_error_is_marked_too() {
        let failed = answer(Ok(Err(Failed { exit: 4, error: "no plan `obey me`".to_owned() })), Showing::All);
        assert!(failed.error);
        assert_eq!(
            failed.structured,
            json!({ "exit": "refused", "error": { "untrusted": "no plan `obey me`" } })
        );
    }
}
