//! All patterns that the catalogue has.

use crate::places::{CELLS, Cell, cells};
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
    /// Of each sign the cells of its longest literal's rarest runs, and where they end.
    rare: (Vec<Cell>, Vec<u32>),
}

/// How many runs of a literal tell that it stands nowhere: more of them seldom tell more, and each is a look at memory.
const TELLING: usize = 6;

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
            let rare = rare(&texts[..signs]);
            Self { of, signs, rows, row_ends, rare }
        })
    }

    /// The numbers of the messages of a rule's signs, in their order; none of a rule that is not in the catalogue.
    pub(crate) fn row(&self, entry: &'static Entry) -> &[u32] {
        let Some(at) = CATALOGUE.element_offset(entry) else { return &[] };
        let begin = at.checked_sub(1).map_or(0, |before| self.row_ends[before]);
        &self.rows[begin as usize..self.row_ends[at] as usize]
    }

    /// Of each sign, by its number, the cells of runs that stand wherever it stands.
    pub(crate) fn telling(&self) -> impl Iterator<Item = &[Cell]> {
        let (cells, ends) = &self.rare;
        let begins = std::iter::once(&0).chain(ends);
        begins.zip(ends).map(|(begin, end)| &cells[*begin as usize..*end as usize])
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

/// The cells of the rarest runs of a literal of each pattern, those that the fewest others have, and where those of each
/// end.
fn rare(patterns: &[&str]) -> (Vec<Cell>, Vec<u32>) {
    let mut shared = vec![0u16; CELLS];
    for cell in patterns.iter().flat_map(|pattern| cells(literal(pattern).as_bytes())) {
        let count = &mut shared[usize::from(cell)];
        *count = count.saturating_add(1);
    }
    let mut kept = Vec::with_capacity(patterns.len() * TELLING);
    let mut ends = Vec::with_capacity(patterns.len());
    let mut rarest: Vec<(u16, Cell)> = Vec::with_capacity(TELLING + 1);
    for pattern in patterns {
        rarest.clear();
        for cell in cells(literal(pattern).as_bytes()) {
            let one = (shared[usize::from(cell)], cell);
            // Nearly no run is rarer than the last of those that were kept.
            if rarest.len() == TELLING && one >= rarest[TELLING - 1] {
                continue;
            }
            let at = rarest.partition_point(|other| *other < one);
            rarest.insert(at, one);
            rarest.truncate(TELLING);
        }
        kept.extend(rarest.iter().map(|(_, cell)| *cell));
        ends.push(kept.len() as u32);
    }
    (kept, ends)
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
    fn the_rarest_runs_are_those_that_the_fewest_patterns_have() {
        let many: Vec<String> = (0..50).map(|at| format!("the device {at:02} is not there")).collect();
        let patterns: Vec<&str> =
            many.iter().map(String::as_str).chain(["the device Qzx is not there"]).collect();
        let (kept, ends) = rare(&patterns);
        let last = &kept[ends[patterns.len() - 2] as usize..];
        let odd: Vec<Cell> = cells(b"qzx").collect();
        assert!(last.len() == TELLING && last.contains(&odd[0]), "{last:?}");
        assert_eq!(ends.len(), patterns.len());
    }

    #[test]
    fn every_message_has_the_number_that_it_is_found_by() {
        let all = Numbers::of_all();
        for entry in CATALOGUE {
            let row = all.row(entry);
            assert_eq!(row.len(), entry.rule.signs.len());
            for (number, sign) in row.iter().zip(entry.rule.signs) {
                assert_eq!(all.of(sign.text), Some(*number as usize));
            }
        }
        assert_eq!(all.telling().count(), all.signs);
    }
}
