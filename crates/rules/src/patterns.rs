//! All patterns that the catalogue has.

use crate::{CATALOGUE, Pattern};
// Its hashes are several times faster than the usual ones, and there are thousands to make at each start.
use rustc_hash::FxHashMap;
use std::sync::OnceLock;

/// Each has a number.
#[derive(Debug)]
pub(crate) struct Numbers {
    of: FxHashMap<&'static str, usize>,
    /// How many of them are signs, which come first.
    signs: usize,
    /// The longest literal of each, made when it is first asked for.
    anchors: Vec<OnceLock<String>>,
}

impl Numbers {
    pub(crate) fn of_all() -> &'static Self {
        static ALL: OnceLock<Numbers> = OnceLock::new();
        ALL.get_or_init(|| {
            let mut of = FxHashMap::default();
            let add = |of: &mut FxHashMap<_, _>, pattern| {
                let next = of.len();
                of.entry(pattern).or_insert(next);
            };
            signs().for_each(|pattern| add(&mut of, pattern));
            let signs = of.len();
            words().for_each(|pattern| add(&mut of, pattern));
            let anchors = vec![OnceLock::new(); of.len()];
            Self { of, signs, anchors }
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.of.len()
    }

    /// The number of a pattern.
    pub(crate) fn of(&self, pattern: &str) -> Option<usize> {
        self.of.get(pattern).copied()
    }

    /// The longest literal of the pattern with this number (see [`Pattern::anchor`]).
    pub(crate) fn anchor(&self, number: usize, pattern: &str) -> &str {
        self.anchors[number].get_or_init(|| Pattern::anchor(pattern))
    }

    /// Whether it is a sign or the condition of one.
    pub(crate) fn is_sign(&self, pattern: &str) -> bool {
        self.of(pattern).is_some_and(|number| number < self.signs)
    }
}

/// What a rule's signs say: their messages and the patterns of their conditions.
pub(crate) fn signs() -> impl Iterator<Item = &'static str> {
    let all = CATALOGUE.iter().flat_map(|entry| entry.rule.signs);
    all.flat_map(|sign| {
        [sign.text].into_iter().chain(sign.and.iter().copied()).chain(sign.unless.iter().copied())
    })
}

/// The words that a complaint may have.
pub(crate) fn words() -> impl Iterator<Item = &'static str> {
    CATALOGUE.iter().flat_map(|entry| {
        let said = entry.rule.signs.iter().flat_map(|sign| sign.said);
        entry.rule.words.iter().chain(said).copied()
    })
}
