//! A gate looks at several things, each under a name; this adds them up.

use vmwright_model::{Check, GateOutcome};

/// What a gate found, thing by thing.
#[derive(Debug, Default)]
pub(crate) struct Aspects {
    about: String,
    found: Vec<Found>,
}

/// One statement about the thing of that name.
#[derive(Debug)]
struct Found {
    name: String,
    outcome: GateOutcome,
}

impl Aspects {
    /// What is said next is about the thing of this name.
    pub(crate) fn about(&mut self, name: impl Into<String>) -> &mut Self {
        self.about = name.into();
        self
    }

    pub(crate) fn pass(&mut self) {
        self.say(GateOutcome::Pass);
    }

    /// Something was tried and does not hold: a fragment that names it.
    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        self.say(GateOutcome::Fail(what.into()));
    }

    /// Something could not be tried: a fragment that names it and why.
    pub(crate) fn unknown(&mut self, what: impl Into<String>) {
        self.say(GateOutcome::Unknown(what.into()));
    }

    /// The question does not arise: a fragment that says why. It counts for nothing.
    pub(crate) fn none(&mut self, why: impl Into<String>) {
        self.say(GateOutcome::NotApplicable(why.into()));
    }

    /// Passes where `good`, fails with `what` elsewhere.
    pub(crate) fn expect(&mut self, good: bool, what: impl FnOnce() -> String) {
        if good { self.pass() } else { self.fail(what()) }
    }

    /// Takes over what was said of somebody else, by that one's name.
    pub(crate) fn take(&mut self, of: &str, others: Self) {
        let named = |why: String| format!("{of}: {why}");
        self.found.extend(others.found.into_iter().map(|found| Found {
            outcome: match found.outcome {
                GateOutcome::Pass => GateOutcome::Pass,
                GateOutcome::Fail(why) => GateOutcome::Fail(named(why)),
                GateOutcome::Unknown(why) => GateOutcome::Unknown(named(why)),
                GateOutcome::NotApplicable(why) => GateOutcome::NotApplicable(named(why)),
            },
            ..found
        }));
    }

    /// Takes the passes back: what passed is not enough to pass the gate.
    pub(crate) fn forget_passes(&mut self) {
        self.found.retain(|found| found.outcome != GateOutcome::Pass);
    }

    /// One failure fails the gate; without one, anything untested makes it unknown. `otherwise` is why nothing
    /// was looked at. Beside it each thing by its name, in the order in which they came up.
    pub(crate) fn conclude(self, otherwise: &str) -> (GateOutcome, Vec<Check>) {
        let mut names: Vec<&str> = Vec::new();
        for found in &self.found {
            if !names.contains(&found.name.as_str()) {
                names.push(&found.name);
            }
        }
        let check = |name: &&str| {
            let of = self.found.iter().filter(|found| found.name == **name);
            Check { name: (*name).to_owned(), outcome: sum(of, "") }
        };
        let checks = names.iter().map(check).filter(|check| !check.name.is_empty()).collect();
        (sum(self.found.iter(), otherwise), checks)
    }

    fn say(&mut self, outcome: GateOutcome) {
        self.found.push(Found { name: self.about.clone(), outcome });
    }
}

/// What several statements come to.
fn sum<'a>(found: impl Iterator<Item = &'a Found>, otherwise: &str) -> GateOutcome {
    let (mut failed, mut unknown, mut none, mut passed) = (Vec::new(), Vec::new(), Vec::new(), false);
    for found in found {
        match &found.outcome {
            GateOutcome::Pass => passed = true,
            GateOutcome::Fail(why) => failed.push(why.as_str()),
            GateOutcome::Unknown(why) => unknown.push(why.as_str()),
            GateOutcome::NotApplicable(why) => none.push(why.as_str()),
        }
    }
    if !failed.is_empty() {
        GateOutcome::Fail(failed.join("; "))
    } else if !unknown.is_empty() {
        GateOutcome::Unknown(unknown.join("; "))
    } else if passed {
        GateOutcome::Pass
    } else if otherwise.is_empty() {
        GateOutcome::NotApplicable(none.join("; "))
    } else {
        GateOutcome::NotApplicable(otherwise.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(aspects: Aspects, otherwise: &str) -> GateOutcome {
        aspects.conclude(otherwise).0
    }

    #[test]
    fn failure_over_doubt_over_success_over_nothing() {
        let mut aspects = Aspects::default();
        aspects.pass();
        aspects.unknown("b is dark");
        aspects.fail("c is broken");
        aspects.expect(1 > 2, || "d is wrong".to_owned());
        assert_eq!(outcome(aspects, ""), GateOutcome::Fail("c is broken; d is wrong".to_owned()));
        let mut aspects = Aspects::default();
        aspects.pass();
        aspects.unknown("b is dark");
        assert_eq!(outcome(aspects, ""), GateOutcome::Unknown("b is dark".to_owned()));
        let mut aspects = Aspects::default();
        aspects.pass();
        aspects.none("there is no e");
        assert_eq!(outcome(aspects, "nothing here"), GateOutcome::Pass);
        assert_eq!(
            outcome(Aspects::default(), "nothing here"),
            GateOutcome::NotApplicable("nothing here".to_owned())
        );
    }

    #[test]
    fn each_thing_is_told_by_its_name() {
        let mut aspects = Aspects::default();
        aspects.about("seccomp").pass();
        aspects.about("user").fail("root");
        aspects.about("seccomp").unknown("thread 7");
        aspects.about("iommu").none("no device is assigned");
        let (outcome, checks) = aspects.conclude("");
        assert_eq!(outcome, GateOutcome::Fail("root".to_owned()));
        let told: Vec<_> = checks.iter().map(|check| (check.name.as_str(), check.outcome.word())).collect();
        assert_eq!(told, [("seccomp", "unknown"), ("user", "fail"), ("iommu", "not applicable")]);
    }
}
