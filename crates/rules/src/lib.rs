//! Rules: pure functions from a snapshot to verdicts, and the ranking of causes.
//!
//! A rule is one file below `src/catalogue/<area>/` and its cases below `cases/<area>/<problem>/`; the build
//! finds it. Its doc comment is what `vmwright explain` prints. Nothing here opens a file, asks a clock or
//! knows the environment: the same snapshot gives the same diagnosis, byte for byte.

pub mod confidence;
mod context;
mod draft;
mod echo;
pub mod hypotheses;
mod known;
mod marks;
mod messages;
mod nearness;
pub mod next;
mod patterns;
mod places;
mod plain;
pub mod ranking;
mod reading;
mod rule;
mod scan;
mod settle;
mod sign;
mod spoken;
mod text;
mod topology;
mod transcript;
mod translated;
pub mod weighing;
mod whose;

pub use context::Context;
pub use draft::Draft;
pub use known::Forgetting;
pub use messages::meanings;
pub use ranking::{Diagnosis, diagnose, diagnose_by, diagnose_reading};
pub use reading::{Found, Reading, Seen, TARGET};
pub use rule::{Entry, Preflight, Rank, Rule, Status};
pub use scan::{Hit, Hits, Pass, Scanner};
pub use sign::{Pattern, Sign};
pub use text::{Text, Words};
pub use topology::topology;

/// What a rule file imports.
pub mod prelude {
    pub use crate::{Context, Draft, Found, Rank, Reading, Rule, Seen, Sign, Status, Text};
    pub use vmwright_model::{
        Action, Agent, Applicability, Disruption, Evidence, Level, Need, Probe, Spanned, Strength, Subject,
        SubjectKind, Verdict,
    };
}

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// The rule with this id.
#[must_use]
pub fn entry(id: &str) -> Option<&'static Entry> {
    CATALOGUE.binary_search_by(|entry| entry.id.cmp(id)).ok().map(|at| &CATALOGUE[at])
}

/// Makes ready what is looked for in texts: thousands of patterns. The first reading does it else; to be called on another
/// thread while there is nothing to read yet.
pub fn prepare() {
    patterns::Numbers::of_all();
}

/// The union of what all rules need to have read, sorted.
#[must_use]
pub fn needs() -> Vec<vmwright_model::Need> {
    let mut needs: Vec<_> = CATALOGUE.iter().flat_map(|entry| entry.rule.needs).copied().collect();
    needs.sort();
    needs.dedup();
    needs
}
