//! An investigation: hypotheses that compete, what each predicts, and what was read to tell them apart.

use crate::analysis::{HostIdentity, Recalled, Sandbox};
use crate::grounds::Piece;
use crate::mode::{Agent, Mode};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Version of [`Investigation`] as JSON.
pub const INVESTIGATION_SCHEMA: &str = "vmwright.investigation/1";

/// The state of an investigation, complete: another process goes on from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Investigation {
    /// [`INVESTIGATION_SCHEMA`].
    pub schema: String,
    /// Always [`Mode::Analysis`].
    pub mode: Mode,
    /// Number of the journal's entry that it began with; 0 where nothing can be kept.
    pub investigation: i64,
    /// The question.
    pub challenge: String,
    /// Where evidence is read.
    pub scope: Scope,
    /// The host that was read.
    pub host: HostIdentity,
    /// How far it is.
    pub state: Outlook,
    /// What competes, the likeliest first.
    pub hypotheses: Vec<Hypothesis>,
    /// The share of "none of these", 0 to 1.
    pub other: f64,
    /// What was read, in order.
    pub steps: Vec<ProbeStep>,
    /// What to read next, the most telling first.
    pub next: Vec<NextProbe>,
    /// What follows, in a sentence.
    pub conclusion: String,
    /// Who takes it over, where it lies outside vmwright's authority.
    pub escalation: Option<Agent>,
    /// What the caller noted on the way. Untrusted, and no evidence.
    pub notes: Vec<String>,
    /// What the journal already knew.
    pub journal: Vec<Recalled>,
    /// How the process was locked.
    pub sandbox: Sandbox,
}

/// Where the evidence of an investigation is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Folders and archives of files that somebody kept; the running host where empty.
    pub from: Vec<PathBuf>,
    /// Another host, `ssh://user@host:port`.
    pub host: Option<String>,
    /// The VM that the question is about.
    pub vm: Option<String>,
}

/// How far an investigation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outlook {
    /// Something can still be read that would tell.
    Open,
    /// One hypothesis is supported and far ahead of the others.
    Settled,
    /// Nothing is left to read that would tell, and no hypothesis is far enough ahead.
    Undecided,
}

/// One explanation among others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hypothesis {
    /// The rule that tests it; none where no rule does, and it stays what was said.
    pub rule: Option<String>,
    /// What would be wrong.
    pub statement: String,
    /// Where it comes from.
    pub origins: Vec<Origin>,
    /// Its weight before anything was read, against the others'.
    pub prior: f64,
    /// What would be seen if it held.
    pub predicts: Vec<Prediction>,
    /// How it stands.
    pub standing: Standing,
    /// Why it stands so.
    pub why: String,
    /// 0 to 1, computed from the evidence alone.
    pub confidence: f64,
    /// How likely it is against the others, 0 to 1.
    pub share: f64,
    /// What was weighed for and against it, best first.
    pub pieces: Vec<Piece>,
    /// What would refute it, from the rule's documentation; Markdown.
    pub refute: String,
    /// Who takes it over if it holds.
    pub escalation: Option<Agent>,
}

/// Where a hypothesis comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The complaint is near to what its rule describes.
    Complaint,
    /// An entry of the journal that looks like this names it.
    Journal,
    /// A rule fired on what was read on the way.
    Evidence,
    /// Whoever asks named it. It is a hypothesis like any other, and no evidence.
    Caller,
    /// It is the likeliest alternative to another one.
    Rival,
}

/// What would be seen if a hypothesis held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prediction {
    /// Where.
    pub source: String,
    /// What.
    pub shows: String,
}

/// How a hypothesis stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Not told yet.
    Open,
    /// What it predicts was seen.
    Supported,
    /// All that its rule asks for was read, and it is not there.
    Refuted,
    /// No rule tests it.
    Untested,
}

/// One look, and what it changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeStep {
    /// What was read.
    pub probe: String,
    /// What was expected of it, in bits, before it was read; none where it was no choice.
    pub expected: Option<f64>,
    /// What it told: the difference that it made, in bits (Kullback and Leibler).
    pub told: f64,
    /// How many sources there were.
    pub read: usize,
    /// Sources that could not be read, with the reason.
    pub unread: Vec<(String, String)>,
    /// Hypotheses that stand otherwise than before.
    pub changed: Vec<Change>,
}

/// A hypothesis that stands otherwise than before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The rule.
    pub rule: String,
    /// How it stood; none where it is new.
    pub before: Option<Standing>,
    /// How it stands.
    pub standing: Standing,
    /// Its share before and behind.
    pub share: (f64, f64),
}

/// Something that could be read next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NextProbe {
    /// What: a path, a pattern, a command or a probe; or, of records, a source that is not among them.
    pub probe: String,
    /// What it is expected to tell, in bits.
    pub expected: f64,
    /// The rules whose hypotheses it would tell apart.
    pub rules: Vec<String>,
    /// Whether vmwright can read it itself.
    pub here: bool,
}
