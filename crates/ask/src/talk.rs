//! A model that works with vmwright's tools: what it asks for is called, until it answers or a limit is reached.

use crate::model::{Call, Endpoint, Limits, ModelError, Said as Message};
use crate::proof::{doubts, open, proofs};
use crate::report::{ASKED_SCHEMA, Asked, Ended, Part, Said, Used};
use crate::tools::{Called, Tools, ToolsError};
use crate::{Question, Told};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much of one result a model is given, in bytes.
const RESULT: usize = 24 << 10;

/// How often the same call may be made. What it gives may change: an investigation goes on with the same words.
const SAME: usize = 3;

/// How many calls may be refused in a row before the conversation is over.
const REFUSED: usize = 8;

/// How much of a call and of its result the transcript keeps, in characters.
const KEPT: usize = 400;

/// What every model is told besides its definition as an agent.
const MANNER: &str = "Your calls are made for you, and their results are all that counts: whoever asks sees what vmwright \
                      found beside what you say, and which of your words no result bears out. Answer with causes, their \
                      quotes and what is still open. Propose a plan with the tool `plan` where something is to be changed, \
                      and say that a person has to approve it.";

/// Asks a model, and does what it asks for as far as the server of the tools lets it. `words` follow `mcp` where the server is
/// started.
pub fn talk(
    asked: &Question,
    endpoint: &Endpoint,
    limits: &Limits,
    words: &[String],
    state: &Path,
    stop: &AtomicBool,
    told: &mut dyn FnMut(Told),
) -> Asked {
    let mut talk = Talk {
        limits,
        stop,
        told,
        messages: vec![Message::User(question(asked))],
        parts: Vec::new(),
        counts: HashMap::new(),
        refused: 0,
        in_a_row: 0,
        used: Used::default(),
        transcript: format!("{}\n", asked.text),
        last: String::new(),
    };
    let ended = match Tools::begin(state, words) {
        Ok(mut tools) => talk.go_on(endpoint, &mut tools),
        Err(error) => Ended::Broken(chain(&error)),
    };
    talk.answer(asked, endpoint, ended)
}

struct Talk<'a> {
    limits: &'a Limits,
    stop: &'a AtomicBool,
    told: &'a mut dyn FnMut(Told),
    messages: Vec<Message>,
    parts: Vec<Part>,
    /// How often each call was made.
    counts: HashMap<String, usize>,
    refused: usize,
    in_a_row: usize,
    used: Used,
    transcript: String,
    /// What it said last.
    last: String,
}

