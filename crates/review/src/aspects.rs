//! A gate looks at several things; this adds them up.

use vmwright_model::GateOutcome;

/// What a gate found, thing by thing.
#[derive(Debug, Default)]
pub(crate) struct Aspects {
    failed: Vec<String>,
    unknown: Vec<String>,
    passed: usize,
}

impl Aspects {
    pub(crate) fn pass(&mut self) {
        self.passed += 1;
    }

    /// Something was tried and does not hold: a fragment that names it.
    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        self.failed.push(what.into());
    }

    /// Something could not be tried: a fragment that names it and why.
    pub(crate) fn unknown(&mut self, what: impl Into<String>) {
        self.unknown.push(what.into());
    }

    /// Passes where `good`, fails with `what` elsewhere.
    pub(crate) fn expect(&mut self, good: bool, what: impl FnOnce() -> String) {
        if good { self.pass() } else { self.fail(what()) }
    }

    /// Takes the passes back: what passed is not enough to pass the gate.
    pub(crate) fn forget_passes(&mut self) {
        self.passed = 0;
    }

    /// One failure fails the gate; without one, anything untested makes it unknown. `otherwise` is why nothing
    /// was looked at.
    pub(crate) fn outcome(self, otherwise: &str) -> GateOutcome {
        if !self.failed.is_empty() {
            GateOutcome::Fail(self.failed.join("; "))
        } else if !self.unknown.is_empty() {
            GateOutcome::Unknown(self.unknown.join("; "))
        } else if self.passed == 0 {
            GateOutcome::NotApplicable(otherwise.to_owned())
        } else {
            GateOutcome::Pass
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_over_doubt_over_success_over_nothing() {
        let mut aspects = Aspects::default();
        aspects.pass();
        aspects.unknown("b is dark");
        aspects.fail("c is broken");
        aspects.expect(1 > 2, || "d is wrong".to_owned());
        assert_eq!(aspects.outcome(""), GateOutcome::Fail("c is broken; d is wrong".to_owned()));
        let mut aspects = Aspects::default();
        aspects.pass();
        aspects.unknown("b is dark");
        assert_eq!(aspects.outcome(""), GateOutcome::Unknown("b is dark".to_owned()));
        assert_eq!(
            Aspects::default().outcome("nothing here"),
            GateOutcome::NotApplicable("nothing here".to_owned())
        );
    }
}
