//! A review as JUnit test suites: a gate is a suite, and each thing that it looks at a test. What could not be tried is an
//! error and no skip, because a skipped test counts as well for most readers; what does not apply is skipped.

use crate::render::escaped;
use std::fmt::Write;
use vmwright_engine::ReviewMade;
use vmwright_model::{Gate, GateOutcome};

pub(crate) fn text(made: &ReviewMade) -> String {
    let review = &made.review;
    let tests: Vec<(&str, &str, &GateOutcome)> = review.gates.iter().flat_map(tests).collect();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"vmwright review {}\" {}>\n",
        escaped(review.host.as_deref().unwrap_or(&review.vm)),
        counts(&tests)
    );
    for gate in &review.gates {
        suite(gate, &mut out);
    }
    out.push_str("</testsuites>\n");
    out
}

/// Gate, name and outcome of each test: the things that a gate looked at, or the gate itself where it names none.
fn tests(gate: &Gate) -> Vec<(&str, &str, &GateOutcome)> {
    if gate.checks.is_empty() {
        return vec![(&gate.name, &gate.name, &gate.outcome)];
    }
    gate.checks.iter().map(|check| (gate.name.as_str(), check.name.as_str(), &check.outcome)).collect()
}

fn counts(tests: &[(&str, &str, &GateOutcome)]) -> String {
    let count = |is: fn(&GateOutcome) -> bool| tests.iter().filter(|(_, _, outcome)| is(outcome)).count();
    format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
        tests.len(),
        count(|outcome| matches!(outcome, GateOutcome::Fail(_))),
        count(|outcome| matches!(outcome, GateOutcome::Unknown(_))),
        count(|outcome| matches!(outcome, GateOutcome::NotApplicable(_))),
    )
}

fn suite(gate: &Gate, out: &mut String) {
    let tests = tests(gate);
    let _ = writeln!(
        out,
        "<testsuite name=\"{}\" {} time=\"{:.3}\">",
        escaped(&gate.name),
        counts(&tests),
        gate.seconds
    );
    for (gate, name, outcome) in tests {
        let _ = write!(out, "<testcase classname=\"{}\" name=\"{}\">", escaped(gate), escaped(name));
        let element = match outcome {
            GateOutcome::Pass => None,
            GateOutcome::Fail(_) => Some("failure"),
            GateOutcome::Unknown(_) => Some("error"),
            GateOutcome::NotApplicable(_) => Some("skipped"),
        };
        if let Some(element) = element {
            let _ = write!(out, "<{element} message=\"{}\"/>", escaped(outcome.why()));
        }
        out.push_str("</testcase>\n");
    }
    if !gate.evidence.is_empty() {
        out.push_str("<system-out>");
        for line in &gate.evidence {
            let _ = writeln!(out, "{}", escaped(line));
        }
        out.push_str("</system-out>\n");
    }
    out.push_str("</testsuite>\n");
}

#[cfg(test)]
mod tests {
    use vmwright_model::{Check, Review};

    #[test]
    fn what_was_not_tried_is_an_error_and_no_pass() {
        use super::*;
        let check = |name: &str, outcome| Check { name: name.to_owned(), outcome };
        let mut gate = Gate::of("isolation", GateOutcome::Unknown("dark".to_owned()));
        gate.checks = vec![
            check("user", GateOutcome::Pass),
            check("seccomp", GateOutcome::Unknown("<dark>".to_owned())),
            check("iommu", GateOutcome::NotApplicable("none".to_owned())),
        ];
        let gates = vec![gate, Gate::of("boot", GateOutcome::Fail("stopped".to_owned()))];
        let review = Review { vm: "web".to_owned(), gates, ..Review::default() };
        let text = text(&ReviewMade { review, html: "r.html".into(), verdict: "fail".to_owned() });
        let head =
            "<testsuites name=\"vmwright review web\" tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\">";
        assert!(text.contains(head), "{text}");
        assert!(text.contains("name=\"seccomp\"><error message=\"&lt;dark&gt;\"/>"), "{text}");
        assert!(text.contains("classname=\"boot\" name=\"boot\"><failure message=\"stopped\"/>"), "{text}");
    }
}
