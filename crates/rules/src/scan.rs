//! All patterns of all rules as one automaton, run over each text once.

use crate::{CATALOGUE, Pattern};
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::HashMap;
use std::sync::OnceLock;

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
const KEPT: usize = 16;

/// The automaton and what its words belong to.
#[derive(Debug)]
pub(crate) struct Scanner {
    automaton: AhoCorasick,
    /// For each word of the automaton the patterns whose anchor it is.
    patterns_of: Vec<Vec<usize>>,
    patterns: Vec<Pattern>,
    index_of: HashMap<&'static str, usize>,
}

impl Scanner {
    /// The scanner over every pattern of the catalogue. Built once in a process.
    pub(crate) fn of_catalogue() -> &'static Scanner {
        static SCANNER: OnceLock<Scanner> = OnceLock::new();
        SCANNER.get_or_init(|| {
            Scanner::new(CATALOGUE.iter().flat_map(|entry| {
                let signs = entry.rule.signs.iter();
                let texts = signs.flat_map(|sign| {
                    [sign.text].into_iter().chain(sign.and.iter().copied()).chain(sign.unless.iter().copied())
                });
                texts.chain(entry.rule.words.iter().copied())
            }))
        })
    }

    fn new(texts: impl Iterator<Item = &'static str>) -> Self {
        let mut index_of = HashMap::new();
        let mut patterns = Vec::new();
        let mut words: Vec<String> = Vec::new();
        let mut word_of: HashMap<String, usize> = HashMap::new();
        let mut patterns_of: Vec<Vec<usize>> = Vec::new();
        for text in texts {
            if index_of.contains_key(text) {
                continue;
            }
            let pattern = Pattern::new(text);
            let anchor = pattern.anchor().to_owned();
            if anchor.is_empty() {
                continue;
            }
            index_of.insert(text, patterns.len());
            let word = *word_of.entry(anchor.clone()).or_insert_with(|| {
                words.push(anchor);
                patterns_of.push(Vec::new());
                words.len() - 1
            });
            patterns_of[word].push(patterns.len());
            patterns.push(pattern);
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(&words)
            .expect("the anchors of the catalogue are far below the automaton's limits");
        Self { automaton, patterns_of, patterns, index_of }
    }

    /// The number of a pattern, for [`Hits::of`].
    pub(crate) fn index(&self, text: &str) -> Option<usize> {
        self.index_of.get(text).copied()
    }

    /// Adds the hits of one text. `starts` are the byte offsets at which its lines begin.
    pub(crate) fn scan(&self, number: usize, text: &str, starts: &[usize], hits: &mut Hits) {
        let mut kept = vec![0usize; self.patterns.len()];
        let mut last_line = vec![0u32; self.patterns.len()];
        for found in self.automaton.find_overlapping_iter(text) {
            let line = starts.partition_point(|start| *start <= found.start()) as u32;
            for &pattern in &self.patterns_of[found.pattern().as_usize()] {
                if kept[pattern] >= KEPT || last_line[pattern] == line {
                    continue;
                }
                last_line[pattern] = line;
                let begin = starts[line as usize - 1];
                let end = starts.get(line as usize).copied().unwrap_or(text.len());
                let quote = text[begin..end].trim_end_matches(['\n', '\r']);
                if let Some(captures) = self.patterns[pattern].find(quote) {
                    kept[pattern] += 1;
                    let owned = captures.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
                    hits.by_pattern[pattern].push(Hit { text: number, line, captures: owned.collect() });
                }
            }
        }
    }

    /// An empty result.
    pub(crate) fn hits(&self) -> Hits {
        Hits { by_pattern: vec![Vec::new(); self.patterns.len()] }
    }
}

/// Where the patterns stand.
#[derive(Debug)]
pub(crate) struct Hits {
    by_pattern: Vec<Vec<Hit>>,
}

impl Hits {
    /// The hits of a pattern of the catalogue, in the order of the texts.
    pub(crate) fn of(&self, text: &str) -> &[Hit] {
        Scanner::of_catalogue().index(text).map_or(&[], |pattern| &self.by_pattern[pattern])
    }
}
