//! vmwright's own answer: analysis, investigation, and a plan where there is something to mend. No model takes part.

use crate::proof::{open, proofs};
use crate::report::{ASKED_SCHEMA, Asked, Ended, Part};
use crate::{Question, Told};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use vmwright_engine::{Analyze, Decide, Intent, Investigate, Operation, Reads};
use vmwright_mcp::{Apart, perform_apart};
use vmwright_model::Exit;

/// Answers a question: a decision where it asks which of several, else analysis, investigation and plan. Each operation is
/// done in a process of its own, which locks itself as the command does.
pub fn engineer(asked: &Question, state: &Path, stop: &AtomicBool, told: &mut dyn FnMut(Told)) -> Asked {
    let mut work = Work { state, stop, told, parts: Vec::new() };
    let decides = asked.from.is_empty() && asked.vm.is_none() && vmwright_engine::is_choice(&asked.text);
    if decides {
        work.perform(
            "decide",
            Operation::Decide(Decide { question: asked.text.clone(), ..Decide::default() }),
        );
    } else {
        work.diagnose(asked);
    }
    let stopped = stop.load(Ordering::Relaxed);
    let parts = work.parts;
    let mut proven: Vec<_> = parts.iter().flat_map(|part| proofs(&part.operation, &part.outcome)).collect();
    proven.dedup();
    let mut unknown: Vec<String> = parts.iter().flat_map(|part| open(&part.outcome)).collect();
    for part in &parts {
        let Some(error) = part.outcome["error"].as_str() else { continue };
        let what = if part.operation == "plan" { "no plan" } else { part.operation.as_str() };
        unknown.push(format!("{what}: {error}"));
    }
    unknown.dedup();
    Asked {
        schema: ASKED_SCHEMA,
        question: asked.text.clone(),
        ended: if stopped { Ended::Stopped } else { Ended::Answered },
        proven,
        open: unknown,
        said: None,
        next: next(&parts, asked),
        parts,
    }
}

struct Work<'a> {
    state: &'a Path,
    stop: &'a AtomicBool,
    told: &'a mut dyn FnMut(Told),
    parts: Vec<Part>,
}

impl Work<'_> {
    fn diagnose(&mut self, asked: &Question) {
        let analyze = Analyze {
            from: asked.from.clone(),
            only_one: true,
            host: asked.host.clone(),
            vm: asked.vm.clone(),
            complaint: asked.text.clone(),
            ..Analyze::default()
        };
        let found = self.perform("analyze", Operation::Analyze(analyze));
        if found == Some(Exit::Usage as u8) || self.stop.load(Ordering::Relaxed) {
            return;
        }
        let investigate = Investigate {
            complaint: asked.text.clone(),
            vm: asked.vm.clone(),
            from: asked.from.clone(),
            host: asked.host.clone(),
            reads: Reads::All,
            ..Investigate::default()
        };
        self.perform("investigate", Operation::Investigate(investigate));
        // Only what runs here can be mended from here.
        let here = asked.from.is_empty() && asked.host.is_none();
        if here && found == Some(Exit::Findings as u8) && !self.stop.load(Ordering::Relaxed) {
            let intent = Intent::Fix { vm: asked.vm.clone(), complaint: asked.text.clone() };
            self.perform("plan", Operation::Plan { intent });
        }
    }

    /// Does one operation and gives its exit status.
    fn perform(&mut self, name: &str, operation: Operation) -> Option<u8> {
        let told = &mut *self.told;
        let came = perform_apart(self.state, operation, self.stop, &mut |line| told(Told::Note(line)));
        let part = match came {
            Ok(Apart { exit, outcome, text }) => {
                told(Told::Result(text));
                Part { operation: name.to_owned(), exit: Some(exit), outcome }
            }
            Err((exit, error)) => {
                let outcome = serde_json::json!({ "error": error });
                Part { operation: name.to_owned(), exit, outcome }
            }
        };
        let exit = part.exit;
        self.parts.push(part);
        exit
    }
}

/// What somebody types next.
fn next(parts: &[Part], asked: &Question) -> Vec<String> {
    let of = |name: &str| parts.iter().find(|part| part.operation == name).map(|part| &part.outcome);
    let mut next = Vec::new();
    if let Some(id) = of("plan").and_then(|plan| plan["id"].as_str()) {
        let id = id.get(..12).unwrap_or(id);
        next.push(format!("vmwright preview {id}"));
        next.push(format!("vmwright approve {id} --key KEY --principal YOU"));
    }
    if let Some(all) = of("investigate") {
        let number = &all["investigation"];
        if all["escalation"].is_string() {
            next.push(format!("vmwright escalate {number}"));
        } else if all["state"] != "settled" && all["investigation"].as_i64().is_some_and(|number| number > 0)
        {
            let more = if asked.from.is_empty() { "" } else { " --from MORE" };
            next.push(format!("vmwright investigate --resume {number}{more}"));
        }
    }
    next
}
