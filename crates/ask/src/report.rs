//! What came of a question.

use serde::Serialize;
use serde_json::Value;
use vmwright_model::Exit;

/// Version of [`Asked`] as JSON.
pub const ASKED_SCHEMA: &str = "vmwright.ask/1";

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Asked {
    /// [`ASKED_SCHEMA`].
    pub schema: &'static str,
    /// The question.
    pub question: String,
    /// How it ended.
    pub ended: Ended,
    /// What was done, in order.
    pub parts: Vec<Part>,
    /// What vmwright itself found, did or measured, best first.
    pub proven: Vec<Proof>,
    /// What is not known, with what would tell.
    pub open: Vec<String>,
    /// What a model said; none where none was asked.
    pub said: Option<Said>,
    /// What to do next, as it is typed.
    pub next: Vec<String>,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "how", content = "why")]
pub enum Ended {
    /// With an answer.
    Answered,
    /// A limit was reached: which.
    Limit(String),
    /// The model could not be spoken with any more: why.
    Broken(String),
    /// The user stopped it.
    Stopped,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// `analyze`, `investigate`, `plan`; of a model the tool's name.
    pub operation: String,
    /// The exit status that the command would have had; none where it was no call that there is.
    pub exit: Option<u8>,
    /// What came of it, as the command prints it; of a model's calls what it was given.
    pub outcome: Value,
}

/// Something that a result of vmwright's own says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proof {
    /// The operation that says so.
    pub operation: String,
    /// What.
    pub what: String,
    /// The line that proves it, `source:line: quote`, where there is one.
    pub evidence: Option<String>,
    /// Confidence as computed, where it is a finding.
    pub confidence: Option<f64>,
}

/// What a model said, and what of it is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Said {
    /// The model, as it was named.
    pub model: String,
    /// Its last words. Nothing proves them.
    pub text: String,
    /// What of it does not agree with what was found and done.
    pub doubts: Vec<String>,
    /// Calls of its that were no call of a tool that there was, or were refused.
    pub refused: usize,
    /// What it took.
    pub used: Used,
    /// Its calls and what it said, step by step, as the journal keeps it.
    pub transcript: String,
}

/// What a model took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Used {
    /// Times that it was asked.
    pub steps: usize,
    /// Tokens that it was given, as the endpoint counts them; estimated where it does not.
    pub tokens_in: u64,
    /// Tokens that it gave.
    pub tokens_out: u64,
}

impl Asked {
    /// The exit status of the command: what vmwright found decides, and what a model says does not.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.ended != Ended::Answered {
            return Exit::Incomplete;
        }
        let had = |exit: Exit| self.parts.iter().any(|part| part.exit == Some(exit as u8));
        if had(Exit::UndoIncomplete) {
            Exit::UndoIncomplete
        } else if had(Exit::GateFailed) {
            Exit::GateFailed
        } else if had(Exit::Findings) {
            Exit::Findings
        } else if had(Exit::Clean) && !had(Exit::Incomplete) {
            Exit::Clean
        } else {
            Exit::Incomplete
        }
    }
}
