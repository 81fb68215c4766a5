//! Which source to read next, where evidence is short.
//!
//! Of the rules that could not tell, those matter that the user's words go with, and those that compete with the first
//! cause: of its area, or its consequence, or its cause. Each gives its weight to the source that it names; where none
//! matters and no cause was found, every rule gives [`OTHER`].
//!
//! ```text
//! weight of a rule   = WORD x words of it in the complaint, at most 3, + RELATED if it competes
//! weight of a source = sum over the rules that name it
//! ```

use crate::{Reading, entry};
use std::collections::BTreeMap;
use vmwright_model::analysis::Next;
use vmwright_model::{Cause, Unknown};

/// What one word of the complaint that goes with a rule is worth.
const WORD: u32 = 2;

/// What it is worth to compete with the first cause.
const RELATED: u32 = 3;

/// What a rule is worth where nothing is known of the problem.
const OTHER: u32 = 1;

/// How many sources are named.
const NAMED: usize = 5;

/// The sources that would decide most, best first; equals in the order of their names.
#[must_use]
pub fn next(causes: &[Cause], unknown: &[Unknown], reading: &Reading<'_>) -> Vec<Next> {
    let first = causes.first().map(|cause| cause.rule.as_str());
    let weigh =
        |one: &Unknown| words(&one.rule, reading) + first.map_or(0, |first| related(&one.rule, first));
    let blind = first.is_none() && unknown.iter().all(|one| weigh(one) == 0);
    let mut sources: BTreeMap<&str, (u32, Vec<String>)> = BTreeMap::new();
    for one in unknown.iter().filter(|one| !one.source.is_empty()) {
        let weight = if blind { OTHER } else { weigh(one) };
        if weight > 0 {
            let source = sources.entry(&one.source).or_default();
            source.0 += weight;
            source.1.push(one.rule.clone());
        }
    }
    let mut ranked: Vec<_> = sources.into_iter().collect();
    ranked.sort_by_key(|(_, (weight, _))| std::cmp::Reverse(*weight));
    ranked.truncate(NAMED);
    let named = |(source, (weight, rules)): (&str, (u32, Vec<String>))| Next {
        source: source.to_owned(),
        weight,
        rules,
    };
    ranked.into_iter().map(named).collect()
}

fn words(rule: &str, reading: &Reading<'_>) -> u32 {
    let words = entry(rule).map_or(&[][..], |entry| entry.rule.words);
    WORD * words.iter().filter(|word| reading.said(word)).take(3).count() as u32
}

fn related(rule: &str, first: &str) -> u32 {
    let explains =
        |one: &str, other: &str| entry(one).is_some_and(|entry| entry.rule.explains.contains(&other));
    let area = |id: &str| id.split('/').next().map(str::to_owned);
    let competes = area(rule) == area(first) || explains(rule, first) || explains(first, rule);
    if competes { RELATED } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose;
    use vmwright_formats::recognise;
    use vmwright_model::{Record, Snapshot};

    fn sources(complaint: &str, records: &[(&str, &str)]) -> Vec<Next> {
        let record = |(name, text): &(&str, &str)| Record::new(*name, recognise(name, text), *text);
        let snapshot = Snapshot { records: records.iter().map(record).collect(), ..Snapshot::default() };
        let diagnosis = diagnose(&snapshot, complaint, &|_| true);
        diagnosis.next
    }

    #[test]
    fn the_words_of_the_complaint_decide_what_to_read() {
        let state = [("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro quiet\n")];
        let next = sources("the guest shows Code 43 with the NVIDIA card", &state);
        assert_eq!(next[0].source, "lspci -nnk", "{next:#?}");
        assert!(next[0].rules.iter().all(|rule| rule.starts_with("vfio/")), "{next:#?}");
        assert!(next.iter().zip(next.iter().skip(1)).all(|(one, other)| one.weight >= other.weight));
    }

    #[test]
    fn without_a_complaint_the_source_that_most_rules_want_comes_first() {
        let next = sources("", &[("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro quiet\n")]);
        assert_eq!(next.len(), NAMED);
        assert!(next[0].rules.len() > 1 && next[0].weight as usize == next[0].rules.len(), "{next:#?}");
    }

    #[test]
    fn what_competes_with_the_first_cause_is_asked_next() {
        let machine = "machine-mismatch";
        assert_eq!(related("migration/cpu-incompatible", &format!("migration/{machine}")), RELATED);
        assert_eq!(related("perf/cpu-steal", &format!("migration/{machine}")), 0);
    }
}
