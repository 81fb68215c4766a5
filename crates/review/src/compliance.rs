//! Compliance frameworks: which checks speak to which control. Data, one file for each framework; a new control is one entry.
//!
//! A review gives an assessor evidence and no verdict: a control is met as far as a tool can test it, not met, not tested,
//! or outside a tool's reach. Nothing here says "compliant".

mod cis;
mod fips_140;
mod nist_800_125;
mod pci_dss;

use crate::gates::GATES;
use vmwright_model::{Control, ControlState, Framework, GateOutcome, Review};

/// A framework as data.
struct Source {
    name: &'static str,
    title: &'static str,
    note: &'static str,
    source: &'static str,
    controls: &'static [Demand],
}

/// A control as data.
struct Demand {
    id: &'static str,
    demands: &'static str,
    by: By,
}

/// What tells of a control.
enum By {
    /// Checks, as `gate/check`, or whole gates. All of them count.
    Checks(&'static [&'static str]),
    /// Nothing on the machine.
    Nobody(&'static str),
}

const fn checks(id: &'static str, demands: &'static str, by: &'static [&'static str]) -> Demand {
    Demand { id, demands, by: By::Checks(by) }
}

const fn outside(id: &'static str, demands: &'static str, why: &'static str) -> Demand {
    Demand { id, demands, by: By::Nobody(why) }
}

const ALL: [&Source; 4] = [&fips_140::SOURCE, &pci_dss::SOURCE, &cis::SOURCE, &nist_800_125::SOURCE];

/// A name that no framework has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no framework `{name}`; there are {}", names().collect::<Vec<_>>().join(", "))]
pub struct UnknownFramework {
    /// The name.
    pub name: String,
}

/// Names of the frameworks as they are typed.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|source| source.name)
}

fn find(name: &str) -> Result<&'static Source, UnknownFramework> {
    ALL.into_iter()
        .find(|source| source.name == name)
        .ok_or_else(|| UnknownFramework { name: name.to_owned() })
}

/// The gates that the controls of these frameworks ask for.
///
/// # Errors
/// [`UnknownFramework`].
pub fn gates(frameworks: &[String]) -> Result<Vec<&'static str>, UnknownFramework> {
    let mut wanted: Vec<&str> = Vec::new();
    for name in frameworks {
        for demand in find(name)?.controls {
            let By::Checks(by) = &demand.by else { continue };
            wanted.extend(by.iter().map(|of| of.split_once('/').map_or(*of, |(gate, _)| gate)));
        }
    }
    Ok(GATES.iter().map(|gate| gate.name).filter(|name| wanted.contains(name)).collect())
}

/// Sorts what a review found by the controls of a framework.
///
/// # Errors
/// [`UnknownFramework`].
pub fn assess(review: &Review, framework: &str) -> Result<Framework, UnknownFramework> {
    let source = find(framework)?;
    Ok(Framework {
        name: source.name.to_owned(),
        title: source.title.to_owned(),
        note: source.note.to_owned(),
        source: source.source.to_owned(),
        controls: source.controls.iter().map(|demand| control(review, demand)).collect(),
    })
}

fn control(review: &Review, demand: &Demand) -> Control {
    let of = |state, evidence| Control {
        id: demand.id.to_owned(),
        demands: demand.demands.to_owned(),
        state,
        evidence,
    };
    let by = match &demand.by {
        By::Nobody(why) => return of(ControlState::OutsideReach((*why).to_owned()), Vec::new()),
        By::Checks(by) => by,
    };
    let (mut evidence, mut failed, mut open, mut passed) = (Vec::new(), Vec::new(), Vec::new(), false);
    for name in *by {
        let Some(outcome) = outcome(review, name) else {
            open.push(format!("{name} was not run"));
            continue;
        };
        let why = outcome.why();
        evidence.push(if why.is_empty() {
            format!("{name}: {}", outcome.word())
        } else {
            format!("{name}: {}: {why}", outcome.word())
        });
        match outcome {
            GateOutcome::Pass => passed = true,
            GateOutcome::Fail(why) => failed.push(why.clone()),
            GateOutcome::Unknown(why) => open.push(format!("{name}: {why}")),
            // It takes nothing from what the others prove, and proves nothing.
            GateOutcome::NotApplicable(_) => {}
        }
    }
    let state = if !failed.is_empty() {
        ControlState::NotMet(failed.join("; "))
    } else if !open.is_empty() {
        ControlState::NotTested(open.join("; "))
    } else if passed {
        ControlState::Met
    } else {
        ControlState::NotTested("the question does not arise for this VM as it is specified".to_owned())
    };
    of(state, evidence)
}

/// What a gate, or one thing of it, says.
fn outcome<'a>(review: &'a Review, name: &str) -> Option<&'a GateOutcome> {
    let (gate, check) = name.split_once('/').map_or((name, None), |(gate, check)| (gate, Some(check)));
    let gate = review.gates.iter().find(|found| found.name == gate)?;
    match check {
        None => Some(&gate.outcome),
        Some(check) => match gate.checks.iter().find(|found| found.name == check) {
            Some(found) => Some(&found.outcome),
            // Where the gate came to no single check, what it says of itself holds for each.
            None if gate.outcome != GateOutcome::Pass => Some(&gate.outcome),
            None => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use vmwright_model::{Check, Gate};

    fn review(outcome: GateOutcome) -> Review {
        let mut gate = Gate::of("fips", outcome.clone());
        gate.checks =
            ["host", "guest"].map(|name| Check { name: name.to_owned(), outcome: outcome.clone() }).to_vec();
        Review { gates: vec![gate], ..Review::default() }
    }

    fn state(review: &Review, id: &str) -> ControlState {
        let framework = assess(review, "fips-140").unwrap();
        framework.controls.into_iter().find(|control| control.id == id).unwrap().state
    }

    #[test]
    fn evidence_is_sorted_and_nothing_is_met_for_want_of_it() {
        assert_eq!(state(&review(GateOutcome::Pass), "140-3 7.4"), ControlState::Met);
        assert_eq!(state(&review(GateOutcome::Fail("off".to_owned())), "140-3 7.4").word(), "not met");
        assert_eq!(state(&review(GateOutcome::Unknown("dark".to_owned())), "140-3 7.4").word(), "not tested");
        assert_eq!(
            state(&review(GateOutcome::NotApplicable("no".to_owned())), "140-3 7.4").word(),
            "not tested"
        );
        assert_eq!(state(&Review::default(), "140-3 7.4").word(), "not tested");
        assert_eq!(state(&review(GateOutcome::Pass), "140-3 7.7").word(), "outside a tool's reach");
        assert_eq!(assess(&Review::default(), "iso-9001").unwrap_err().name, "iso-9001");
    }

    #[test]
    fn every_control_names_gates_that_exist_and_its_own_number() {
        for source in ALL {
            let mut ids = BTreeSet::new();
            assert!(!source.note.is_empty() && source.source.starts_with("https://"), "{}", source.name);
            for demand in source.controls {
                assert!(ids.insert(demand.id), "{}: {} stands twice", source.name, demand.id);
                assert!(!demand.demands.is_empty());
                if let By::Checks(by) = &demand.by {
                    assert!(!by.is_empty(), "{}", demand.id);
                    for of in *by {
                        let gate = of.split('/').next().unwrap();
                        assert!(GATES.iter().any(|known| known.name == gate), "{}: {of}", demand.id);
                    }
                }
            }
        }
        let all: Vec<String> = names().map(str::to_owned).collect();
        assert!(gates(&all).unwrap().contains(&"fips"));
        assert!(gates(&["nothing".to_owned()]).is_err());
    }
}
