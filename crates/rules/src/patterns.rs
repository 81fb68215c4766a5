//! All patterns that the catalogue has.

use crate::places::{CELLS, Cell, cells};
use crate::{CATALOGUE, Entry, Pattern};
// Its hashes are several times faster than the usual ones, and there are thousands to make at each start.
use rustc_hash::FxHashMap;
use std::sync::OnceLock;

/// Each has a number.
#[derive(Debug)]
pub(crate) struct Numbers {
    of: FxHashMap<&'static str, usize>,
    /// The same by where a pattern lies: they are constants, so that its letters need not be looked at.
    at: FxHashMap<(usize, usize), usize>,
    /// How many of them are signs, which come first.
    signs: usize,
    /// The longest literal of each, made when it is first asked for.
    anchors: Vec<OnceLock<String>>,
    /// The numbers of each rule's messages, in the order of its signs.
    rows: Vec<Vec<u32>>,
    /// Of each sign the cells of its longest literal's rarest runs, and where they end.
    rare: (Vec<Cell>, Vec<u32>),
}

/// How many runs of a literal tell that it stands nowhere: more of them seldom tell more, and each is a look at memory.
const TELLING: usize = 6;

impl Numbers {
    pub(crate) fn of_all() -> &'static Self {
        static ALL: OnceLock<Numbers> = OnceLock::new();
        ALL.get_or_init(|| {
            let (mut of, mut at) = (FxHashMap::default(), FxHashMap::default());
            let mut add = |pattern: &'static str| {
                let next = of.len();
                let number = *of.entry(pattern).or_insert(next);
                at.insert(place(pattern), number);
                number
            };
            let signs = signs().map(&mut add).max().map_or(0, |last| last + 1);
            for pattern in words() {
                add(pattern);
            }
            let row = |entry: &Entry| {
                let number = |text: &'static str| of.get(text).map_or(0, |number| *number as u32);
                entry.rule.signs.iter().map(|sign| number(sign.text)).collect()
            };
            let rows = CATALOGUE.iter().map(row).collect();
            let mut anchors = vec![OnceLock::new(); of.len()];
            for (pattern, number) in of.iter().filter(|(_, number)| **number < signs) {
                anchors[*number] = Pattern::anchor(pattern).into();
            }
            let rare = rare(anchors[..signs].iter().filter_map(OnceLock::get));
            Self { of, at, signs, anchors, rows, rare }
        })
    }

    /// The numbers of the messages of a rule's signs, in their order; none of a rule that is not in the catalogue.
    pub(crate) fn row(&self, entry: &'static Entry) -> &[u32] {
        CATALOGUE.element_offset(entry).map_or(&[], |at| &self.rows[at])
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
        self.at.get(&place(pattern)).or_else(|| self.of.get(pattern)).copied()
    }

    /// The longest literal of the pattern with this number (see [`Pattern::anchor`]).
    pub(crate) fn anchor(&self, number: usize, pattern: &str) -> &str {
        self.anchors[number].get_or_init(|| Pattern::anchor(pattern))
    }

    /// Whether it is a sign or the condition of one.
    pub(crate) fn is_sign(&self, pattern: &str) -> bool {
        self.of(pattern).is_some_and(|number| number < self.signs)
    }
}

/// The cells of each literal's runs that the fewest others have, and where those of each end.
fn rare<'a>(anchors: impl Iterator<Item = &'a String> + Clone) -> (Vec<Cell>, Vec<u32>) {
    let mut shared = vec![0u32; CELLS];
    let all = anchors.clone().flat_map(|anchor| cells(anchor.as_bytes()));
    all.for_each(|cell| shared[usize::from(cell)] += 1);
    let (mut kept, mut ends) = (Vec::new(), Vec::new());
    let mut mine: Vec<(u32, Cell)> = Vec::new();
    for anchor in anchors {
        mine.clear();
        mine.extend(cells(anchor.as_bytes()).map(|cell| (shared[usize::from(cell)], cell)));
        if mine.len() > TELLING {
            mine.select_nth_unstable(TELLING);
            mine.truncate(TELLING);
        }
        kept.extend(mine.iter().map(|(_, cell)| *cell));
        ends.push(kept.len() as u32);
    }
    (kept, ends)
}

/// Where a text lies, and its bytes.
fn place(text: &str) -> (usize, usize) {
    (text.as_ptr() as usize, text.len())
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
