//! ANALYSIS: a decision, weighed by what vmwright knows of its topic. Nothing is read of any host.

use crate::{Environment, Error, Outcome, Progress, analysis};
use serde::{Deserialize, Serialize};
use vmwright_decide::{Asked, topics};
use vmwright_model::{Decision, Mode};

/// How much of the caller's notes is kept, in characters.
const NOTES: usize = 4000;

/// What to decide.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decide {
    /// The question in the caller's words, or a topic's name; where it is empty and no topic is named, what there is to
    /// decide is listed.
    pub question: String,
    /// The topic, where the question does not tell it: `hypervisor`, `storage`, `network`, `isolation`.
    pub topic: Option<String>,
    /// What the choice has to meet, besides what the question's words say.
    pub needs: Vec<String>,
    /// What it has not to meet, though the question's words sound so.
    pub without: Vec<String>,
    /// Weights of criteria and perspectives, 0 to 10, in place of the topic's own.
    pub weights: Vec<(String, u32)>,
    /// Only these options; all where empty.
    pub only: Vec<String>,
    /// What the caller noted: kept, and no ground.
    pub notes: String,
}

pub(crate) fn decide(
    what: &Decide,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    if what.question.trim().is_empty() && what.topic.is_none() {
        return Ok(Outcome::Topics { topics: topics() });
    }
    let Decide { question, topic, needs, without, weights, only, notes } = what;
    let asked = Asked { question, topic: topic.as_deref(), needs, without, weights, only };
    let mut decision = vmwright_decide::decide(&asked).map_err(Error::Decide)?;
    progress(Progress::Banner(Mode::Analysis.banner(&decision.challenge)));
    let (found, trouble) = analysis::recall(&decision.challenge, environment, progress);
    for one in found {
        progress(Progress::Note(format!("journal: entry {}: {}", one.entry, one.title)));
    }
    if let Some(error) = trouble {
        progress(Progress::Note(format!("journal: {}", crate::error::chain(&error))));
    }
    decision.notes = notes.trim().chars().take(NOTES).collect();
    Ok(Outcome::Decision(Box::new(decision)))
}

/// Whether a question is for one of several, and about a topic that can be decided on.
#[must_use]
pub fn is_choice(question: &str) -> bool {
    let words: Vec<String> = question
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .take(64)
        .collect();
    let asks = words
        .first()
        .is_some_and(|word| ["which", "what", "should", "choose", "compare"].contains(&word.as_str()));
    // "What is wrong with my storage" asks for no storage.
    let complains =
        ["wrong", "fails", "failed", "error", "broken", "slow", "lost", "stuck", "crash", "missing"];
    asks && !words.iter().any(|word| complains.contains(&word.as_str()))
        && vmwright_decide::topic_of(question).is_some()
}

/// The line under which a decision stands in the journal; none where nothing is asked.
pub(crate) fn line(what: &Decide) -> Option<String> {
    let question = what.question.trim();
    let question = if question.is_empty() { what.topic.as_deref()? } else { question };
    let first: String = question.lines().next().unwrap_or_default().chars().take(200).collect();
    Some(format!("decision: {first}"))
}

/// What the journal keeps of it.
pub(crate) fn told(all: &Decision) -> String {
    let mut text = format!("{}: {}\n\n", all.topic, all.conclusion);
    for need in &all.needs {
        text.push_str(&format!("- need: {}: {}\n", need.need, need.says));
    }
    for one in &all.options {
        let unmet: Vec<&str> =
            one.meets.iter().filter(|met| met.met != Some(true)).map(|met| met.need.as_str()).collect();
        let unmet = if unmet.is_empty() { String::new() } else { format!(", without {}", unmet.join(", ")) };
        text.push_str(&format!("- option: {} {:.0} %{unmet}\n", one.option, 100.0 * one.score));
    }
    for flip in all.flips.iter().take(3) {
        let by = flip.factor.map_or("dropped".to_owned(), |factor| format!("x {factor:.2}"));
        text.push_str(&format!("- would change it: {} {by}: {}\n", flip.of, flip.then));
    }
    if !all.notes.is_empty() {
        text.push_str(&format!("\n{}\n", all.notes));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_no_choice() {
        for choice in [
            "which storage for a database",
            "Should I use a bridge or macvtap?",
            "compare qemu and firecracker",
        ] {
            assert!(is_choice(choice), "{choice}");
        }
        for complaint in [
            "my VM does not start",
            "what is wrong with the network",
            "which is it",
            "the bridge is gone",
            "",
        ] {
            assert!(!is_choice(complaint), "{complaint}");
        }
    }
}
