//! Parameters of the kernel: GRUB's defaults, entries of the boot loader specification, `/etc/kernel/cmdline`.

use super::shell::{self, Quote};
use super::{EditError, Found, Splice, last_line, line_at, lines, name_of, of_name, same_name, words};
use std::ops::Range;

/// Parameter `name` in the last assignment of `variable`; GRUB's configuration is read by a shell.
pub(super) fn grub(text: &str, variable: &str, name: &str) -> Result<Vec<Found>, EditError> {
    let Some(assignment) = shell::last(text, variable)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (at, piece) in assignment.pieces.iter().enumerate() {
        let inner = &text[piece.inner.clone()];
        // A word that goes on in the next piece is one for the kernel, and has a quote in its middle here.
        let torn = |range: &Range<usize>| {
            let glued = |neighbour: Option<&shell::Piece>, outer: bool| {
                outer && neighbour.is_some_and(|other| !other.inner.is_empty())
            };
            glued(
                at.checked_sub(1).and_then(|at| assignment.pieces.get(at)),
                range.start == piece.inner.start,
            ) || glued(assignment.pieces.get(at + 1), range.end == piece.inner.end)
        };
        for word in split(inner, piece.inner.start, piece.quote) {
            if !same_name(&own_name(&text[word.clone()]), name) {
                continue;
            }
            let written = |how| EditError::Written { line: line_at(text, word.start), how };
            if torn(&word) {
                return Err(written("several quotes in one word"));
            }
            if text[word.clone()].contains(['\\', '"', '$', '`']) {
                return Err(written("escapes or substitutions"));
            }
            found.push(super::found(text, word));
        }
    }
    Ok(found)
}

/// The words of a piece. Outside of single quotes a line end that is escaped is none at all (POSIX, 2.2.1).
fn split(inner: &str, offset: usize, quote: Quote) -> Vec<Range<usize>> {
    const JOINED: &str = "\\\n";
    if quote == Quote::Single || !inner.contains(JOINED) {
        return words(inner, offset);
    }
    // Of the same length, so that offsets stay: a letter joins as nothing does.
    let trim = |range: Range<usize>| {
        let word = &inner[range.start - offset..range.end - offset];
        let front = word.len() - word.trim_start_matches(JOINED).len();
        let back = word.len() - word.trim_end_matches(JOINED).len();
        (front < word.len()).then(|| range.start + front..range.end - back)
    };
    words(&inner.replace(JOINED, "\\\\"), offset).into_iter().filter_map(trim).collect()
}

/// The name of a word, escaped line ends taken out.
fn own_name(word: &str) -> String {
    name_of(word).replace("\\\n", "")
}

/// Where a parameter is put that `variable` does not have.
pub(super) fn grub_insertion(text: &str, variable: &str, to: &str) -> Result<Vec<Splice>, EditError> {
    match shell::last(text, variable)? {
        None => Ok(vec![last_line(text, &format!("{variable}=\"{to}\""))]),
        Some(assignment) => shell::with_word(text, &assignment, to, ""),
    }
}

/// Parameter `name` in the `options` lines of an entry (UAPI.1 Boot Loader Specification: their values are joined).
pub(super) fn entry(text: &str, name: &str) -> Vec<Found> {
    options(text).flat_map(|(offset, value)| of_name(text, &words(value, offset), name)).collect()
}

pub(super) fn entry_insertion(text: &str, to: &str) -> Vec<Splice> {
    match options(text).last() {
        Some((offset, value)) => vec![(offset + value.trim_end().len(), format!(" {to}"))],
        None => vec![last_line(text, &format!("options {to}"))],
    }
}

/// The values of an entry's `options` lines, with their offsets.
fn options(text: &str) -> impl Iterator<Item = (usize, &str)> {
    lines(text).filter_map(|(start, line)| {
        let rest = line.trim_start().strip_prefix("options")?;
        rest.starts_with([' ', '\t']).then(|| (start + line.len() - rest.len(), rest))
    })
}

/// Parameter `name` in `/etc/kernel/cmdline`: words on any number of lines, and comments.
pub(super) fn cmdline(text: &str, name: &str) -> Vec<Found> {
    content(text).flat_map(|(start, line)| of_name(text, &words(line, start), name)).collect()
}

pub(super) fn cmdline_insertion(text: &str, to: &str) -> Vec<Splice> {
    match content(text).last() {
        Some((start, line)) => vec![(start + line.trim_end().len(), format!(" {to}"))],
        None => vec![last_line(text, to)],
    }
}

fn content(text: &str) -> impl Iterator<Item = (usize, &str)> {
    lines(text).filter(|(_, line)| !line.trim_start().starts_with('#') && !line.trim().is_empty())
}
