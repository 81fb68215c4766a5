//! REVIEW: proves on the running VM that it works.
//!
//! A gate is one file in [`gates`]: `observe` collects facts through the traits of [`scope`], `judge` says what
//! they mean. The traits are the only way out of this crate; the one exception is [`echo`], which sends bytes to
//! the guest under review and nowhere else. Not tested is not passed: what could not be observed is unknown.

mod aspects;
pub mod compliance;
#[path = "../../guest/src/echo.rs"]
pub mod echo;
pub mod gates;
pub mod hosts;
mod interfaces;
/// The loop of the guest's probe: the host's own figure is of the same.
#[path = "../../guest/src/load.rs"]
pub mod load;
mod moment;
mod quote;
pub mod reports;
pub mod scope;
mod statistics;
mod wait;

pub use gates::{areas, names as gate_names};
pub use hosts::HostScope;
pub use interfaces::macs;
pub use scope::{
    Exercise, Guest, GuestError, Host, Leg, Moment, Moved, Neighbour, Owner, Process, Ran, Rules, Saved,
    Says, Scope, Undone, Unplugged, Vmm,
};

use gates::{Entry, GATES};
use scope::Session;
use std::fmt;
use std::time::Instant;
use vmwright_model::{Depth, Gate, GateOutcome, Review};

/// Version of [`Review`] as JSON.
pub const SCHEMA: &str = "vmwright.review/1";

/// A name that no gate has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no gate `{name}`; the gates are {}", gates::names().collect::<Vec<_>>().join(", "))]
pub struct UnknownGate {
    /// The name.
    pub name: String,
}

/// What a review is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Gates by name; those of the depth where empty.
    pub gates: Vec<String>,
    /// How deep.
    pub depth: Depth,
    /// Compliance frameworks by name: what the gates find is sorted by their controls, and gates that run for a framework
    /// alone run too.
    pub frameworks: Vec<String>,
}

impl Wanted {
    /// Whether it can be done.
    ///
    /// # Errors
    /// [`Unknown`] with the first name that nothing has.
    pub fn check(&self) -> Result<(), Unknown> {
        if let Some(name) = self.gates.iter().find(|name| !gates::names().any(|known| known == name.as_str()))
        {
            return Err(UnknownGate { name: name.clone() }.into());
        }
        compliance::gates(&self.frameworks)?;
        Ok(())
    }

    fn has(&self, gate: &Entry) -> bool {
        if self.gates.is_empty() {
            let asked = compliance::gates(&self.frameworks).is_ok_and(|gates| gates.contains(&gate.name));
            // A framework alone is no reason to make a guest stand still.
            gate.from.map_or(asked, |from| from <= self.depth)
        } else {
            self.gates.iter().any(|name| name == gate.name)
        }
    }
}

/// A name that nothing has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// Of a gate.
    #[error(transparent)]
    Gate(#[from] UnknownGate),
    /// Of a host's gate.
    #[error(transparent)]
    HostGate(#[from] hosts::NotOfHost),
    /// Of a framework.
    #[error(transparent)]
    Framework(#[from] compliance::UnknownFramework),
}

/// Waits until the VM is up or shows that it will not be, then runs the gates that are wanted. Gates run in their own
/// order, each once; `each` is told of one when it is done.
///
/// Takes at most the limit of [`gates::boot`] for the accelerator that runs (or [`Scope::patience`]), and half a
/// minute for each network.
///
/// # Errors
/// [`Unknown`], before anything is done.
pub fn run(scope: &Scope<'_>, wanted: &Wanted, each: &mut dyn FnMut(&Gate)) -> Result<Review, Unknown> {
    wanted.check()?;
    let session = Session::new(scope, wait::until_up(scope));
    let mut gates = Vec::new();
    for entry in GATES.iter().filter(|entry| wanted.has(entry)) {
        let began = Instant::now();
        let mut gate = (entry.run)(&session);
        gate.seconds = began.elapsed().as_secs_f64();
        each(&gate);
        gates.push(gate);
    }
    let left_out = GATES.iter().filter(|entry| !wanted.has(entry) && entry.from.is_some());
    let mut review = Review {
        depth: wanted.depth,
        baseline: scope.baseline.map(|review| review.began.clone()),
        left_out: left_out.map(|entry| entry.name.to_owned()).collect(),
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
        ..Review::default()
    };
    let frameworks = wanted.frameworks.iter().map(|name| compliance::assess(&review, name));
    review.frameworks = frameworks.collect::<Result<_, _>>()?;
    Ok(review)
}

/// What a review is about: `vm web` or `host metal1`.
#[must_use]
pub fn subject(review: &Review) -> String {
    match &review.host {
        Some(host) => format!("host {host}"),
        None => format!("vm {}", review.vm),
    }
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

    fn review(outcomes: &[GateOutcome]) -> Review {
        Review {
            schema: SCHEMA.to_owned(),
            vm: "a".to_owned(),
            accelerator: "tcg".to_owned(),
            gates: outcomes.iter().map(|outcome| Gate::of("boot", outcome.clone())).collect(),
            ..Review::default()
        }
    }

    #[test]
    fn a_depth_has_what_the_shallower_has() {
        let names = |depth| {
            let wanted = Wanted { depth, ..Wanted::default() };
            GATES.iter().filter(|gate| wanted.has(gate)).map(|gate| gate.name).collect::<Vec<_>>()
        };
        let (quick, usual, full) = (names(Depth::Quick), names(Depth::Usual), names(Depth::Full));
        assert!(
            quick.iter().all(|name| usual.contains(name)) && usual.iter().all(|name| full.contains(name))
        );
        assert!(quick.contains(&"isolation") && !quick.contains(&"known-flaws"));
        // What only some want is not run unasked, and is nobody's omission.
        assert!(!full.contains(&"fips"));
        let fips = Wanted { frameworks: vec!["fips-140".to_owned()], ..Wanted::default() };
        let asked: Vec<_> = GATES.iter().filter(|gate| fips.has(gate)).map(|gate| gate.name).collect();
        assert!(asked.contains(&"fips") && !asked.contains(&"migration"), "{asked:?}");
        let named = Wanted { gates: vec!["fips".to_owned()], ..Wanted::default() };
        assert_eq!(GATES.iter().filter(|gate| named.has(gate)).count(), 1);
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
