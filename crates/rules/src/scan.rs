//! All patterns of all rules, looked for in one pass over each text.

use crate::Pattern;
use crate::patterns::{Numbers, signs, words};
// Its hashes are several times faster than the usual ones, and there are thousands to make at each start.
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;
use std::sync::OnceLock;
use vmwright_scan::{Search, Then, Words};

/// A line in which a pattern stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Index of the text in the reading.
    pub text: usize,
    /// Line, counted from 1.
    pub line: u32,
    /// What the pattern's `{name}`s captured.
    pub captures: Vec<(String, String)>,
}

impl Hit {
    /// What `{name}` captured.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.captures.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// How many lines are kept for one pattern in one text: enough to quote, and a flood cannot fill the memory.
pub(crate) const KEPT: u32 = 16;

/// Looks for many patterns at once: for the longest literal of each, and where that stands, for the whole.
#[derive(Debug)]
pub struct Scanner {
    anchors: Words,
    /// For each anchor the first pattern that has it.
    first: Vec<usize>,
    patterns: Vec<Sought>,
    index_of: FxHashMap<&'static str, usize>,
}

/// One pattern.
#[derive(Debug)]
struct Sought {
    text: &'static str,
    /// Compiled where its anchor stands somewhere: few are.
    compiled: OnceLock<Pattern>,
    /// The next pattern with the same anchor.
    next: Option<usize>,
}

impl Scanner {
    /// The scanner over the signs of the catalogue and their conditions.
    pub fn of_signs() -> &'static Scanner {
        static SIGNS: OnceLock<Scanner> = OnceLock::new();
        SIGNS.get_or_init(|| Scanner::new(signs()))
    }

    /// The scanner over the words that a complaint may have, but for those that are signs too. Many are everyday
    /// words, and few rules ask where they stand in a text.
    pub(crate) fn of_words() -> &'static Scanner {
        static WORDS: OnceLock<Scanner> = OnceLock::new();
        WORDS.get_or_init(|| Scanner::new(words().filter(|word| !Numbers::of_all().is_sign(word))))
    }

    /// A scanner over these patterns. Those without a literal are never found.
    #[must_use]
    pub fn new(texts: impl IntoIterator<Item = &'static str>) -> Self {
        let mut index_of = FxHashMap::default();
        let mut patterns: Vec<Sought> = Vec::new();
        let mut word_of: FxHashMap<String, usize> = FxHashMap::default();
        let (mut first, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        for text in texts {
            let Entry::Vacant(place) = index_of.entry(text) else { continue };
            let anchor = Pattern::anchor(text);
            if anchor.is_empty() {
                continue;
            }
            let number = patterns.len();
            place.insert(number);
            patterns.push(Sought { text, compiled: OnceLock::new(), next: None });
            match word_of.entry(anchor) {
                Entry::Occupied(word) => {
                    let last = &mut last[*word.get()];
                    patterns[*last].next = Some(number);
                    *last = number;
                }
                Entry::Vacant(place) => {
                    place.insert(first.len());
                    first.push(number);
                    last.push(number);
                }
            }
        }
        let mut anchors = vec![String::new(); first.len()];
        for (anchor, word) in word_of {
            anchors[word] = anchor;
        }
        Self { anchors: Words::new(anchors.iter().map(String::as_str)), first, patterns, index_of }
    }

    /// The number of a pattern, for [`Hits::of`].
    pub(crate) fn index(&self, text: &str) -> Option<usize> {
        self.index_of.get(text).copied()
    }

    /// A pass over one text after the other.
    #[must_use]
    pub fn pass(&self) -> Pass<'_> {
        Pass {
            scanner: self,
            search: Search::new(&self.anchors),
            kept: vec![Kept::default(); self.patterns.len()],
            hits: Hits { by_pattern: vec![Vec::new(); self.patterns.len()] },
            texts: 0,
            remarks: false,
        }
    }
}

/// What a pass knows of a pattern in the text at hand.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    /// Which text that is, counted from 1.
    text: u32,
    /// The line that was tried last.
    line: u32,
    /// How many lines were kept.
    lines: u32,
}

/// A pass of a scanner.
#[derive(Debug)]
pub struct Pass<'s> {
    scanner: &'s Scanner,
    search: Search<'s>,
    kept: Vec<Kept>,
    hits: Hits,
    texts: u32,
    /// Whether lines that begin with `#` are remarks, and say nothing.
    remarks: bool,
}

impl Pass<'_> {
    /// Whether lines that begin with `#` are remarks in the texts that come: what stands there says nothing of the host.
    pub(crate) fn with_remarks(&mut self, remarks: bool) {
        self.remarks = remarks;
    }

    /// Adds the hits of one text. `number` is what its hits call it; `starts` are the byte offsets at which its lines
    /// begin.
    pub fn scan(&mut self, number: usize, text: &str, starts: &[usize]) {
        self.texts += 1;
        let Self { scanner, search, kept, hits, texts, remarks } = self;
        let mut near = 0;
        search.run(text, &mut |word, at| {
            let line = lines_to(starts, at, near);
            near = line;
            let begin = starts[line - 1];
            let end = starts.get(line).copied().unwrap_or(text.len());
            let quote = text[begin..end].trim_end_matches(['\n', '\r']);
            let line = line as u32;
            if *remarks && quote.trim_start().starts_with('#') {
                return Then::More;
            }
            let mut then = Then::Enough;
            let mut next = Some(scanner.first[word]);
            while let Some(pattern) = next {
                let kept = &mut kept[pattern];
                if kept.text != *texts {
                    *kept = Kept { text: *texts, line: 0, lines: 0 };
                }
                let sought = &scanner.patterns[pattern];
                next = sought.next;
                if kept.lines >= KEPT {
                    continue;
                }
                if kept.line != line {
                    kept.line = line;
                    let compiled = sought.compiled.get_or_init(|| Pattern::new(sought.text));
                    if let Some(captures) = compiled.find(quote) {
                        kept.lines += 1;
                        let owned =
                            captures.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
                        hits.by_pattern[pattern].push(Hit { text: number, line, captures: owned.collect() });
                    }
                }
                if kept.lines < KEPT {
                    then = Then::More;
                }
            }
            then
        });
    }

    /// What was found.
    #[must_use]
    pub fn finish(self) -> Hits {
        self.hits
    }
}

/// How many lines begin up to a byte, which lies `near` the end of so many. One find lies near the other: a search in
/// all lines of a long log waits for memory at each step.
fn lines_to(starts: &[usize], at: usize, near: usize) -> usize {
    const NEXT: usize = 8;
    const WITHIN: usize = 128;
    if near > 0 && starts[near - 1] <= at {
        // Mostly it is the same line or one of the next.
        let next = starts[near..].iter().take(NEXT).take_while(|start| **start <= at).count();
        if next < NEXT {
            return near + next;
        }
    }
    let (from, to) = (near.saturating_sub(WITHIN), starts.len().min(near + WITHIN));
    let within = from + starts[from..to].partition_point(|start| *start <= at);
    let sure = (within > from || from == 0) && (within < to || to == starts.len());
    if sure { within } else { starts.partition_point(|start| *start <= at) }
}

/// Where the patterns of one scanner stand.
#[derive(Debug)]
pub struct Hits {
    by_pattern: Vec<Vec<Hit>>,
}

impl Hits {
    /// The hits of a pattern by its number, in the order of the texts.
    pub(crate) fn of(&self, pattern: usize) -> &[Hit] {
        &self.by_pattern[pattern]
    }

    /// How many there are of all patterns.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_pattern.iter().map(Vec::len).sum()
    }
}
