//! One JSON document in one line: what stands in it is what `--format json` gives.

use vmwright_engine::Outcome;

pub(crate) fn text(outcome: &Outcome) -> anyhow::Result<String> {
    if let Outcome::Analyses(_) = outcome {
        // Each capture had its line.
        return Ok(String::new());
    }
    Ok(super::inert(&format!("{}\n", super::value(outcome)?)))
}
