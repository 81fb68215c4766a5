//! REVIEW: proves on the running VM that it works.
//!
//! A gate is one file in [`gates`]: `observe` collects facts through the traits of [`scope`], `judge` says what
//! they mean. The traits are the only way out of this crate; the one exception is [`echo`], which sends bytes to
//! the guest under review and nowhere else. Not tested is not passed: what could not be observed is unknown.

mod aspects;
pub mod echo;
pub mod gates;
mod interfaces;
mod quote;
pub mod reports;
pub mod scope;
mod wait;

pub use scope::{Guest, GuestError, Host, Process, Scope, Vmm};

use scope::Session;
use std::fmt;
use vmwright_model::{GateOutcome, Review};

/// Version of [`Review`] as JSON.
pub const SCHEMA: &str = "vmwright.review/1";

/// A name that no gate has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no gate `{name}`; the gates are {}", gates::names().collect::<Vec<_>>().join(", "))]
pub struct UnknownGate {
    /// The name.
    pub name: String,
}

/// Waits until the VM is up or shows that it will not be, then runs the gates of that name; all where `wanted`
/// is empty. Gates run in their own order, each once.
///
/// Takes at most the limit of [`gates::boot`] for the accelerator that runs (or [`Scope::patience`]), and half a
/// minute for each network.
///
/// # Errors
/// [`UnknownGate`], before anything is done.
pub fn run(scope: &Scope<'_>, wanted: &[String]) -> Result<Review, UnknownGate> {
    if let Some(name) = wanted.iter().find(|name| !gates::names().any(|known| known == name.as_str())) {
        return Err(UnknownGate { name: name.clone() });
    }
    let session = Session::new(scope, wait::until_up(scope));
    let gates = gates::GATES
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name))
        .map(|(_, gate)| gate(&session))
        .collect();
    Ok(Review {
        schema: SCHEMA.to_owned(),
        vm: scope.spec.name.clone(),
        accelerator: session
            .waited
            .accelerator
            .as_ref()
            .map_or("unknown", |found| scope::word(*found))
            .to_owned(),
        began: scope.began.to_owned(),
        gates,
    })
}

/// What a review comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// At least one gate passed, and the others do not apply.
    Pass,
    /// A gate failed.
    Fail,
    /// No gate failed, and something could not be tested, or nothing was.
    Incomplete,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Incomplete => "incomplete",
        })
    }
}

/// What the gates together come to. A skip is not a pass.
#[must_use]
pub fn verdict(review: &Review) -> Verdict {
    let any = |test: fn(&GateOutcome) -> bool| review.gates.iter().any(|gate| test(&gate.outcome));
    if any(|outcome| matches!(outcome, GateOutcome::Fail(_))) {
        Verdict::Fail
    } else if any(|outcome| matches!(outcome, GateOutcome::Unknown(_)))
        || !any(|outcome| *outcome == GateOutcome::Pass)
    {
        Verdict::Incomplete
    } else {
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::Gate;

    fn review(outcomes: &[GateOutcome]) -> Review {
        let gate = |outcome: &GateOutcome| Gate {
            name: "boot".to_owned(),
            outcome: outcome.clone(),
            measurements: Vec::new(),
            evidence: Vec::new(),
            tables: Vec::new(),
        };
        Review {
            schema: SCHEMA.to_owned(),
            vm: "a".to_owned(),
            accelerator: "tcg".to_owned(),
            began: String::new(),
            gates: outcomes.iter().map(gate).collect(),
        }
    }

    #[test]
    fn not_tested_is_not_passed() {
        let (fail, unknown, none) = (
            GateOutcome::Fail("x".to_owned()),
            GateOutcome::Unknown("x".to_owned()),
            GateOutcome::NotApplicable("x".to_owned()),
        );
        assert_eq!(verdict(&review(&[GateOutcome::Pass, none.clone()])), Verdict::Pass);
        assert_eq!(verdict(&review(&[GateOutcome::Pass, unknown.clone()])), Verdict::Incomplete);
        assert_eq!(verdict(&review(&[unknown, fail, GateOutcome::Pass])), Verdict::Fail);
        assert_eq!(verdict(&review(&[none])), Verdict::Incomplete);
        assert_eq!(verdict(&review(&[])), Verdict::Incomplete);
    }

    #[test]
    fn a_review_survives_json() {
        let review = review(&[GateOutcome::Pass, GateOutcome::Fail("why".to_owned())]);
        let text = serde_json::to_string(&review).unwrap();
        assert!(text.contains(r#""verdict":"fail","why":"why""#), "{text}");
        assert_eq!(serde_json::from_str::<Review>(&text).unwrap(), review);
    }
}
