//! Signs: messages that point to a cause, written as the program's own format string.

use memchr::memchr2_iter;
use std::cmp::Reverse;
use vmwright_model::Strength;

/// One message that points to (or away from) a cause. `text` is the message as the program's source prints it;
/// see [`Pattern`] for its wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// The message.
    pub text: &'static str,
    /// How much it says.
    pub strength: Strength,
    /// Whether it speaks against the cause.
    pub against: bool,
    /// It counts only where all of these stand somewhere in what was read (or in the complaint).
    pub and: &'static [&'static str],
    /// It does not count where one of these stands.
    pub unless: &'static [&'static str],
    /// It counts only in texts of these kinds; everywhere where empty.
    pub kinds: &'static [&'static str],
    /// It counts only where the complaint has one of these, whatever it has where empty.
    pub said: &'static [&'static str],
    /// Or where the complaint is near to the rule's documentation.
    pub near: bool,
}

impl Sign {
    const fn of(strength: Strength, text: &'static str) -> Self {
        Sign { text, strength, against: false, and: &[], unless: &[], kinds: &[], said: &[], near: false }
    }

    /// Names this cause and no other.
    #[must_use]
    pub const fn proof(text: &'static str) -> Self {
        Self::of(Strength::Proof, text)
    }

    /// Seldom seen without this cause.
    #[must_use]
    pub const fn strong(text: &'static str) -> Self {
        Self::of(Strength::Strong, text)
    }

    /// Usual for this cause, but known from others too.
    #[must_use]
    pub const fn support(text: &'static str) -> Self {
        Self::of(Strength::Support, text)
    }

    /// Compatible with this cause and with many others.
    #[must_use]
    pub const fn hint(text: &'static str) -> Self {
        Self::of(Strength::Hint, text)
    }

    /// Speaks against the cause.
    #[must_use]
    pub const fn against(mut self) -> Self {
        self.against = true;
        self
    }

    /// Counts only where all of these patterns stand somewhere too.
    #[must_use]
    pub const fn and(mut self, patterns: &'static [&'static str]) -> Self {
        self.and = patterns;
        self
    }

    /// Does not count where one of these patterns stands.
    #[must_use]
    pub const fn unless(mut self, patterns: &'static [&'static str]) -> Self {
        self.unless = patterns;
        self
    }

    /// Counts only in texts of these kinds.
    #[must_use]
    pub const fn kinds(mut self, kinds: &'static [&'static str]) -> Self {
        self.kinds = kinds;
        self
    }

    /// Counts only where the complaint has one of these patterns: what is a choice like any other until somebody
    /// complains of what comes of it.
    #[must_use]
    pub const fn said(mut self, patterns: &'static [&'static str]) -> Self {
        self.said = patterns;
        self
    }

    /// Counts also where the complaint is near to the rule's documentation, in whatever words: for what is seldom chosen.
    #[must_use]
    pub const fn or_near(mut self) -> Self {
        self.near = true;
        self
    }
}

/// How much lists have together.
#[must_use]
pub(crate) const fn total<T>(lists: &[&[T]]) -> usize {
    let (mut list, mut all) = (0, 0);
    while list < lists.len() {
        all += lists[list].len();
        list += 1;
    }
    all
}

/// Lists as one: what a rule looks for may lie in several files. `N` is their [`total`]; `fill` stands nowhere in the end.
#[must_use]
pub(crate) const fn joined<T: Copy, const N: usize>(fill: T, lists: &[&[T]]) -> [T; N] {
    let mut all = [fill; N];
    let (mut list, mut from, mut at) = (0, 0, 0);
    while at < N {
        if from < lists[list].len() {
            all[at] = lists[list][from];
            from += 1;
            at += 1;
        } else {
            (list, from) = (list + 1, 0);
        }
    }
    all
}

/// A compiled message: literal text, in which `*` stands for any run of characters of the line and `{name}`
/// for a run of at least one character without blanks, which is captured. `\*`, `\{` and `\\` are literal.
/// Letters match in either case; a pattern may stand anywhere in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    /// The literals in the order in which a line is asked for them: which part it is, and the offset of its rarest byte.
    asked: Vec<(usize, usize)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Any,
    Word(String),
}

/// What a message is written of.
enum Piece<'t> {
    Letter(char),
    Any,
    Word(&'t str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text.chars();
    std::iter::from_fn(move || {
        let piece = match rest.next()? {
            '\\' => Piece::Letter(rest.next()?),
            '*' => Piece::Any,
            '{' => match rest.as_str().split_once('}') {
                Some((name, after)) => {
                    rest = after.chars();
                    Piece::Word(name)
                }
                None => Piece::Letter('{'),
            },
            other => Piece::Letter(other.to_ascii_lowercase()),
        };
        Some(piece)
    })
}

impl Pattern {
    /// Compiles a message. Total: an unclosed `{` is literal.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        for piece in pieces(text) {
            let part = match piece {
                Piece::Letter(letter) => {
                    literal.push(letter);
                    continue;
                }
                Piece::Any => Part::Any,
                Piece::Word(name) => Part::Word(name.to_owned()),
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        let asked = asked(&parts);
        Self { parts, asked }
    }

