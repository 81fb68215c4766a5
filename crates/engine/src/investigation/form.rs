//! Which hypotheses compete.

use crate::{Environment, memory};
use vmwright_formats::codes::meanings;
use vmwright_model::analysis::Recalled;
use vmwright_model::investigation::{Hypothesis, Origin};
use vmwright_model::{EntryId, EntryState, Finding, Level};
use vmwright_rules::confidence::THRESHOLD;
use vmwright_rules::weighing::prior;
use vmwright_rules::{Entry, Reading, entry, hypotheses};

/// How many hypotheses there are at most.
const MOST: usize = 12;

/// How many of each recalled entry's rules become hypotheses.
const OF_ENTRY: usize = 2;

/// How many hypotheses one call may name, and how long each is at most, in characters.
const OF_CALLER: (usize, usize) = (8, 300);

/// The least nearness of a rule to a complaint counts as this.
const FAR: f64 = 0.3;

/// Hypotheses in the making.
pub(crate) struct Form<'a> {
    all: &'a mut Vec<Hypothesis>,
}

impl<'a> Form<'a> {
    pub(crate) fn new(all: &'a mut Vec<Hypothesis>) -> Self {
        Self { all }
    }

    /// Those that the complaint is near to; where that is one alone, its likeliest rival too.
    pub(crate) fn of_complaint(&mut self, complaint: &str) {
        for one in hypotheses::of_complaint(complaint) {
            self.add(one.entry, Origin::Complaint, prior(Origin::Complaint) * one.nearness.max(FAR));
        }
        if self.all.len() == 1 {
            self.fill();
        }
    }

    /// Those that entries of the journal name.
    pub(crate) fn of_journal(&mut self, recalled: &[Recalled], environment: &Environment) {
        let Ok(journal) = memory::open(environment) else { return };
        let fresh = recalled.iter().filter(|one| one.state != EntryState::Stale);
        for number in fresh.filter_map(|one| one.entry.parse().ok()) {
            // What was recalled a moment ago is there; where it is not, there is one hypothesis less.
            let Ok(Some(known)) = journal.show(EntryId(number)) else { continue };
            for entry in known.rules.iter().filter_map(|rule| entry(rule)).take(OF_ENTRY) {
                self.add(entry, Origin::Journal, prior(Origin::Journal));
            }
        }
        if self.all.len() == 1 {
            self.fill();
        }
    }

    /// Those that the caller names: by a rule's id, by a code or message that means one, or in words that are near to
    /// one. What no rule tests stays what was said.
    pub(crate) fn of_caller(&mut self, named: &[String]) {
        for text in named.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).take(OF_CALLER.0) {
            let text: String = text.chars().take(OF_CALLER.1).collect();
            let coded =
                || meanings(&text).into_iter().flat_map(|one| one.rules).find_map(|rule| entry(&rule));
            let near = || hypotheses::of_complaint(&text).first().map(|one| one.entry);
            match entry(&text).or_else(coded).or_else(near) {
                Some(entry) => self.add(entry, Origin::Caller, prior(Origin::Caller)),
                None if self.all.iter().any(|one| one.statement == text) => {}
                None if self.all.len() < MOST => {
                    self.all.push(hypotheses::untested(&text, prior(Origin::Caller)));
                }
                None => {}
            }
        }
        if self.all.iter().filter(|one| one.rule.is_some()).count() == 1 {
            self.fill();
        }
    }

    /// Those that fired on what was read, and that the question may be about: errors, and neighbours of what competes
    /// already.
    pub(crate) fn of_findings(&mut self, findings: &[Finding], reading: &Reading<'_>) {
        let area = |rule: &str| rule.split('/').next().unwrap_or("").to_owned();
        let known: Vec<String> = self.all.iter().filter_map(|one| one.rule.as_deref().map(area)).collect();
        for finding in findings {
            let quoted = finding.support.iter().any(|one| !one.against && one.evidence.is_some());
            let said = || {
                entry(&finding.rule).is_some_and(|one| one.rule.words.iter().any(|word| reading.said(word)))
            };
            let near = finding.level == Level::Error || known.contains(&area(&finding.rule)) || said();
            let new = !self.all.iter().any(|one| one.rule.as_deref() == Some(&finding.rule));
            if new
                && quoted
                && near
                && finding.confidence >= THRESHOLD
                && let Some(entry) = entry(&finding.rule)
            {
                self.add(entry, Origin::Evidence, prior(Origin::Evidence));
            }
        }
    }

    /// The likeliest rivals of the first, so that there are at least two. Where there is none, that nothing is wrong.
    pub(crate) fn fill(&mut self) {
        let first = self.all.iter().find_map(|one| entry(one.rule.as_deref()?));
        let rivals = first.map(|first| hypotheses::rivals(first, 2)).unwrap_or_default();
        for rival in rivals {
            self.add(rival, Origin::Rival, prior(Origin::Rival));
        }
        if self.all.iter().filter(|one| one.rule.is_some()).count() < 2
            && let Some(healthy) = entry("healthy/no-fault")
        {
            self.add(healthy, Origin::Rival, prior(Origin::Rival));
        }
    }

    fn add(&mut self, entry: &'static Entry, origin: Origin, prior: f64) {
        let known = self.all.iter().position(|one| one.rule.as_deref() == Some(entry.id));
        if let Some(known) = known.map(|at| &mut self.all[at]) {
            if !known.origins.contains(&origin) {
                known.origins.push(origin);
            }
            known.prior = known.prior.max(prior);
        } else if self.all.len() < MOST {
            self.all.push(hypotheses::of_rule(entry, origin, prior));
        }
    }
}
