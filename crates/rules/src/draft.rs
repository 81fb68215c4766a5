//! A finding in the making.

use crate::confidence::{THRESHOLD, confidence};
use crate::{Entry, Reading};
use vmwright_model::{
    Action, Evidence, Finding, Fix, Level, Strength, Subject, SubjectKind, Support, Verdict,
};

/// A finding in the making: evidence is added, then [`Draft::verdict`] weighs it.
pub struct Draft<'r> {
    entry: &'static Entry,
    reading: &'r Reading<'r>,
    subject: Subject,
    title: Option<String>,
    level: Level,
    remedy: Option<String>,
    support: Vec<Support>,
    actions: Vec<Action>,
    looked: bool,
}

impl<'r> Draft<'r> {
    pub(crate) fn new(entry: &'static Entry, reading: &'r Reading<'r>) -> Self {
        let subject = match reading.vm() {
            Some(vm) => Subject::new(SubjectKind::Vm, vm),
            None => Subject::host(),
        };
        Self {
            entry,
            reading,
            subject,
            title: None,
            level: entry.rule.level,
            remedy: None,
            support: Vec::new(),
            actions: Vec::new(),
            looked: false,
        }
    }

    pub(crate) fn add(&mut self, strength: Strength, against: bool, evidence: Option<Evidence>, shows: &str) {
        self.support.push(Support { evidence, strength, against, shows: shows.to_owned() });
    }

    /// Evidence for the cause. Ignored where the quote is missing: what cannot be shown does not count.
    #[must_use]
    pub fn because(mut self, strength: Strength, evidence: Option<Evidence>, shows: &str) -> Self {
        if evidence.is_some() && self.reading.known().has(self.entry.id, shows) {
            self.add(strength, false, evidence, shows);
        }
        self
    }

    /// Evidence against the cause.
    #[must_use]
    pub fn despite(mut self, strength: Strength, evidence: Option<Evidence>, shows: &str) -> Self {
        if evidence.is_some() {
            self.add(strength, true, evidence, shows);
        }
        self
    }

    /// What it is about.
    #[must_use]
    pub fn about(mut self, subject: Subject) -> Self {
        self.subject = subject;
        self
    }

    /// What is wrong, with the facts of this case: one line, no full stop.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Another level than the rule's.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// What settles it here, instead of the rule's general remedy.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// A typed action that settles it.
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }

    /// Typed actions that settle it together.
    #[must_use]
    pub fn actions(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.actions.extend(actions);
        self
    }

    /// Says that the rule saw what it needs: without evidence the verdict is quiet and not unknown.
    #[must_use]
    pub fn looked(mut self) -> Self {
        self.looked = true;
        self
    }

    /// Whether there is any evidence for it so far.
    #[must_use]
    pub fn any(&self) -> bool {
        self.support.iter().any(|one| !one.against)
    }

    /// Whether there is evidence for it of at least this strength so far.
    #[must_use]
    pub fn has(&self, strength: Strength) -> bool {
        self.support.iter().any(|one| !one.against && one.strength >= strength)
    }

    /// Weighs the evidence: fired, quiet, or unknown where nothing was read that could have told.
    #[must_use]
    pub fn verdict(mut self) -> Verdict {
        self.support = each_line_once(self.support);
        let confidence = confidence(&self.support);
        if confidence < THRESHOLD {
            return if self.looked || self.reading.has_messages() {
                Verdict::Quiet
            } else {
                Verdict::Unknown {
                    why: "no text was read in which its messages would stand".to_owned(),
                    source: self.entry.rule.tells.to_owned(),
                }
            };
        }
        self.support.sort_by(|a, b| (a.against, b.strength).cmp(&(b.against, a.strength)));
        let rule = self.entry.rule;
        Verdict::Fired(Finding {
            rule: self.entry.id.to_owned(),
            subject: self.subject,
            level: self.level,
            title: self.title.unwrap_or_else(|| self.entry.title().to_owned()),
            support: self.support,
            confidence,
            fix: Fix {
                summary: self.remedy.unwrap_or_else(|| rule.remedy.to_owned()),
                actions: self.actions,
                applicability: rule.applicability,
                disruption: rule.disruption,
            },
            escalation: rule.escalation,
            controls: rule.controls.iter().map(|&control| control.to_owned()).collect(),
        })
    }
}

/// One line is one piece of evidence, however many signs and checks it meets: the strongest of them counts. The
/// complaint, which cannot be quoted, is one piece as a whole.
fn each_line_once(mut support: Vec<Support>) -> Vec<Support> {
    support.sort_by_key(|one| std::cmp::Reverse(one.strength));
    let mut kept: Vec<Support> = Vec::new();
    for one in support {
        let place = one.evidence.as_ref().map(|quote| (&quote.source, quote.line));
        let known = |other: &Support| {
            let its = other.evidence.as_ref().map(|quote| (&quote.source, quote.line));
            its == place && other.against == one.against
        };
        if !kept.iter().any(known) {
            kept.push(one);
        }
    }
    kept
}