    /// The longest literal of a message, in lower case: what is searched for before the whole pattern is tried. Of
    /// equally long ones the last.
    #[must_use]
    pub fn anchor(text: &str) -> String {
        if !text.contains(['*', '{', '\\']) {
            return text.to_ascii_lowercase();
        }
        let (mut best, mut literal) = (String::new(), String::with_capacity(text.len()));
        for piece in pieces(text) {
            match piece {
                Piece::Letter(letter) => literal.push(letter),
                Piece::Any | Piece::Word(_) => {
                    if literal.len() >= best.len() {
                        std::mem::swap(&mut best, &mut literal);
                    }
                    literal.clear();
                }
            }
        }
        if literal.len() >= best.len() { literal } else { best }
    }

    /// Where the pattern stands in a line, with what its `{name}`s captured; `None` where it does not.
    /// Work is bounded: a line that keeps almost matching is given up after [`BUDGET`] bytes of search.
    #[must_use]
    pub fn find<'l>(&self, line: &'l str) -> Option<Vec<(&str, &'l str)>> {
        if !self.may_stand(line) {
            return None;
        }
        let lower = line.to_ascii_lowercase();
        let mut search = Search { line, lower: &lower, budget: BUDGET, captures: Vec::new() };
        let fits = match self.parts.first() {
            Some(Part::Literal(_)) => search.after_any(&self.parts, 0),
            Some(Part::Word(_)) => {
                let begins = lower.char_indices().map(|(at, _)| at);
                begins
                    .map(|at| search.here(&self.parts, at))
                    .find(|step| *step != Step::No)
                    .unwrap_or(Step::No)
            }
            _ => search.here(&self.parts, 0),
        };
        (fits == Step::Fits).then_some(search.captures)
    }
}

impl Pattern {
    /// Whether each literal stands somewhere in the line, which most lines with the anchor alone do not have. It copies
    /// nothing; a line longer than [`SHORT`] is not looked at, since this takes the product of both lengths at worst.
    fn may_stand(&self, line: &str) -> bool {
        let has = |(part, rarest): &(usize, usize)| match &self.parts[*part] {
            Part::Literal(text) => holds(line.as_bytes(), text.as_bytes(), *rarest),
            Part::Any | Part::Word(_) => true,
        };
        line.len() > SHORT || self.asked.iter().all(has)
    }
}

/// Longest line of which is first asked whether it has all literals, in bytes.
const SHORT: usize = 2048;

/// The literals among some parts in the order in which a line is asked for them, each with the offset of its rarest byte:
/// the one with the rarest of all first. The longest is the anchor, which stands wherever anybody asks, and so the last.
fn asked(parts: &[Part]) -> Vec<(usize, usize)> {
    // Rarity, part, and offset.
    let mut asked: Vec<(usize, usize, usize)> = Vec::new();
    let mut anchor = (0, 0);
    for (part, literal) in parts.iter().enumerate() {
        let Part::Literal(text) = literal else { continue };
        anchor = anchor.max((text.len(), part));
        let rarities = text.bytes().map(rarity).zip(0..);
        asked.extend(rarities.max().map(|(rarity, offset)| (rarity, part, offset)));
    }
    asked.sort_by_key(|(rarity, part, _)| (*part == anchor.1, Reverse(*rarity)));
    asked.into_iter().map(|(_, part, offset)| (part, offset)).collect()
}

/// How rare a byte is in logs, of letters in either case: the first of these stands at every few places.
fn rarity(byte: u8) -> usize {
    const USUAL: &[u8] = b" e0taoinsr1dlcup2m.:3f5-4hg/6b789v=_[]kyw,x()'\"";
    USUAL.iter().position(|usual| *usual == byte).unwrap_or(USUAL.len())
}

/// Whether a word in lower case stands in a line, in either case. `rarest` is the offset of the byte in it that is looked
/// for: the rarer, the fewer places are compared.
fn holds(line: &[u8], lower: &[u8], rarest: usize) -> bool {
    let Some(byte) = lower.get(rarest) else { return true };
    let places = (line.len() + 1).saturating_sub(lower.len());
    // A line that is shorter than the word has none.
    let looked = line.get(rarest..rarest + places).unwrap_or_default();
    memchr2_iter(*byte, byte.to_ascii_uppercase(), looked)
        .any(|at| line[at..at + lower.len()].eq_ignore_ascii_case(lower))
}

/// How many bytes one search may look at: far above any real line times any real pattern.
const BUDGET: usize = 8 << 20;

/// How a part of the search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Fits,
    No,
    /// A literal that is still needed stands nowhere in the rest of the line: no later start can fit either.
    Never,
}

struct Search<'p, 'l, 'w> {
    line: &'l str,
    /// `line` in ASCII lower case, so both have the same character boundaries.
    lower: &'w str,
    budget: usize,
    captures: Vec<(&'p str, &'l str)>,
}

