//! REVIEW: checks on a real VM, with what they measured.

use serde::{Deserialize, Serialize};

/// What a gate says. Not tested is not passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "why")]
pub enum GateOutcome {
    /// It was tried and holds.
    Pass,
    /// It was tried and does not hold.
    Fail(String),
    /// It could not be tried.
    Unknown(String),
    /// The question does not arise for this VM.
    NotApplicable(String),
}

/// One measured figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was measured, `kernel to init`.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// Its unit: `s`, `ms`, `bytes`, `count`.
    pub unit: String,
}

/// One gate's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Its name as typed by users: `boot`, `network`, `devices`, `cpu-flaws`.
    pub name: String,
    /// What it says.
    #[serde(flatten)]
    pub outcome: GateOutcome,
    /// Figures.
    pub measurements: Vec<Measurement>,
    /// Raw lines that prove it. Untrusted: the guest wrote some of them.
    pub evidence: Vec<String>,
    /// What was compared, side by side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Table>,
}

/// A table of a report. Its cells are untrusted: the guest wrote some of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// Heads of the columns.
    pub columns: Vec<String>,
    /// Rows, each with a cell for each column.
    pub rows: Vec<Vec<String>>,
}

/// The report of one review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// `vmwright.review/1`.
    pub schema: String,
    /// The VM in scope.
    pub vm: String,
    /// `kvm` or `tcg`, as the running VMM says.
    pub accelerator: String,
    /// When it began, RFC 3339, UTC.
    pub began: String,
    /// The gates, in the order they ran.
    pub gates: Vec<Gate>,
}
