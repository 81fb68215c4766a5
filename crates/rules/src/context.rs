//! What a rule's judgement is given.

use crate::confidence::weaker;
use crate::{Draft, Entry, Hit, Reading, Sign};
use vmwright_model::Verdict;

/// A rule and the reading that it judges. Everything of [`Reading`] can be called on it.
pub struct Context<'r> {
    /// The rule.
    pub entry: &'static Entry,
    reading: &'r Reading<'r>,
}

impl<'r> std::ops::Deref for Context<'r> {
    type Target = Reading<'r>;
    fn deref(&self) -> &Reading<'r> {
        self.reading
    }
}

impl<'r> Context<'r> {
    pub(crate) fn new(entry: &'static Entry, reading: &'r Reading<'r>) -> Self {
        Self { entry, reading }
    }

    /// A finding in the making, with what the rule's signs show already in it.
    #[must_use]
    pub fn draft(&self) -> Draft<'r> {
        let mut draft = self.blank();
        for sign in self.entry.rule.signs {
            self.weigh(sign, &mut draft);
        }
        draft
    }

    /// A finding in the making, without the signs.
    #[must_use]
    pub fn blank(&self) -> Draft<'r> {
        Draft::new(self.entry, self.reading)
    }

    /// Where this sign stands and counts, its conditions applied.
    #[must_use]
    pub fn hits_of(&self, sign: &Sign) -> Vec<&'r Hit> {
        let hits = self.reading.hits(sign.text);
        if hits.is_empty() || !self.holds(sign) {
            return Vec::new();
        }
        let fits = |hit: &&Hit| {
            let kind = || self.reading.kind(hit.text);
            sign.kinds.is_empty() || kind().is_some_and(|kind| sign.kinds.contains(&&*kind.0))
        };
        hits.iter().filter(fits).collect()
    }

    /// Whether the conditions of a sign are met.
    fn holds(&self, sign: &Sign) -> bool {
        sign.and.iter().all(|pattern| self.reading.stands(pattern))
            && !sign.unless.iter().any(|pattern| self.reading.stands(pattern))
            && (sign.said.is_empty()
                || sign.said.iter().any(|pattern| self.reading.said(pattern))
                || sign.near && self.reading.near(self.entry.id))
    }

    /// Whether the complaint is of what this rule is about: it has one of these patterns, or is nearer to the rule's
    /// documentation than to nearly all others'. It makes evidence of what would else be a choice, and proves nothing.
    #[must_use]
    pub fn asked(&self, patterns: &[&str]) -> bool {
        patterns.iter().any(|pattern| self.reading.said(pattern)) || self.reading.near(self.entry.id)
    }

    fn weigh(&self, sign: &Sign, draft: &mut Draft<'r>) {
        let hits = self.hits_of(sign);
        let quote = hits.first().and_then(|hit| self.reading.evidence(hit));
        if quote.is_some() {
            draft.add(sign.strength, sign.against, quote, "the message stands there");
        } else if sign.kinds.is_empty()
            && self.reading.said(sign.text)
            && self.holds(sign)
            && let Some(strength) = weaker(sign.strength)
        {
            draft.add(strength, sign.against, None, "the complaint says so");
        }
    }

    /// A verdict: not enough was read. `source` is the path or read-only command that would tell.
    #[must_use]
    pub fn unknown(&self, why: &str, source: &str) -> Vec<Verdict> {
        vec![Verdict::Unknown { why: why.to_owned(), source: source.to_owned() }]
    }

    /// A verdict: the problem is not there.
    #[must_use]
    pub fn quiet(&self) -> Vec<Verdict> {
        vec![Verdict::Quiet]
    }

    /// A verdict: the question does not arise.
    #[must_use]
    pub fn not_applicable(&self, why: &str) -> Vec<Verdict> {
        vec![Verdict::NotApplicable { why: why.to_owned() }]
    }
}
