//! All patterns that the catalogue has.

use crate::{CATALOGUE, Pattern};
// Its hashes are several times faster than the usual ones, and there are thousands to make at each start.
use rustc_hash::FxHashMap;
use std::sync::OnceLock;

/// Each has a number.
#[derive(Debug)]
pub(crate) struct Numbers {
    of: FxHashMap<&'static str, usize>,
    /// The same by where a pattern lies: they are constants, so that its letters need not be looked at.
    at: FxHashMap<(usize, usize), usize>,
    /// How many of them are signs, which come first.
    signs: usize,
    /// The longest literal of each, made when it is first asked for.
    anchors: Vec<OnceLock<String>>,
}

impl Numbers {
    pub(crate) fn of_all() -> &'static Self {
        static ALL: OnceLock<Numbers> = OnceLock::new();
        ALL.get_or_init(|| {
            let (mut of, mut at) = (FxHashMap::default(), FxHashMap::default());
            let mut add = |pattern: &'static str| {
                let next = of.len();
                let number = *of.entry(pattern).or_insert(next);
                at.insert(place(pattern), number);
                number
            };
            let signs = signs().map(&mut add).max().map_or(0, |last| last + 1);
            for pattern in words() {
                add(pattern);
            }
            let anchors = vec![OnceLock::new(); of.len()];
            Self { of, at, signs, anchors }
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.of.len()
    }

    /// The number of a pattern.
    pub(crate) fn of(&self, pattern: &str) -> Option<usize> {
        self.at.get(&place(pattern)).or_else(|| self.of.get(pattern)).copied()
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

/// Where a text lies, and its bytes.
fn place(text: &str) -> (usize, usize) {
    (text.as_ptr() as usize, text.len())
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
