//! All patterns that the catalogue has.

use crate::{CATALOGUE, Entry};
use memchr::memchr3;
// Its hashes are several times faster than the usual ones, and there are thousands to make at each start.
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::sync::OnceLock;

/// Each has a number.
#[derive(Debug)]
pub(crate) struct Numbers {
    of: FxHashMap<&'static str, u32>,
    /// How many of them are signs, which come first.
    signs: usize,
    /// The numbers of all rules' messages, in the order of the catalogue and of each rule's signs.
    rows: Vec<u32>,
    /// Where in `rows` those of each rule end.
    row_ends: Vec<u32>,
    /// Of each sign, by its number, a literal that stands wherever it does.
    literals: Vec<&'static str>,
}

impl Numbers {
    pub(crate) fn of_all() -> &'static Self {
        static ALL: OnceLock<Numbers> = OnceLock::new();
        ALL.get_or_init(|| {
            // A map that grows moves everything it has several times.
            let most = signs().chain(words()).count();
            let mut of = FxHashMap::with_capacity_and_hasher(most, FxBuildHasher);
            let mut texts = Vec::with_capacity(most);
            let (mut rows, mut row_ends) = (Vec::with_capacity(most), Vec::with_capacity(CATALOGUE.len()));
            for entry in CATALOGUE {
                for sign in entry.rule.signs {
                    rows.push(add(sign.text, &mut of, &mut texts));
                    for pattern in sign.and.iter().chain(sign.unless) {
                        add(pattern, &mut of, &mut texts);
                    }
                }
                row_ends.push(rows.len() as u32);
            }
            let signs = of.len();
            for word in words() {
                add(word, &mut of, &mut texts);
            }
            let literals = texts[..signs].iter().map(|text| literal(text)).collect();
            Self { of, signs, rows, row_ends, literals }
        })
    }

    /// The numbers of the messages of a rule's signs, in their order; none of a rule that is not in the catalogue.
    pub(crate) fn row(&self, entry: &'static Entry) -> &[u32] {
        let Some(at) = CATALOGUE.element_offset(entry) else { return &[] };
        let begin = at.checked_sub(1).map_or(0, |before| self.row_ends[before]);
        &self.rows[begin as usize..self.row_ends[at] as usize]
    }

    /// A literal that stands wherever the sign of this number does; none of what is no sign.
    pub(crate) fn literal(&self, number: usize) -> Option<&'static str> {
        self.literals.get(number).copied()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.of.len()
    }

    /// The number of a pattern.
    pub(crate) fn of(&self, pattern: &str) -> Option<usize> {
        self.of.get(pattern).map(|number| *number as usize)
    }

    /// Whether it is a sign or the condition of one.
    pub(crate) fn is_sign(&self, pattern: &str) -> bool {
        self.of(pattern).is_some_and(|number| number < self.signs)
    }
}

/// A literal that stands wherever the pattern does, as it is written: the longest that has no letter escaped. It is
/// asked for thousands of times at each start, and so makes no copy (see [`Pattern::anchor`](crate::Pattern::anchor)).
fn literal(pattern: &str) -> &str {
    let (mut best, mut rest) = ("", pattern);
    loop {
        let end = memchr3(b'*', b'{', b'\\', rest.as_bytes()).unwrap_or(rest.len());
        if end > best.len() {
            best = &rest[..end];
        }
        let behind = &rest[end..];
        let skipped = match behind.as_bytes().first() {
            None => return best,
            Some(b'{') => behind.find('}').unwrap_or(0) + 1,
            Some(b'\\') => 1 + behind[1..].chars().next().map_or(0, char::len_utf8),
            Some(_) => 1,
        };
        rest = &behind[skipped..];
    }
}

/// Gives a pattern its number: that which it has, or the next.
fn add(pattern: &'static str, of: &mut FxHashMap<&'static str, u32>, texts: &mut Vec<&'static str>) -> u32 {
    *of.entry(pattern).or_insert_with(|| {
        texts.push(pattern);
        texts.len() as u32 - 1
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pattern;

    #[test]
    fn a_literal_stands_wherever_its_pattern_does() {
        for (pattern, expect) in [
            ("group {n} is not viable", " is not viable"),
            ("failed to set MSR * to", "failed to set MSR "),
            ("\\{\"driver\"", "\"driver\""),
            ("unclosed {brace", "unclosed "),
            ("a{b}", "a"),
            ("\\\u{fc}x*\\", "x"),
            ("plain", "plain"),
            ("{x}", ""),
            ("", ""),
        ] {
            assert_eq!(literal(pattern), expect, "{pattern}");
        }
        for pattern in signs().chain(words()) {
            assert!(Pattern::anchor(pattern).len() >= literal(pattern).len(), "{pattern}");
            assert!(pattern.contains(literal(pattern)));
        }
    }

    #[test]
    fn every_message_has_the_number_that_it_is_found_by() {
        let all = Numbers::of_all();
        for entry in CATALOGUE {
            let row = all.row(entry);
            assert_eq!(row.len(), entry.rule.signs.len());
            for (number, sign) in row.iter().zip(entry.rule.signs) {
                assert_eq!(all.of(sign.text), Some(*number as usize));
                assert_eq!(all.literal(*number as usize), Some(literal(sign.text)));
            }
        }
        assert_eq!(all.literal(all.signs), None, "words of complaints have none");
    }
}
