//! A decision: options against hard needs and weighted criteria, from several perspectives, with what would change it.

use crate::mode::Mode;
use serde::{Deserialize, Serialize};

/// Version of [`Decision`] as JSON.
pub const DECISION_SCHEMA: &str = "vmwright.decision/1";

/// Which option, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// [`DECISION_SCHEMA`].
    pub schema: String,
    /// Always [`Mode::Analysis`].
    pub mode: Mode,
    /// `hypervisor`, `storage`, `network`, `isolation`.
    pub topic: String,
    /// The question, in the caller's words.
    pub challenge: String,
    /// What the choice has to meet.
    pub needs: Vec<Needed>,
    /// The option that follows; none where no option is known to meet every need.
    pub choice: Option<String>,
    /// How the perspectives stand to it.
    pub accord: Accord,
    /// How much the perspectives rank alike: Kendall's W, 0 to 1; none where fewer than two options are left to rank.
    pub concordance: Option<f64>,
    /// All options, the best first, and behind them those that are open or excluded.
    pub options: Vec<Weighed>,
    /// Security, performance, operations.
    pub perspectives: Vec<Perspective>,
    /// What the options were weighed by.
    pub criteria: Vec<Criterion>,
    /// What would change the choice, the smallest change first.
    pub flips: Vec<Flip>,
    /// What follows, in a sentence.
    pub conclusion: String,
    /// Names of sources with their addresses, and which version was read.
    pub sources: Vec<(String, String, String)>,
    /// What the caller noted. Untrusted, and no ground.
    pub notes: String,
}

/// A need, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// Its name.
    pub need: String,
    /// What it means.
    pub says: String,
    /// Words of the question that were taken for it; none where it was named.
    pub words: Option<String>,
}

/// How the perspectives stand to the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accord {
    /// Every perspective would take it.
    Consensus,
    /// More than half of them would.
    Majority,
    /// It is the best of compromises: most would take another.
    Split,
    /// There is no choice.
    None,
}

/// An option, weighed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weighed {
    /// Its name.
    pub option: String,
    /// What it is.
    pub says: String,
    /// Whether it can be chosen.
    pub standing: Fitness,
    /// How well it does by all criteria, 0 to 1.
    pub score: f64,
    /// The same from each perspective, in the order of [`Decision::perspectives`].
    pub scores: Vec<f64>,
    /// How it stands to each need.
    pub meets: Vec<Met>,
    /// How it does by each criterion, the one that counts most first.
    pub grounds: Vec<Ground>,
}

/// Whether an option can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fitness {
    /// It meets every need.
    Fits,
    /// Of some need it is not known, and none is known to be unmet.
    Open,
    /// It does not meet a need.
    Excluded,
}

/// How an option stands to a need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// The need.
    pub need: String,
    /// Whether it is met; none where nothing says so.
    pub met: Option<bool>,
    /// Why.
    pub why: String,
    /// Name of the source.
    pub source: String,
}

/// How an option does by a criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ground {
    /// The criterion.
    pub criterion: String,
    /// 0, worst in the field, to 4, best in the field.
    pub score: u8,
    /// What it adds to the option's score, 0 to 1.
    pub adds: f64,
    /// Why.
    pub why: String,
    /// Name of the source.
    pub source: String,
}

/// From where options are looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Perspective {
    /// `security`, `performance`, `operations`.
    pub perspective: String,
    /// Its share of the whole, 0 to 1.
    pub weight: f64,
    /// What it would take.
    pub first: Option<String>,
    /// By how much that is better than the choice, 0 to 1; 0 where it is the choice.
    pub lead: f64,
    /// The criteria by which that is better than the choice, what counts most first.
    pub dissent: Vec<String>,
}

/// What options are weighed by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// Its name.
    pub criterion: String,
    /// What it means.
    pub says: String,
    /// Its share of the whole, 0 to 1.
    pub weight: f64,
    /// Its weight in each perspective, in the order of [`Decision::perspectives`].
    pub weights: Vec<u32>,
    /// Whether the caller gave the weight.
    pub given: bool,
}

/// A change that makes another option the choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flip {
    /// What is changed.
    pub change: Change,
    /// Name of the criterion, perspective or need.
    pub of: String,
    /// The factor on its weight; none of a need, which is dropped.
    pub factor: Option<f64>,
    /// The choice then.
    pub then: String,
}

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A criterion counts more or less.
    Criterion,
    /// A perspective counts more or less.
    Perspective,
    /// A need is dropped.
    Need,
}

/// What can be decided on, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Its name.
    pub topic: String,
    /// The question that it answers.
    pub question: String,
    /// Needs with what they mean.
    pub needs: Vec<(String, String)>,
    /// Criteria with what they mean.
    pub criteria: Vec<(String, String)>,
    /// Options with what they are.
    pub options: Vec<(String, String)>,
}
