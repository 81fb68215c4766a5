//! Errors of the system in other languages, told in the language that signs are written in.
//!
//! libvirt and its clients print in the language of the user's session, and in the midst of what they print stands, in
//! that language too, what the C library says of an error. QEMU, Firecracker and the kernel print in English.
//! `translated.tsv` holds how `strerror` of the C library 2.36 says the errors that signs are about: the language by
//! gettext's name for it, the English words, the words there. Of two errors with one translation neither is there.

use crate::Scanner;
use std::collections::HashMap;
use std::sync::OnceLock;

/// A row for each error in each language.
const TABLE: &str = include_str!("translated.tsv");

/// What stands in most lines of translated messages that have nothing but ASCII letters.
pub(crate) const TRACES: [&[u8]; 6] = [b"ehler", b"rreur", b"kann ", b"onnte ", b"rro: ", b"interno:"];

/// The errors in all languages.
struct Translations {
    scanner: Scanner,
    /// The patterns, in an order that is the same at each run.
    patterns: Vec<&'static str>,
    /// The English words of each pattern.
    english: HashMap<&'static str, &'static str>,
}

fn translations() -> &'static Translations {
    static ALL: OnceLock<Translations> = OnceLock::new();
    ALL.get_or_init(|| {
        let english: HashMap<&str, &str> = rows().map(|(_, english, there)| (there, english)).collect();
        let mut patterns: Vec<&str> = english.keys().copied().collect();
        patterns.sort_unstable();
        Translations { scanner: Scanner::new(patterns.iter().copied()), patterns, english }
    })
}

/// Language, English words, words there.
fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    TABLE.lines().filter_map(|row| {
        let (language, rest) = row.split_once('\t')?;
        let (english, there) = rest.split_once('\t')?;
        Some((language, english, there))
    })
}

/// The lines of a text that hold translated errors, by number, with these errors in English.
pub(crate) fn english(text: &str, starts: &[usize]) -> Vec<(u32, String)> {
    let all = translations();
    let mut pass = all.scanner.pass();
    pass.scan(0, text, starts);
    let hits = pass.finish();
    // Most texts with a letter of another alphabet hold no message: a name is written with it.
    if hits.count() == 0 {
        return Vec::new();
    }
    let mut lines: HashMap<u32, Vec<&'static str>> = HashMap::new();
    for &pattern in &all.patterns {
        let Some(number) = all.scanner.index(pattern) else { continue };
        hits.of(number).iter().for_each(|hit| lines.entry(hit.line).or_default().push(pattern));
    }
    let mut told: Vec<(u32, String)> = lines
        .into_iter()
        .filter_map(|(number, mut patterns)| {
            // The longest first: it may hold others.
            patterns.sort_by_key(|pattern| (std::cmp::Reverse(pattern.len()), *pattern));
            let begin = *starts.get(number as usize - 1)?;
            let end = starts.get(number as usize).copied().unwrap_or(text.len());
            let mut line = text[begin..end].trim_end_matches(['\n', '\r']).to_owned();
            for pattern in patterns {
                if let Some(changed) = swapped(&line, pattern, all.english[pattern]) {
                    line = changed;
                }
            }
            Some((number, line))
        })
        .collect();
    told.sort();
    told
}

/// A line with an error in English instead of its translation.
fn swapped(line: &str, there: &str, english: &str) -> Option<String> {
    let at = line.to_ascii_lowercase().find(&there.to_ascii_lowercase())?;
    Some(format!("{}{english}{}", &line[..at], &line[at + there.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pattern;

    fn told(line: &str) -> Option<String> {
        english(line, &[0]).pop().map(|(_, line)| line)
    }

    #[test]
    fn messages_are_told_in_english() {
        for (line, expect) in [
            ("Fehler: Datei /a/b: Keine Berechtigung", "Fehler: Datei /a/b: Permission denied"),
            ("错误：/var/lib/a.img: 权限不够", "错误：/var/lib/a.img: Permission denied"),
        ] {
            assert_eq!(told(line).as_deref(), Some(expect));
        }
        assert_eq!(told("error: Permission denied"), None);
    }

    #[test]
    fn each_row_tells_of_one_error() {
        let mut known = std::collections::BTreeSet::new();
        for (language, english, there) in rows() {
            assert!(known.insert((language, there)), "{language} {there}");
            assert_eq!(Pattern::anchor(there), there.to_ascii_lowercase(), "plain words: {there}");
            assert_eq!(told(&format!("virsh: {there}.")), Some(format!("virsh: {english}.")));
        }
        assert_eq!(known.len(), TABLE.lines().count(), "every row was read");
    }
}
