//! All patterns that the catalogue has.

use crate::places::{FirstRuns, Places};
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
    /// And the runs with which that begins.
    first_runs: Vec<FirstRuns>,
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
            let literals: Vec<&str> = texts[..signs].iter().map(|text| literal(text)).collect();
            let first_runs = literals.iter().map(|literal| FirstRuns::of(literal)).collect();
            Self { of, signs, rows, row_ends, literals, first_runs }
        })
    }

    /// The numbers of the messages of a rule's signs, in their order; none of a rule that is not in the catalogue.
    pub(crate) fn row(&self, entry: &'static Entry) -> &[u32] {
        let Some(at) = CATALOGUE.element_offset(entry) else { return &[] };
        let begin = at.checked_sub(1).map_or(0, |before| self.row_ends[before]);
        &self.rows[begin as usize..self.row_ends[at] as usize]
    }

    /// Whether the sign of this number can stand in the texts of some places; what is no sign always can.
    pub(crate) fn can_stand(&self, number: usize, places: &Places) -> bool {
        let Some(runs) = self.first_runs.get(number) else { return true };
        places.can_hold_begun(self.literals[number], runs)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.of.len()
    }

    /// The same of a pattern that a rule asks for.
    ///
    /// # Panics
    /// Where debugging is on, as in tests: no rule has this pattern among its signs or words, so it is not looked for, and
    /// would silently stand nowhere.
    pub(crate) fn asked(&self, pattern: &str) -> Option<usize> {
        let number = self.of(pattern);
        debug_assert!(
            number.is_some(),
            "no rule has `{pattern}` among its signs or words: it is looked for nowhere"
        );
        number
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

    /// Words that stand in no rule's signs and words are not looked for. Where a case asks for one, [`Numbers::asked`] tells;
    /// here are those that rules write where they ask, whether a case comes there or not.
    #[test]
    fn what_rules_ask_for_is_looked_for() {
        let (mut asked, mut unknown) = (0, Vec::new());
        let mut files = vec![concat!(env!("CARGO_MANIFEST_DIR"), "/src/catalogue").into()];
        while let Some(path) = files.pop() {
            let path: std::path::PathBuf = path;
            if path.is_dir() {
                let entries = std::fs::read_dir(&path).expect("a folder");
                files.extend(entries.map(|entry| entry.expect("an entry").path()));
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a text");
            for pattern in asked_for(&text) {
                asked += 1;
                if Numbers::of_all().of(&pattern).is_none() {
                    unknown.push(format!("{} asks for `{pattern}`", path.display()));
                }
            }
        }
        assert!(unknown.is_empty(), "no rule has these among its signs or words: {unknown:#?}");
        assert!(asked > 100, "{asked}");
    }

    /// The texts that stand as such in `cx.said("...")`, `cx.stands("...")`, `cx.asked(&["...", ...])`, and in a list all of
    /// which is asked for: `["...", ...].iter().any(|word| cx.said(word))`.
    fn asked_for(source: &str) -> Vec<String> {
        let code: String = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let mut found = Vec::new();
        for call in ["cx.said(", "cx.stands(", "cx.asked(&["] {
            for (at, _) in code.match_indices(call) {
                found.extend(literals(&code[at + call.len()..]));
                let before = code[..at].trim_end();
                let list = before.strip_suffix("word|").or_else(|| before.strip_suffix("words|"));
                let list = list.and_then(|list| list.trim_end().strip_suffix(".any(|"));
                let list = list.and_then(|list| list.trim_end().strip_suffix(".iter()"));
                if let Some(list) = list.and_then(|list| list.trim_end().strip_suffix(']')) {
                    found.extend(literals(&list[list.rfind('[').map_or(0, |at| at + 1)..]));
                }
            }
        }
        found
    }

    /// The texts at the beginning, with commas between them.
    fn literals(code: &str) -> Vec<String> {
        let (mut found, mut rest) = (Vec::new(), code.trim_start());
        while let Some(inside) = rest.strip_prefix('"') {
            let (mut text, mut letters) = (String::new(), inside.char_indices());
            let end = loop {
                match letters.next().expect("a text ends") {
                    (at, '"') => break at,
                    (_, '\\') => text.extend(letters.next().map(|(_, letter)| letter)),
                    (_, letter) => text.push(letter),
                }
            };
            found.push(text);
            rest = inside[end + 1..].trim_start().trim_start_matches(',').trim_start();
        }
        found
    }

    #[test]
    fn what_a_rule_asks_for_is_found_in_its_text() {
        let source = r#"
            // cx.said("a remark")
            if cx.said("one") || ["two", "thr\"ee"].iter().any(|word| cx.stands(word)) {
                cx.asked(&[ "four", "five" ]); cx.said(OTHER);
                other(["no"]).iter().any(|word| cx.said(word));
        "#;
        let mut found = asked_for(source);
        found.sort();
        assert_eq!(found, ["five", "four", "one", "thr\"ee", "two"]);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "no rule has `a word of nobody`")]
    fn to_ask_for_another_word_fails_a_test() {
        let snapshot = vmwright_model::Snapshot::default();
        let _ = crate::Reading::new(&snapshot, "").said("a word of nobody");
    }

    #[test]
    fn every_message_has_the_number_that_it_is_found_by() {
        let all = Numbers::of_all();
        for entry in CATALOGUE {
            let row = all.row(entry);
            assert_eq!(row.len(), entry.rule.signs.len());
            for (number, sign) in row.iter().zip(entry.rule.signs) {
                assert_eq!(all.of(sign.text), Some(*number as usize));
                assert_eq!(all.literals[*number as usize], literal(sign.text));
            }
        }
        assert!(all.can_stand(all.signs, &Places::default()), "what words of complaints hold is not known");
    }
}
