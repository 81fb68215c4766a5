//! What a question is about, and what it needs, by its words.

use crate::topic::{Need, Topic};

/// Words after which something is not wanted.
const NOT: [&str; 6] = ["no", "not", "without", "never", "don't", "needn't"];

/// The longest question that is read, in bytes.
const LONGEST: usize = 64 << 10;

/// The topic that a question names, or is about; none where it is about none, or about two alike.
#[must_use]
pub fn topic_of(question: &str) -> Option<Topic> {
    if let Some(topic) = Topic::named(question.trim()) {
        return Some(topic);
    }
    let words = words(question);
    let mut counted: Vec<(usize, &Topic)> = Topic::all()
        .iter()
        .map(|topic| (topic.words.iter().filter(|phrase| at(&words, phrase).is_some()).count(), topic))
        .filter(|(count, _)| *count > 0)
        .collect();
    counted.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let alone = counted.len() < 2 || counted[0].0 > counted[1].0;
    counted.into_iter().next().filter(|_| alone).map(|(_, topic)| topic.clone())
}

/// The needs that a question has, with the words that say so.
pub(crate) fn needs_of<'t>(question: &str, topic: &'t Topic) -> Vec<(&'t Need, String)> {
    let words = words(question);
    let said = |need: &'t Need| {
        let phrase = need.words.iter().find(|phrase| {
            at(&words, phrase).is_some_and(|at| {
                !words[at.saturating_sub(2)..at].iter().any(|word| NOT.contains(&word.as_str()))
            })
        })?;
        Some((need, phrase.clone()))
    };
    topic.needs.iter().filter_map(said).collect()
}

/// Where a phrase begins among the words.
fn at(words: &[String], phrase: &str) -> Option<usize> {
    let phrase = self::words(phrase);
    // A plural is the same word.
    let same =
        |word: &String, meant: &String| word == meant || word.strip_suffix('s') == Some(meant.as_str());
    words
        .windows(phrase.len())
        .position(|some| some.iter().zip(&phrase).all(|(word, meant)| same(word, meant)))
}

/// In small letters; a hyphen joins.
fn words(text: &str) -> Vec<String> {
    let end = text.len().min(LONGEST);
    let end = (0..=end).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let joins = |c: char| c.is_alphanumeric() || c == '-' || c == '\'';
    text[..end].split(|c| !joins(c)).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_question_tells_its_topic_or_none() {
        let name = |question: &str| topic_of(question).map(|topic| topic.name);
        assert_eq!(name("storage").as_deref(), Some("storage"));
        assert_eq!(name("Which storage for a database VM?").as_deref(), Some("storage"));
        assert_eq!(name("Firecracker or Cloud-Hypervisor for functions").as_deref(), Some("hypervisor"));
        assert_eq!(name("bridge or macvtap").as_deref(), Some("network"));
        assert_eq!(name("what is wrong with my VM"), None);
        assert_eq!(name("disk or bridge"), None, "two alike");
        assert_eq!(name("a diskette"), None, "whole words");
    }

    #[test]
    fn needs_are_found_in_words_unless_they_are_denied() {
        let topic = Topic::named("hypervisor").unwrap();
        let needs = |question: &str| {
            needs_of(question, &topic).into_iter().map(|(need, _)| need.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(
            needs("desktops with GPU passthrough that must migrate"),
            ["passthrough", "live-migration", "screen"]
        );
        assert_eq!(needs("it runs Windows, without live migration"), ["windows"]);
        assert!(needs("something small").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_a_question(text in "\\PC{0,400}") {
            if let Some(topic) = topic_of(&text) {
                needs_of(&text, &topic);
            }
        }
    }
}
