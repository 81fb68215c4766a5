//! Lines as people and editors count them.

use memchr::memmem::Finder;
use std::sync::LazyLock;

/// The lines of a text with their numbers, counted from 1. A line ends at `\n`, `\r\n` or a lone `\r` (serial
/// consoles write those); the ending is not part of it.
pub fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    let mut rest = Some(text);
    let mut number = 0;
    std::iter::from_fn(move || {
        let current = rest.filter(|text| !text.is_empty())?;
        number += 1;
        let Some(end) = memchr::memchr2(b'\n', b'\r', current.as_bytes()) else {
            rest = None;
            return Some((number, current));
        };
        let ending = if current.as_bytes()[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = Some(&current[end + ending..]);
        Some((number, &current[..end]))
    })
}

/// Lines that are looked at: enough to know a listing by its habit.
const LOOKED_AT: usize = 64;

/// The first lines that are not blank.
fn first(head: &str) -> impl Iterator<Item = &str> {
    // Nearly every line begins with a letter or a sign: no look at its other end is needed then.
    let blank =
        |line: &str| !line.starts_with(|first: char| first.is_ascii_graphic()) && line.trim().is_empty();
    lines(head).map(|(_, line)| line).filter(move |line| !blank(line)).take(LOOKED_AT)
}

/// How many of the first lines that are not blank fit, and how many were looked at.
pub(crate) fn share(head: &str, fits: impl Fn(&str) -> bool) -> (usize, usize) {
    let (mut hits, mut all) = (0, 0);
    for line in first(head) {
        hits += usize::from(fits(line));
        all += 1;
    }
    (hits, all)
}

/// How many of the lines that [`share`] looks at fit, where they are at least `part` of `whole`; else none. That is told
/// as soon as so many do not fit that it cannot be.
pub(crate) fn most(head: &str, (part, whole): (usize, usize), fits: impl Fn(&str) -> bool) -> usize {
    let (mut hits, mut misses) = (0, 0);
    for line in first(head) {
        if fits(line) {
            hits += 1;
        } else {
            misses += 1;
        }
        if (LOOKED_AT - misses) * whole < LOOKED_AT * part {
            return 0;
        }
    }
    if hits * whole >= (hits + misses) * part { hits } else { 0 }
}

/// The lines of [`str::lines`] in which a word stands, each once. A look through the whole is much faster than one through
/// each line.
pub(crate) fn having<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = &'t str> {
    let (bytes, mut from) = (text.as_bytes(), 0);
    std::iter::from_fn(move || {
        // Made for one look: most texts are so short that to make what finds a word takes longer than the look.
        let at = from + memchr::memmem::find(bytes.get(from..)?, word.as_bytes())?;
        let begin = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |before| before + 1);
        let Some(length) = memchr::memchr(b'\n', &bytes[at..]) else {
            from = bytes.len() + 1;
            return Some(&text[begin..]);
        };
        from = at + length + 1;
        let line = &text[begin..at + length];
        Some(line.strip_suffix('\r').unwrap_or(line))
    })
}

/// What finds the end of a name that a colon and a blank follow: to make it takes longer than to go through a line with it.
static COLON: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(": "));

/// What stands before the first colon that a blank follows, and behind both.
pub(crate) fn colon(line: &str) -> Option<(&str, &str)> {
    let at = COLON.find(line.as_bytes())?;
    Some((&line[..at], &line[at + COLON.needle().len()..]))
}

/// Offsets of the bytes with which lines end.
pub(crate) fn endings(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let ends = bytes.iter().enumerate().filter(|(at, byte)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    });
    ends.map(|(at, _)| at)
}

/// Byte offsets to line numbers, for parsers that give spans.
#[derive(Debug, Clone)]
pub struct LineIndex {
    /// Offset of the first byte of each line after the first.
    starts: Vec<usize>,
}

impl LineIndex {
    /// Reads the text once.
    #[must_use]
    pub fn new(text: &str) -> Self {
        // What ends the last line begins no other one.
        let starts = endings(text).map(|at| at + 1).filter(|start| *start < text.len());
        Self { starts: starts.collect() }
    }

    /// The line of the byte at `offset`, from 1. An offset behind the text gives the last line.
    #[must_use]
    pub fn line(&self, offset: usize) -> u32 {
        let line = self.starts.partition_point(|start| *start <= offset) + 1;
        u32::try_from(line).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::{LineIndex, having, lines, most, share};

    #[test]
    fn most_lines_fit_where_their_share_does() {
        let line = |fits: bool| if fits { "a fit\n" } else { "no\n\n" };
        for count in [0, 1, 2, 3, 5, 30, 63, 64, 65, 200] {
            for every in 1..9 {
                let mixed: String = (0..count).map(|at| line(at % every == 0)).collect();
                let last: String = (0..count).map(|at| line(at >= count / every)).collect();
                for text in [mixed, last] {
                    let (hits, all) = share(&text, |line| line == "a fit");
                    for part in [(2, 3), (1, 2)] {
                        let expect = if hits * part.1 >= all * part.0 { hits } else { 0 };
                        assert_eq!(most(&text, part, |line| line == "a fit"), expect, "{part:?} of {text:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn lines_with_a_word_are_those_that_a_look_at_each_finds() {
        let text = "tock\r\na tick tock tock\n\nno\rtock\n\u{e4}tock\u{e4}\r\nto\nck\ntock\r";
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            for word in ["tock", "no", "\u{e4}", "nowhere"] {
                let found: Vec<&str> = having(&text[..end], word).collect();
                let expect: Vec<&str> = text[..end].lines().filter(|line| line.contains(word)).collect();
                assert_eq!(found, expect, "{word:?} in {:?}", &text[..end]);
            }
        }
        assert_eq!(having("", "x").count(), 0);
    }

    #[test]
    fn offsets_and_lines_agree() {
        let text = "a\nbc\r\nd\re\n\nf";
        let index = LineIndex::new(text);
        for (number, line) in lines(text) {
            let offset = line.as_ptr() as usize - text.as_ptr() as usize;
            assert_eq!(index.line(offset), number, "{line:?}");
        }
        for (text, last) in [("", 1), ("a", 1), ("a\n", 1), ("a\nb\r\n", 2), ("\r\r", 2)] {
            assert_eq!(LineIndex::new(text).line(text.len()), last, "{text:?}");
        }
    }

    #[test]
    fn every_ending_counts_once() {
        let found: Vec<_> = lines("a\nb\r\nc\rd\n\ne").collect();
        assert_eq!(found, [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, ""), (6, "e")]);
        assert_eq!(lines("").count(), 0);
        assert_eq!(lines("\n").collect::<Vec<_>>(), [(1, "")]);
    }
}
