//! What words each match of a pattern has: found out of the pattern, to hold those that stand beside it against.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Words in lower case of which each match has one, in order; none where there are no such words.
pub(super) fn of(text: &str) -> Vec<String> {
    let mut parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build();
    let words = Needed::of(&parser.parse(text).expect("the patterns are compiled by tests")).words;
    let words = words.unwrap_or_default().into_iter();
    let mut words: Vec<String> = words.map(|word| String::from_utf8(word).expect("ASCII")).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// Most words of one pattern.
const MOST: usize = 32;

/// Bytes of the shortest word that tells anything.
const LEAST: usize = 2;

/// Most bytes of a class that are words each; blanks are six, and tell nothing.
const FEW: usize = 5;

/// What a part of a pattern needs.
#[derive(Debug, Default)]
struct Needed {
    /// All that it matches, where these are few words.
    exact: Option<Vec<Vec<u8>>>,
    /// Words of which each match has one.
    words: Option<Vec<Vec<u8>>>,
}

impl Needed {
    fn of(hir: &Hir) -> Self {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Self::exactly(vec![Vec::new()]),
            HirKind::Literal(literal) => Self::exactly(vec![literal.0.to_ascii_lowercase()]),
            HirKind::Class(class) => letters(class).map(Self::exactly).unwrap_or_default(),
            HirKind::Capture(capture) => Self::of(&capture.sub),
            HirKind::Repetition(repeated) if repeated.min == 0 => Self::default(),
            HirKind::Repetition(repeated) => Self { exact: None, ..Self::of(&repeated.sub) },
            HirKind::Concat(parts) => Self::all(parts),
            HirKind::Alternation(parts) => Self::any(parts),
        }
    }

    fn exactly(words: Vec<Vec<u8>>) -> Self {
        let telling = words.iter().all(|word| word.len() >= LEAST);
        Self { words: telling.then(|| words.clone()), exact: Some(words) }
    }

    /// Parts that follow each other: the best words of all runs of parts that are exact, and of the others.
    fn all(parts: &[Hir]) -> Self {
        let (mut run, mut best) = (vec![Vec::new()], None);
        let mut whole = true;
        for part in parts.iter().map(Self::of) {
            let longer = part.exact.as_ref().filter(|exact| run.len() * exact.len() <= MOST).map(|exact| {
                let longer = |word: &Vec<u8>| exact.iter().map(|next| [&word[..], next].concat()).collect();
                run.iter().flat_map(|word| -> Vec<Vec<u8>> { longer(word) }).collect::<Vec<_>>()
            });
            match longer {
                Some(longer) => run = longer,
                None => {
                    whole = false;
                    let before = std::mem::replace(&mut run, vec![Vec::new()]);
                    best = better(better(best, Self::exactly(before).words), part.words);
                }
            }
        }
        let last = Self::exactly(run);
        Self { words: better(best, last.words), exact: last.exact.filter(|_| whole) }
    }

    /// One of several parts.
    fn any(parts: &[Hir]) -> Self {
        let parts: Vec<Self> = parts.iter().map(Self::of).collect();
        let joined = |words: fn(&Self) -> Option<&Vec<Vec<u8>>>| {
            let all: Option<Vec<&Vec<Vec<u8>>>> = parts.iter().map(words).collect();
            all.map(|all| all.into_iter().flatten().cloned().collect::<Vec<_>>())
                .filter(|all| all.len() <= MOST)
        };
        Self { exact: joined(|part| part.exact.as_ref()), words: joined(|part| part.words.as_ref()) }
    }
}

/// The words that tell more: those whose shortest is longer.
fn better(one: Option<Vec<Vec<u8>>>, other: Option<Vec<Vec<u8>>>) -> Option<Vec<Vec<u8>>> {
    let tells = |words: &Option<Vec<Vec<u8>>>| {
        words.as_ref().and_then(|words| words.iter().map(Vec::len).min()).unwrap_or(0)
    };
    if tells(&other) > tells(&one) { other } else { one }
}

/// The bytes of a class in lower case, each once, where they are few.
fn letters(class: &Class) -> Option<Vec<Vec<u8>>> {
    let Class::Bytes(class) = class else { return None };
    let bytes = class.ranges().iter().flat_map(|range| range.start()..=range.end());
    let mut bytes: Vec<u8> = bytes.map(|byte| byte.to_ascii_lowercase()).collect();
    bytes.sort_unstable();
    bytes.dedup();
    (bytes.len() <= FEW).then(|| bytes.into_iter().map(|byte| vec![byte]).collect())
}

#[test]
fn words_are_those_that_no_match_can_lack() {
    for (text, words) in [
        (r"(?i)pass(?:wd|word)[ \t]*=(?P<secret>\S+)", &["passwd", "password"][..]),
        (r"(?P<secret>\bgh[po]_[a-z]{9}|\bA[KS]IA[0-9]{4})", &["akia", "asia", "gho_", "ghp_"]),
        (r"x?key=(?:a|b)", &["key="]),
        (r"(?:long|word)?-pass(?:in|out)?", &["-pass"]),
        (r"[0-9]{6}-[0-9]{6}", &[]),
        (r"(?:a|[0-9]+)x*", &[]),
        ("", &[]),
    ] {
        assert_eq!(of(text), words, "{text}");
    }
}
