//! Messages in other languages, told in the language that signs are written in.
//!
//! libvirt, its clients and the C library print in the language of the user's session; QEMU, Firecracker and the kernel
//! print in English. `translated/<language>.tsv` holds of each message that a sign is about how it is printed there: the
//! message, a tab, the translation, with `{1}` for what the program puts in. They were taken from the `.po` files of
//! libvirt 9.0 and from the `libc.mo` files of the C library 2.36, which later versions keep: of two messages with one
//! translation neither is there, because nobody can tell which was meant.

use crate::Scanner;
use std::collections::HashMap;
use std::sync::OnceLock;

/// The languages, by the names that gettext gives them.
const LANGUAGES: [&str; 7] = [
    include_str!("translated/de.tsv"),
    include_str!("translated/es.tsv"),
    include_str!("translated/fr.tsv"),
    include_str!("translated/ja.tsv"),
    include_str!("translated/pt_BR.tsv"),
    include_str!("translated/ru.tsv"),
    include_str!("translated/zh_CN.tsv"),
];

/// What stands in most lines of translated messages that have nothing but ASCII letters.
pub(crate) const TRACES: [&[u8]; 6] = [b"ehler", b"rreur", b"kann ", b"onnte ", b"rro: ", b"interno:"];

/// The messages of all languages.
struct Translations {
    scanner: Scanner,
    /// The patterns, in an order that is the same at each run.
    patterns: Vec<&'static str>,
    /// The English message of each pattern.
    english: HashMap<&'static str, &'static str>,
}

fn translations() -> &'static Translations {
    static ALL: OnceLock<Translations> = OnceLock::new();
    ALL.get_or_init(|| {
        let rows = LANGUAGES.iter().flat_map(|language| language.lines());
        let english: HashMap<&str, &str> =
            rows.filter_map(|row| row.split_once('\t')).map(|(english, there)| (there, english)).collect();
        let mut patterns: Vec<&str> = english.keys().copied().collect();
        patterns.sort_unstable();
        Translations { scanner: Scanner::new(patterns.iter().copied()), patterns, english }
    })
}

/// The lines of a text that hold translated messages, by number, with these messages in English.
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

/// A line with a message in English instead of its translation.
fn swapped(line: &str, there: &str, english: &str) -> Option<String> {
    let (literals, order) = parts(there);
    let lower = line.to_ascii_lowercase();
    let mut at = 0;
    let mut begin = 0;
    let mut given: Vec<(usize, &str)> = Vec::new();
    for (number, literal) in literals.iter().enumerate() {
        let literal = literal.to_ascii_lowercase();
        // A literal that ends the message, and is empty, leaves all of the line to what stands before it.
        let found =
            if literal.is_empty() && number > 0 { line.len() } else { at + lower[at..].find(&literal)? };
        match number.checked_sub(1) {
            None => begin = found,
            Some(before) => given.push((order[before], &line[at..found])),
        }
        at = found + literal.len();
    }
    let (own, places) = parts(english);
    let mut told = line[..begin].to_owned();
    for (number, literal) in own.iter().enumerate() {
        told.push_str(literal);
        if let Some(place) = places.get(number) {
            told.push_str(given.iter().find(|(which, _)| which == place).map_or("", |(_, what)| what));
        }
    }
    told.push_str(&line[at..]);
    Some(told)
}

/// The literals of a message, and the numbers of what stands between them.
fn parts(message: &str) -> (Vec<String>, Vec<usize>) {
    let (mut literals, mut places) = (vec![String::new()], Vec::new());
    let mut letters = message.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => literals.last_mut().expect("one was put in").extend(letters.next()),
            '{' => {
                let (number, after) = letters.as_str().split_once('}').unwrap_or_default();
                places.push(number.parse().unwrap_or_default());
                literals.push(String::new());
                letters = after.chars();
            }
            other => literals.last_mut().expect("one was put in").push(other),
        }
    }
    (literals, places)
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
    fn each_row_has_a_message_and_a_translation_with_the_same_places() {
        for row in LANGUAGES.iter().flat_map(|language| language.lines()) {
            let (own, there) = row.split_once('\t').expect("a tab");
            let places = |message: &str| {
                let mut places = parts(message).1;
                places.sort_unstable();
                places
            };
            assert_eq!(places(own), places(there), "{row}");
            assert!(!Pattern::anchor(there).is_empty(), "{row}");
            // Filled with words, the translation gives the message back.
            let filled = |message: &str| {
                let (literals, places) = parts(message);
                let word = |at: usize| places.get(at).map_or(String::new(), |place| format!("w{place}x"));
                literals
                    .iter()
                    .enumerate()
                    .map(|(at, literal)| format!("{literal}{}", word(at)))
                    .collect::<String>()
            };
            assert_eq!(swapped(&filled(there), there, own).as_deref(), Some(filled(own).as_str()), "{row}");
        }
    }
}