impl<'p> Search<'p, '_, '_> {
    /// Tries `parts` from byte `at` on.
    fn here(&mut self, parts: &'p [Part], at: usize) -> Step {
        match parts.split_first() {
            None => Step::Fits,
            Some((Part::Literal(text), rest)) if self.lower[at..].starts_with(text.as_str()) => {
                self.here(rest, at + text.len())
            }
            Some((Part::Literal(_), _)) => Step::No,
            Some((Part::Any, rest)) if matches!(rest.first(), Some(Part::Literal(_))) => {
                self.after_any(rest, at)
            }
            Some((Part::Any, rest)) => self.here(rest, at),
            Some((Part::Word(name), rest)) => self.word(name, rest, at),
        }
    }

    /// Tries `parts`, which begin with a literal, at each place from byte `at` on.
    fn after_any(&mut self, parts: &'p [Part], at: usize) -> Step {
        let Some(Part::Literal(text)) = parts.first() else { return Step::No };
        let mut from = at;
        loop {
            let Some(skip) = self.lower[from..].find(text.as_str()) else { return Step::Never };
            self.budget = self.budget.saturating_sub(skip + text.len() + 1);
            if self.budget == 0 {
                return Step::Never;
            }
            match self.here(&parts[1..], from + skip + text.len()) {
                Step::No => from += skip + self.line[from + skip..].chars().next().map_or(1, char::len_utf8),
                end => return end,
            }
        }
    }

    /// Captures a word at byte `at`: the shortest that the rest of the pattern can follow, or all of it where
    /// no literal follows.
    fn word(&mut self, name: &'p str, rest: &'p [Part], at: usize) -> Step {
        let word = &self.line[at..];
        let word = &word[..word.find(char::is_whitespace).unwrap_or(word.len())];
        let Some(first) = word.chars().next() else { return Step::No };
        let Some(Part::Literal(text)) = rest.first() else {
            return self.capture(name, rest, at, at + word.len());
        };
        let mut from = at + first.len_utf8();
        loop {
            // The literal decides where the word can end: trying each letter would take quadratic time.
            let Some(skip) = self.lower[from..].find(text.as_str()) else { return Step::Never };
            self.budget = self.budget.saturating_sub(skip + 1);
            let end = from + skip;
            if end > at + word.len() || self.budget == 0 {
                return Step::No;
            }
            match self.capture(name, rest, at, end) {
                Step::No => from = end + self.line[end..].chars().next().map_or(1, char::len_utf8),
                found => return found,
            }
        }
    }

    /// Tries the rest of the pattern behind the word from `at` to `end`.
    fn capture(&mut self, name: &'p str, rest: &'p [Part], at: usize, end: usize) -> Step {
        self.captures.push((name, &self.line[at..end]));
        let step = self.here(rest, end);
        if step == Step::No {
            self.captures.pop();
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use super::{Pattern, holds};

    fn check(pattern: &str, line: &str, expect: Option<&[(&str, &str)]>) {
        assert_eq!(Pattern::new(pattern).find(line).as_deref(), expect, "{pattern:?} in {line:?}");
    }

    #[test]
    fn literals_match_anywhere_and_in_either_case() {
        check("Group is NOT viable", "vfio: error, group is not viable now", Some(&[]));
        check("group is viable", "vfio: error, group is not viable", None);
    }

    #[test]
    fn words_are_captured_as_short_as_the_rest_allows() {
        check("group {n} is not viable", "vfio 0000:06:00.0: group 7 is not viable", Some(&[("n", "7")]));
        check("BAR {n}: can't", "vfio-pci 0000:c3:00.0: BAR 0: can't reserve", Some(&[("n", "0")]));
        check("group {n} is", "group  is", None);
        check("{dev}: Permission denied", "/dev/vfio/1: Permission denied", Some(&[("dev", "/dev/vfio/1")]));
    }

    #[test]
    fn stars_skip_within_the_line() {
        check("failed to set MSR * to", "error: failed to set MSR 0x10a to 0x0", Some(&[]));
        check("a*b*c", "xxaxxcxxb", None);
    }

    #[test]
    fn a_word_is_found_by_whichever_of_its_bytes() {
        let line = "NIC Link is Down, link";
        for word in ["link", "nic", "down,", "is", "k", "link is up", "nic link is down, link, and more"] {
            for rarest in 0..word.len() {
                let stands = line.to_ascii_lowercase().contains(word);
                assert_eq!(holds(line.as_bytes(), word.as_bytes(), rarest), stands, "{word} by {rarest}");
            }
        }
        let asked = Pattern::new("task {name}/QEMU:{pid} blocked for more than").asked;
        assert_eq!(asked.iter().map(|(part, _)| *part).collect::<Vec<_>>(), [2, 0, 4]);
    }

    #[test]
    fn escapes_are_literal() {
        check("\\{\"driver\"", "-blockdev {\"driver\":\"file\"}", Some(&[]));
        assert_eq!(Pattern::anchor("a * longest one {x} b"), " longest one ");
    }

    #[test]
    fn hostile_lines_end_in_bounded_time() {
        let line = "a".repeat(200_000);
        check("a*a*a*a*a*a*b", &line, None);
        check("a{x}b{y}, c", &"ab".repeat(100_000), None);
        check("a({x}, 0x{y} = -22", &"a(".repeat(100_000), None);
    }
}
