//! Lines that are nearly a message of a rule: versions word their messages differently, and who types one off a screen
//! does so too.
//!
//! A message is its distinct words, each as heavy as it is rare among all messages. A line echoes it by the share of that
//! weight which it has, squared, so that half of a message says little; the more so the heavier the message and the
//! stronger it speaks for its rule. Words that stand in very many messages (`failed`, `error`) count on neither side.

use crate::confidence::weight;
use crate::known::Known;
use crate::nearness::words;
use crate::{CATALOGUE, Reading, Sign};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

/// What share of a message's weight a line must have.
const LEAST: f64 = 0.5;

/// How many words of it.
const SHARED: u32 = 2;

/// In how many messages a word stands at most that says anything.
const COMMON: usize = 150;

/// The weight of shared words that counts half as much as endless ones: about that of two or three rare words.
const HALF: f64 = 10.0;

/// What the complaint's sentences count: people tell what they saw in their own words.
const SAID: f64 = 0.5;

/// How many lines of each text are looked at: a message that matters stands in what people paste, and not far down.
const LINES: usize = 1000;

/// A message of a rule.
struct Message {
    /// Its rule, by the place in the catalogue.
    rule: usize,
    /// What it says for the rule, 0 to 1.
    weight: f64,
    /// The weight of all its words.
    total: f64,
}

/// All messages by their words.
pub(crate) struct Index {
    /// The number of each word, in the order in which the catalogue has them first.
    numbers: HashMap<Cow<'static, str>, usize>,
    /// Of each word how rare it is, and the messages that have it; none of those that are too common.
    of: Vec<(f64, Vec<u32>)>,
    messages: Vec<Message>,
}

impl Index {
    /// Of the messages that are known.
    pub(crate) fn new(known: &Known) -> Self {
        let mut numbers: HashMap<Cow<'static, str>, usize> = HashMap::new();
        let mut of: Vec<(f64, Vec<u32>)> = Vec::new();
        let mut messages: Vec<Message> = Vec::new();
        for (rule, entry) in CATALOGUE.iter().enumerate().filter(|(_, entry)| entry.area() != "healthy") {
            let heard = |sign: &&Sign| !sign.against && known.has(entry.id, sign.text);
            for sign in entry.rule.signs.iter().filter(heard) {
                let message = u32::try_from(messages.len()).unwrap_or(u32::MAX);
                for word in words(sign.text) {
                    let next = numbers.len();
                    let number = *numbers.entry(word).or_insert(next);
                    if number == next {
                        of.push((0.0, Vec::new()));
                    }
                    let with = &mut of[number].1;
                    if with.last() != Some(&message) {
                        with.push(message);
                    }
                }
                messages.push(Message { rule, weight: weight(sign.strength), total: 0.0 });
            }
        }
        let count = messages.len() as f64;
        for (rarity, with) in &mut of {
            if with.len() > COMMON {
                with.clear();
                continue;
            }
            *rarity = (1.0 + count / with.len() as f64).ln();
            for message in with.iter() {
                messages[*message as usize].total += *rarity;
            }
        }
        Self { numbers, of, messages }
    }

    /// Raises what `best` has of each rule to what a line echoes of its messages.
    fn hear(&self, line: &str, factor: f64, best: &mut [f64]) {
        let mut known: Vec<usize> = words(line).filter_map(|word| self.numbers.get(&word).copied()).collect();
        known.sort_unstable();
        known.dedup();
        let mut heard: HashMap<u32, (f64, u32)> = HashMap::new();
        for (rarity, with) in known.into_iter().map(|word| &self.of[word]) {
            for message in with {
                let (shared, count) = heard.entry(*message).or_default();
                *shared += rarity;
                *count += 1;
            }
        }
        for (number, (shared, count)) in heard {
            let message = &self.messages[number as usize];
            let share = shared / message.total;
            if share >= LEAST && count >= SHARED {
                let echo = factor * share * share * message.weight * shared / (shared + HALF);
                best[message.rule] = best[message.rule].max(echo);
            }
        }
    }
}

/// How much of each rule's messages is heard in what was read and said, 0 to 1, in the order of the catalogue.
/// At most `head` bytes of each text are looked at.
pub(crate) fn echoes(reading: &Reading<'_>, head: usize) -> Vec<f64> {
    let index = reading.known().messages();
    let mut best = vec![0.0_f64; CATALOGUE.len()];
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for text in reading.texts() {
        let head = &text.whole()[..text.whole().floor_char_boundary(head)];
        for line in head.lines().take(LINES).filter(|line| known.insert(line)) {
            index.hear(line, 1.0, &mut best);
        }
    }
    for sentence in reading.complaint().split(['.', ';', '?', '!', '\n']) {
        index.hear(sentence, SAID, &mut best);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::{Kind, Record, Snapshot};

    fn heard(text: &str, rule: &str) -> f64 {
        let records = vec![Record::new("a.log", Kind::TEXT, text)];
        let snapshot = Snapshot { records, ..Snapshot::default() };
        let at = CATALOGUE.iter().position(|entry| entry.id == rule).expect("a rule");
        echoes(&Reading::new(&snapshot, ""), usize::MAX)[at]
    }

    #[test]
    fn a_message_in_other_words_is_heard_less_than_itself() {
        let rule = "vfio/group-not-viable";
        let same = heard("vfio 0000:06:00.0: group 7 is not viable\n", rule);
        let other = heard("vfio: the group 7 was found to be not viable for this device\n", rule);
        assert!(0.0 < other && other <= same && same < 1.0, "{other} {same}");
        assert_eq!(heard("the weather is fine\n", rule), 0.0);
    }

    #[test]
    fn endless_lines_end() {
        heard(&"group is not viable ".repeat(100_000), "vfio/group-not-viable");
    }
}