impl Talk<'_> {
    fn go_on(&mut self, endpoint: &Endpoint, tools: &mut Tools) -> Ended {
        let system = format!("{}\n{MANNER}\n", vmwright_mcp::instructions());
        for step in 1..=self.limits.steps {
            let list = match tools.list() {
                Ok(list) => list,
                Err(error) => return ended(&error),
            };
            let told = &mut *self.told;
            let turn = endpoint.ask(&system, &self.messages, &list, self.limits, self.stop, &mut |piece| {
                told(Told::Model(piece.to_owned()));
            });
            self.used.steps = step;
            let turn = match turn {
                Ok(turn) => turn,
                Err(ModelError::Stopped) => return Ended::Stopped,
                Err(error) => return Ended::Broken(chain(&error)),
            };
            self.used.tokens_in += turn.tokens_in;
            self.used.tokens_out += turn.tokens_out;
            let _ = write!(self.transcript, "\n## Step {step}\n\n{}\n", turn.text.trim());
            if !turn.text.trim().is_empty() {
                self.last.clone_from(&turn.text);
            }
            if turn.calls.is_empty() {
                return match (turn.cut, turn.text.trim().is_empty()) {
                    (true, _) => Ended::Limit(format!("its answer was cut at {} tokens", self.limits.answer)),
                    (_, true) => Ended::Broken("it said nothing".to_owned()),
                    _ => Ended::Answered,
                };
            }
            let mut results = Vec::new();
            for call in &turn.calls {
                match self.call(call, tools) {
                    Ok((text, error)) => results.push((call.id.clone(), text, error)),
                    Err(error) => return ended(&error),
                }
            }
            self.messages.push(Message::Model { text: turn.text, calls: turn.calls });
            self.messages.push(Message::Results(results));
            if self.in_a_row >= REFUSED {
                return Ended::Limit(format!("{} calls in a row were none that can be made", self.in_a_row));
            }
            if self.used.tokens_in + self.used.tokens_out >= self.limits.tokens {
                return Ended::Limit(format!("{} tokens", self.limits.tokens));
            }
        }
        Ended::Limit(format!("{} steps", self.limits.steps))
    }

    /// Makes a call, and gives what the model is told of it.
    fn call(&mut self, call: &Call, tools: &mut Tools) -> Result<(String, bool), ToolsError> {
        let _ = writeln!(self.transcript, "- calls {} {}", brief(&call.name), brief(&call.arguments));
        (self.told)(Told::Note(format!("  calls {} {}", brief(&call.name), brief(&call.arguments))));
        let called = match serde_json::from_str::<Map<String, Value>>(&call.arguments) {
            Err(error) => refusal(&format!("the arguments are no JSON object: {error}")),
            Ok(arguments) => {
                let count = self.counts.entry(format!("{} {}", call.name, call.arguments)).or_default();
                *count += 1;
                if *count > SAME {
                    refusal(&format!("this call was made {SAME} times already; do something else, or answer"))
                } else {
                    tools.call(&call.name, &Value::Object(arguments), self.stop, self.told)?
                }
            }
        };
        if called.valid {
            self.in_a_row = 0;
        } else {
            self.refused += 1;
            self.in_a_row += 1;
        }
        let text = vmwright_engine::without_secrets(&called.structured.to_string());
        let _ = writeln!(self.transcript, "  {}", brief(&text));
        self.keep(&call.name, &called);
        Ok((clipped(&text), called.error))
    }

    fn keep(&mut self, name: &str, called: &Called) {
        let exit = called.structured["exit"].as_str().and_then(status);
        let error = called.structured["error"].clone();
        let outcome = match &called.structured["result"] {
            Value::Null if !error.is_null() => json!({ "error": error }),
            // A tool of the server's own gives its fields themselves: a mode, a thought.
            Value::Null => called.structured.clone(),
            result => result.clone(),
        };
        let outcome = vmwright_mcp::unmarked(outcome);
        self.parts.push(Part { operation: brief(name), exit, outcome });
    }

    fn answer(self, asked: &Question, endpoint: &Endpoint, ended: Ended) -> Asked {
        let ended = if self.stop.load(Ordering::Relaxed) { Ended::Stopped } else { ended };
        let outcomes: Vec<&Value> = self.parts.iter().map(|part| &part.outcome).collect();
        let mut proven: Vec<_> =
            self.parts.iter().flat_map(|part| proofs(&part.operation, &part.outcome)).collect();
        // The same finding of a later look says nothing new.
        let mut known = Vec::new();
        proven.retain(|one| {
            let new = !known.contains(&one.what);
            known.push(one.what.clone());
            new
        });
        let mut unknown: Vec<String> = Vec::new();
        for one in self.parts.iter().flat_map(|part| open(&part.outcome)) {
            if !unknown.contains(&one) {
                unknown.push(one);
            }
        }
        let said = Said {
            model: endpoint.name.clone(),
            doubts: doubts(&self.last, &outcomes),
            text: self.last,
            refused: self.refused,
            used: self.used,
            transcript: self.transcript,
        };
        let plans =
            outcomes.iter().filter(|one| one["outcome"] == "planned").filter_map(|one| one["id"].as_str());
        let next = plans.map(|id| format!("vmwright preview {}", id.get(..12).unwrap_or(id))).collect();
        Asked {
            schema: ASKED_SCHEMA,
            question: asked.text.clone(),
            ended,
            proven,
            open: unknown,
            said: Some(said),
            next,
            parts: self.parts,
        }
    }
}

/// The question with what the user said of its scope.
fn question(asked: &Question) -> String {
    let mut text = asked.text.clone();
    if let Some(vm) = &asked.vm {
        let _ = write!(text, "\n\nThe VM (`vm`): {vm}");
    }
    if !asked.from.is_empty() {
        let from: Vec<String> = asked.from.iter().map(|path| path.display().to_string()).collect();
        let _ = write!(text, "\n\nRead these records (`from`), not this host: {}", from.join(", "));
    }
    if let Some(host) = &asked.host {
        let _ = write!(text, "\n\nThe host (`host`): {host}");
    }
    text
}

fn refusal(why: &str) -> Called {
    Called { structured: json!({ "error": why }), valid: false, error: true }
}

fn ended(error: &ToolsError) -> Ended {
    match error {
        ToolsError::Stopped => Ended::Stopped,
        error => Ended::Broken(chain(error)),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// The beginning, in one line.
fn brief(text: &str) -> String {
    let line: String = text.chars().map(|c| if c == '\n' { ' ' } else { c }).take(KEPT + 1).collect();
    match line.char_indices().nth(KEPT) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// As much of a result as a model is given.
fn clipped(text: &str) -> String {
    if text.len() <= RESULT {
        return text.to_owned();
    }
    let end = (0..=RESULT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}\n[cut: {} more bytes; ask for less]", &text[..end], text.len() - end)
}

/// The exit status of this name, as the server gives it.
fn status(name: &str) -> Option<u8> {
    let names = ["clean", "findings", "usage", "incomplete", "refused", "gate-failed", "undo-incomplete"];
    names.iter().position(|known| *known == name).and_then(|at| u8::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_cut_between_characters() {
        let text = "é".repeat(RESULT);
        let cut = clipped(&text);
        assert!(cut.len() < RESULT + 100 && cut.contains("more bytes"));
        assert_eq!(clipped("short"), "short");
        assert_eq!(brief("a\nb"), "a b");
    }

    #[test]
    fn the_scope_is_part_of_the_question() {
        let asked = Question {
            text: "why".to_owned(),
            vm: Some("web".to_owned()),
            from: vec!["/l".into()],
            host: None,
        };
        assert_eq!(
            question(&asked),
            "why\n\nThe VM (`vm`): web\n\nRead these records (`from`), not this host: /l"
        );
        assert_eq!((status("gate-failed"), status("certain")), (Some(5), None));
    }
}
