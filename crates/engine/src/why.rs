//! How a rule came to its verdict: each piece of evidence with its weight, the sum, and what would refute it.

use serde::Serialize;
use vmwright_model::{Finding, Piece, Verdict};
use vmwright_rules::confidence::{CEILING, THRESHOLD};
use vmwright_rules::hypotheses::{pieces, section};
use vmwright_rules::{Entry, Reading, ranking};

/// The computation behind one rule's verdicts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Why {
    /// Id of the rule.
    pub rule: String,
    /// One for each verdict.
    pub verdicts: Vec<Computation>,
    /// From here on a rule fires.
    pub threshold: f64,
    /// The most that any evidence can give.
    pub ceiling: f64,
    /// What would refute it, from the rule's documentation; Markdown.
    pub refute: String,
}

/// How one verdict was computed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Computation {
    /// The evidence was enough.
    Fired {
        /// What it is about.
        subject: String,
        /// What is wrong.
        title: String,
        /// 0 to 1.
        confidence: f64,
        /// What was weighed, best first.
        pieces: Vec<Piece>,
        /// What its place among the causes is computed from.
        rank: Rank,
    },
    /// The rule saw what it needs, and the evidence was not enough.
    Quiet,
    /// The rule did not see enough.
    Unknown {
        /// What is missing.
        why: String,
        /// The source that would tell.
        source: String,
    },
    /// The question does not arise.
    NotApplicable {
        /// Why.
        why: String,
    },
}

/// How a finding is ranked among the others: by the sum of these.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rank {
    /// Confidence of the finding.
    pub confidence: f64,
    /// For a special cause, against a general one.
    pub special: f64,
    /// Against findings that are no errors.
    pub level: f64,
    /// For words of the complaint that go with the rule.
    pub words: f64,
    /// The sum.
    pub sum: f64,
}

/// Weighs one rule again, in the open.
pub(crate) fn why(entry: &'static Entry, reading: &Reading<'_>) -> Why {
    let verdicts = ranking::judge(entry, reading);
    let verdicts = verdicts.into_iter().map(|verdict| computation(verdict, entry, reading)).collect();
    Why {
        rule: entry.id.to_owned(),
        verdicts,
        threshold: THRESHOLD,
        ceiling: CEILING,
        refute: section(entry.doc, "## Refute"),
    }
}

fn computation(verdict: Verdict, entry: &Entry, reading: &Reading<'_>) -> Computation {
    match verdict {
        Verdict::Fired(finding) => fired(finding, entry, reading),
        Verdict::Quiet => Computation::Quiet,
        Verdict::Unknown { why, source } => Computation::Unknown { why, source },
        Verdict::NotApplicable { why } => Computation::NotApplicable { why },
    }
}

fn fired(finding: Finding, entry: &Entry, reading: &Reading<'_>) -> Computation {
    let score = ranking::score(entry, &finding, reading);
    let pieces = pieces(&finding);
    Computation::Fired {
        subject: finding.subject.to_string(),
        title: finding.title,
        confidence: finding.confidence,
        pieces,
        rank: Rank {
            confidence: score.confidence,
            special: score.special,
            level: score.level,
            words: score.words,
            sum: score.sum(),
        },
    }
}
