//! REVIEW: checks on a real VM, with what they measured.

use crate::analysis::Cause;
use serde::{Deserialize, Serialize};
use std::fmt;

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

impl GateOutcome {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::Unknown(_) => "unknown",
            Self::NotApplicable(_) => "not applicable",
        }
    }

    /// The reason; empty for a pass. Untrusted: parts of it may be the guest's words.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Pass => "",
            Self::Fail(why) | Self::Unknown(why) | Self::NotApplicable(why) => why,
        }
    }
}

/// How deep a review goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Depth {
    /// What can be told of a running guest in a few seconds; it notices nothing.
    Quick,
    /// All that disturbs nobody.
    #[default]
    Usual,
    /// Also what loads the guest or makes it stand still for moments: measured, moved, saved, restored.
    Full,
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quick => "quick",
            Self::Usual => "usual",
            Self::Full => "full",
        })
    }
}

/// One measured figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was measured, `kernel to init`.
    pub name: String,
    /// The figure; of several runs their median.
    pub value: f64,
    /// Its unit: `s`, `ms`, `bytes`, `count`.
    pub unit: String,
    /// The figures of the single runs, in their order, where there were several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<f64>,
    /// Where the median lies, with 99 % confidence, where there were enough runs to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
}

/// One thing that a gate looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name within the gate: `seccomp`. Controls of compliance frameworks name it as `isolation/seccomp`.
    pub name: String,
    /// What it says.
    #[serde(flatten)]
    pub outcome: GateOutcome,
}

/// One gate's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Its name as typed by users: `boot`, `network`, `isolation`.
    pub name: String,
    /// What it says.
    #[serde(flatten)]
    pub outcome: GateOutcome,
    /// What it looked at, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// Figures.
    pub measurements: Vec<Measurement>,
    /// Raw lines that prove it. Untrusted: the guest wrote some of them.
    pub evidence: Vec<String>,
    /// What was compared, side by side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Table>,
    /// How long it took, in seconds.
    #[serde(default)]
    pub seconds: f64,
    /// Of one that failed: findings of ANALYSIS that may be why, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leads: Vec<Cause>,
    /// Of one that failed: commands that go on from here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
}

impl Gate {
    /// A gate that says this and has measured nothing.
    #[must_use]
    pub fn of(name: impl Into<String>, outcome: GateOutcome) -> Self {
        Self {
            name: name.into(),
            outcome,
            checks: Vec::new(),
            measurements: Vec::new(),
            evidence: Vec::new(),
            tables: Vec::new(),
            seconds: 0.0,
            leads: Vec::new(),
            next: Vec::new(),
        }
    }
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// `vmwright.review/1`.
    pub schema: String,
    /// The VM in scope; empty where it is a host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vm: String,
    /// Name of the host in scope, where it is no VM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `kvm` or `tcg`, as the running VMM says; empty of a host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub accelerator: String,
    /// When it began, RFC 3339, UTC.
    pub began: String,
    /// How deep it went.
    #[serde(default)]
    pub depth: Depth,
    /// The gates, in the order they ran.
    pub gates: Vec<Gate>,
    /// Gates that there are and that were not asked for: nothing is said of what they would have found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// The earlier review that its figures were compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Compliance frameworks that its evidence was sorted by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frameworks: Vec<Framework>,
}

/// The controls of a compliance framework, each with what the review says of it. It is evidence for an assessor, and no
/// statement of compliance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Framework {
    /// As it is typed: `nist-800-125`.
    pub name: String,
    /// Its title and edition.
    pub title: String,
    /// What has to be known of the edition.
    pub note: String,
    /// Where it is published.
    pub source: String,
    /// Its controls, in the framework's order.
    pub controls: Vec<Control>,
}

/// A control and what there is of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// As the framework numbers it.
    pub id: String,
    /// What it demands, in vmwright's words.
    pub demands: String,
    /// What the evidence says.
    #[serde(flatten)]
    pub state: ControlState,
    /// The checks that speak to it, `gate/check: what it says`.
    pub evidence: Vec<String>,
}

/// What evidence says of a control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "why")]
pub enum ControlState {
    /// All that a tool can test of it was tested and holds.
    Met,
    /// Something of it was tested and does not hold.
    NotMet(String),
    /// It can be tested, and was not, or not to the end.
    NotTested(String),
    /// A matter of people, papers or places.
    OutsideReach(String),
}

impl ControlState {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet(_) => "not met",
            Self::NotTested(_) => "not tested",
            Self::OutsideReach(_) => "outside a tool's reach",
        }
    }

    /// The reason; empty where it is met.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Met => "",
            Self::NotMet(why) | Self::NotTested(why) | Self::OutsideReach(why) => why,
        }
    }
}
