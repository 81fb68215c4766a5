//! Where words can stand: one table over all texts that rules go through, so that most questions for a word are
//! answered without a look at the texts.
//!
//! Rules have thousands of signs and words, and hardly any of them stands in a given host's texts. The texts
//! lie one behind the other, cut into chunks of [`CHUNK`] bytes. For each run of [`GRAM`] bytes the table keeps in
//! which chunks it begins, one bit a chunk; a word can only stand where all its runs do. What is left is searched. The
//! case of letters is no part of it, so that both kinds of search are served.
//!
//! The signs are long, and made of syllables that stand everywhere. Of each text the longer run at every fourth byte is
//! kept besides: a word of [`LONG`] bytes or more holds some of them, wherever it stands, and few have just those.

use crate::{Text, Words};
use memchr::memmem::Finder;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a run: few runs of a word stand where the word does not, and short words have one too.
const GRAM: usize = 3;

/// Bytes of a chunk, a power of two.
const CHUNK: usize = 1 << 13;

/// Chunks that one table is for: the bits of its cells.
const CHUNKS: usize = u32::BITS as usize;

/// Cells of a table. 128 KiB of them stay in a processor's own cache, and are sparse for the [`CHUNKS`] chunks.
const CELLS: usize = 1 << 15;

/// How far behind a chunk's end runs count for it too, for the words that begin in it. Of longer words only the
/// beginning decides.
const REACH: usize = 64;

/// Bytes of a longer run.
const RUN: usize = size_of::<u64>();

/// A longer run is kept at every so many bytes of a text.
const STRIDE: usize = 4;

/// From this length on a word holds a whole run that is kept, wherever it stands.
const LONG: usize = RUN + STRIDE - 1;

/// Where words can stand in some texts.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// The longer runs of all texts.
    runs: Runs,
    /// One table for each [`CHUNKS`] chunks.
    tables: Vec<Vec<u32>>,
    /// Where each text begins.
    begins: Vec<usize>,
    /// The texts in lower case.
    lower: String,
}

impl Places {
    /// Of these texts, each of which knows its place then.
    pub(crate) fn of(texts: &mut [Text<'_>]) -> Arc<Self> {
        let mut places = Self::default();
        let begins: Vec<usize> = texts.iter().map(|text| places.add(text.whole())).collect();
        let places = Arc::new(places);
        texts.iter_mut().zip(begins).for_each(|(text, begin)| text.place(&places, begin));
        places
    }

    /// Adds a text behind those that there are, and says where it begins.
    fn add(&mut self, text: &str) -> usize {
        let begin = self.lower.len();
        self.lower.push_str(text);
        self.lower[begin..].make_ascii_lowercase();
        let text = text.as_bytes();
        self.runs.add(text);
        let mut from = 0;
        while from < text.len() {
            let chunk = (begin + from) / CHUNK;
            let next = ((chunk + 1) * CHUNK - begin).min(text.len());
            if self.tables.len() <= chunk / CHUNKS {
                self.tables.push(vec![0; CELLS]);
            }
            let table = &mut self.tables[chunk / CHUNKS];
            let bit = 1 << (chunk % CHUNKS);
            note(table, bit, &text[from..(next + REACH).min(text.len())]);
            from = next;
        }
        self.begins.push(begin);
        begin
    }

    /// The text of this length that begins at `begin`, in lower case.
    pub(crate) fn lower(&self, begin: usize, length: usize) -> &str {
        &self.lower[begin..begin + length]
    }

    /// How many texts there are.
    pub(crate) fn count(&self) -> usize {
        self.begins.len()
    }

    /// The texts in which one of the words can stand, by the order in which they were added.
    pub(crate) fn texts<'w>(&self, words: impl Words<'w>) -> impl Iterator<Item = usize> {
        let mut done = 0;
        let any = |table| words.each().fold(0, |all, word| all | self.chunks(table, word.as_bytes()));
        self.spans(0, self.lower.len(), any).into_iter().flat_map(move |range| {
            let first = self.begins.partition_point(|begin| *begin <= range.start).saturating_sub(1);
            let behind = self.begins.partition_point(|begin| *begin < range.end);
            let texts = first.max(done)..behind;
            done = behind;
            texts
        })
    }

    /// Where a word can begin: a text, by the order in which they were added, and a range of its bytes; in order. `finder`
    /// makes what finds the word in lower case: to make it takes longer than to see that it stands nowhere.
    pub(crate) fn spots<'f>(
        &self,
        word: &str,
        finder: impl Fn() -> &'f Finder<'f>,
    ) -> Vec<(usize, Range<usize>)> {
        let mut spots = Vec::new();
        for mut span in self.spans(0, self.lower.len(), |table| self.chunks(table, word.as_bytes())) {
            // A chunk may have dozens of texts in it, and most of what can stand there does not.
            let to = (span.end + word.len().saturating_sub(1)).min(self.lower.len());
            let Some(before) = finder().find(&self.lower.as_bytes()[span.start..to]) else { continue };
            span.start += before;
            let first = self.begins.partition_point(|begin| *begin <= span.start).saturating_sub(1);
            for (at, begin) in self.begins.iter().enumerate().skip(first) {
                if *begin >= span.end {
                    break;
                }
                let end = self.begins.get(at + 1).copied().unwrap_or(self.lower.len());
                let (from, to) = (span.start.max(*begin), span.end.min(end));
                // There are hundreds of texts that are shorter than most words.
                if from < to && end - begin >= word.len() {
                    spots.push((at, from - begin..to - begin));
                }
            }
        }
        spots
    }

    /// Where a word can begin in the text of this length that begins at `begin`: ranges of its bytes.
    pub(crate) fn ranges(&self, begin: usize, length: usize, word: &[u8]) -> Vec<Range<usize>> {
        self.spans(begin, length, |table| self.chunks(table, word))
    }

    /// Whether a word can stand anywhere, by few looks at the tables: runs that share no byte tell most, and nearly every
    /// sign is ruled out by the first few of them.
    pub(crate) fn can_hold(&self, word: &str) -> bool {
        let word = word.as_bytes();
        if !self.runs.can_hold(word) {
            return false;
        }
        let word = &word[..word.len().min(REACH)];
        let together = |table: &Vec<u32>| {
            let mut chunks = u32::MAX;
            word.as_chunks::<GRAM>().0.iter().all(|run| {
                chunks &= table[cell(hash(*run))];
                chunks != 0
            })
        };
        self.tables.iter().any(together)
    }

    /// [`Places::can_hold`] of a word whose first longer runs are known: hardly any of them is kept.
    pub(crate) fn can_hold_begun(&self, word: &str, runs: &FirstRuns) -> bool {
        self.runs.have(runs) && self.can_hold(word)
    }

    /// The chunks that `wanted` names of each table, as far as they are of the text of this length that begins at
    /// `begin`: ranges of its bytes.
    fn spans(&self, begin: usize, length: usize, wanted: impl Fn(usize) -> u32) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let (first, behind) = (begin / CHUNK, (begin + length).div_ceil(CHUNK));
        for table in first / CHUNKS..behind.div_ceil(CHUNKS) {
            let mut chunks = wanted(table);
            while chunks != 0 {
                let chunk = table * CHUNKS + chunks.trailing_zeros() as usize;
                chunks &= chunks - 1;
                if !(first..behind).contains(&chunk) {
                    continue;
                }
                let from = (chunk * CHUNK).saturating_sub(begin);
                let to = ((chunk + 1) * CHUNK - begin).min(length);
                match ranges.last_mut().filter(|range| range.end == from) {
                    Some(range) => range.end = to,
                    None => ranges.push(from..to),
                }
            }
        }
        ranges
    }

    /// The chunks of a table in which a word can begin, as bits.
    fn chunks(&self, table: usize, word: &[u8]) -> u32 {
        let Some(table) = self.tables.get(table) else { return 0 };
        let mut chunks = u32::MAX;
        for run in word[..word.len().min(REACH)].array_windows() {
            chunks &= table[cell(hash(*run))];
            if chunks == 0 {
                break;
            }
        }
        chunks
    }
}

/// Which longer runs stand in some texts: a bit for each value of a hash.
#[derive(Debug, Default)]
struct Runs {
    bits: Vec<u64>,
}

/// Bits of [`Runs`], as a power of two: 128 KiB, sparse for the runs of a megabyte.
const RUN_BITS: u32 = 20;

impl Runs {
    fn add(&mut self, text: &[u8]) {
        if text.len() < RUN {
            return;
        }
        self.bits.resize(1 << (RUN_BITS - 6), 0);
        let bits = &mut self.bits[..1 << (RUN_BITS - 6)];
        let mut rest = text;
        while let Some(run) = rest.first_chunk::<RUN>() {
            let bit = run_bit(run);
            bits[bit / 64] |= 1 << (bit % 64);
            rest = rest.get(STRIDE..).unwrap_or_default();
        }
    }

    /// Whether one of the first runs of a word is kept, or it is too short to hold one.
    fn have(&self, first: &FirstRuns) -> bool {
        let kept =
            |bit: &u32| self.bits.get(*bit as usize / 64).is_some_and(|bits| bits >> (bit % 64) & 1 == 1);
        first.0.is_none_or(|bits| bits.iter().any(kept))
    }

    /// Whether a word can stand in the texts. If it does, then at one of the first few of its bytes a run begins that is
    /// kept, and so are those that follow.
    fn can_hold(&self, word: &[u8]) -> bool {
        if word.len() < LONG {
            return true;
        }
        if self.bits.is_empty() {
            return false;
        }
        let kept = |run: &[u8]| {
            let bit = run_bit(run);
            self.bits[bit / 64] >> (bit % 64) & 1 == 1
        };
        let last = word.len() - RUN;
        (0..STRIDE).any(|first| (first..last + 1).step_by(STRIDE).all(|at| kept(&word[at..at + RUN])))
    }
}

/// The bits of the longer runs of a word, one of which is kept wherever it stands. To make them takes a look at the word, and
/// there are thousands, which lie in as many places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstRuns(Option<[u32; STRIDE]>);

impl FirstRuns {
    pub(crate) fn of(word: &str) -> Self {
        let word = word.as_bytes();
        let bit = |at: usize| run_bit(&word[at..at + RUN]) as u32;
        Self((word.len() >= LONG).then(|| std::array::from_fn(bit)))
    }
}

/// The bit of a longer run, in either case.
fn run_bit(run: &[u8]) -> usize {
    let bytes = run.try_into().map_or(0, u64::from_le_bytes) | 0x2020_2020_2020_2020;
    // As in `cell`, with the golden ratio of 64 bits.
    (bytes.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - RUN_BITS)) as usize
}

/// Adds a chunk's bit to the cells of all runs of a piece of text.
fn note(table: &mut [u32], bit: u32, piece: &[u8]) {
    // So many at once: of this the compiler makes steps that do eight each.
    const RUNS: usize = 32;
    let table: &mut [u32; CELLS] = table.try_into().expect("every table has that length");
    let mut rest = piece;
    while let Some(block) = rest.first_chunk::<{ RUNS + GRAM - 1 }>() {
        let mut hashes = [0; RUNS];
        hashes.iter_mut().zip(block.array_windows()).for_each(|(mixed, run)| *mixed = hash(*run));
        hashes.into_iter().for_each(|hash| table[cell(hash)] |= bit);
        rest = &rest[RUNS..];
    }
    rest.array_windows().for_each(|run| table[cell(hash(*run))] |= bit);
}

/// The cell of a hash.
fn cell(hash: u16) -> usize {
    usize::from(hash >> (u16::BITS - CELLS.trailing_zeros()))
}

/// The hash of a run.
fn hash(run: [u8; GRAM]) -> u16 {
    // Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, 6.4), of each byte by another number: the
    // high bits are well mixed. One bit is what tells a letter's cases apart; other bytes that it makes equal only cost a
    // look at the text.
    let mixed = |at: usize, by: u16| u16::from(run[at] | 0x20).wrapping_mul(by);
    mixed(0, 0x9E37).wrapping_add(mixed(1, 0x79B1)).wrapping_add(mixed(2, 0xC2B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `ranges` leaves out holds no word: each word that stands in a text is within one.
    #[test]
    fn every_word_that_stands_there_is_found_wherever_it_lies() {
        let filler =
            |length: usize| (0..length).map(|at| char::from(b'a' + (at * 7 % 11) as u8)).collect::<String>();
        let long = "a-word-that-is-longer-than-what-is-kept-of-words-beyond-the-end-of-a-chunk-of-bytes";
        for word in ["Needle", "xy", "xyz", "vfio-pci.ids=", long] {
            for before in [0, 1, CHUNK - word.len(), CHUNK - 3, CHUNK - 1, CHUNK, 40 * CHUNK - 2] {
                let (first, second) = (filler(777), format!("{}{word}{}", filler(before), filler(9000)));
                let mut places = Places::default();
                assert_eq!(places.add(&first), 0);
                let begin = places.add(&second);
                assert_eq!(begin, 777);
                let ranges = places.ranges(begin, second.len(), word.as_bytes());
                assert!(ranges.iter().any(|range| range.contains(&before)), "{word} at {before}: {ranges:?}");
                assert!(ranges.windows(2).all(|two| two[0].end < two[1].start), "{ranges:?}");
                assert!(places.texts(word).any(|text| text == 1));
                let lower = word.to_ascii_lowercase();
                let finder = Finder::new(&lower);
                let spots = places.spots(word, || &finder);
                assert!(spots.iter().any(|(text, range)| *text == 1 && range.contains(&before)), "{spots:?}");
                assert!(places.texts(word.to_ascii_uppercase().as_str()).any(|text| text == 1));
                let elsewhere =
                    word.len() < GRAM || places.ranges(0, first.len(), word.as_bytes()).is_empty();
                assert!(elsewhere || before < CHUNK, "one chunk of two is left out");
            }
        }
    }

    #[test]
    fn texts_that_can_hold_a_word_are_named_once_and_in_order() {
        let mut places = Places::default();
        for at in 0..3000 {
            let word = if at % 1000 == 999 { "the Needle" } else { "" };
            places.add(&format!("{at} {} {word}\n", "hay ".repeat(at % 7)));
            places.add("");
        }
        let found: Vec<usize> = places.texts("Needle").collect();
        assert!([1998, 3998, 5998].iter().all(|text| found.contains(text)), "{found:?}");
        assert!(found.is_sorted_by(|one, next| one < next) && found.len() < 6000, "{}", found.len());
        assert!(places.texts("xy").count() >= 3000, "a short word can stand anywhere");
    }

    /// Nothing that stands there is passed over for a few of its runs, in whatever case it stands.
    #[test]
    fn what_can_stand_is_never_ruled_out_by_its_runs() {
        let mut places = Places::default();
        places.add(&format!("{} Group 7 is NOT viable\n", "hay ".repeat(40_000)));
        let words = "group 7 is not viable";
        let (capitals, longer) = (words.to_ascii_uppercase(), format!("{words} at all"));
        assert!(places.can_hold(&capitals) && !places.can_hold(&longer));
        for (begin, end) in (0..=words.len()).flat_map(|end| (0..=end).map(move |begin| (begin, end))) {
            assert!(places.can_hold(&words[begin..end]), "{}", &words[begin..end]);
        }
        for absent in ["kubevirt.io/", "group 8 is not viable", "hay hay Group hay"] {
            assert!(!places.can_hold(absent), "{absent}");
        }
        assert!(!Places::default().can_hold("kubevirt.io/"), "nothing stands in no text");
    }

    /// A sign of syllables that all stand somewhere is ruled out where they never stand together.
    #[test]
    fn long_words_are_ruled_out_by_their_longer_runs() {
        let texts = ["Operation not permitted", "cannot open", "device not found", "open the device file"];
        for shift in 0..STRIDE {
            let mut places = Places::default();
            for text in texts {
                places.add(&format!("{}{text}", "-".repeat(shift)));
            }
            assert!(texts.iter().all(|text| places.can_hold(text)));
            for absent in ["cannot open the device", "device not permitted", "operation not found"] {
                assert!(places.chunks(0, absent.as_bytes()) != 0, "its short runs all stand: {absent}");
                assert!(!places.can_hold(absent), "{absent}");
            }
        }
    }

    #[test]
    fn texts_that_are_shorter_than_a_word_are_no_spots_of_it() {
        let mut places = Places::default();
        for text in ["on\n", "the needle\n", "needle", "needl"] {
            places.add(text);
        }
        let finder = Finder::new("needle");
        let spots = places.spots("needle", || &finder);
        assert_eq!(spots.iter().map(|(text, _)| *text).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn what_stands_nowhere_is_hardly_looked_for() {
        let mut places = Places::default();
        let text: String =
            (0..20_000).map(|at| format!("[{at}] br0: port {at}(vnet) entered disabled state\n")).collect();
        let begin = places.add(&text);
        for word in ["MASQUERADE", "<emulator>", "vfio-pci", "kubevirt.io/"] {
            assert_eq!(places.texts(word).count(), 0, "{word}");
            assert!(places.ranges(begin, text.len(), word.as_bytes()).is_empty());
        }
        assert_eq!(places.texts(["MASQUERADE", "entered disabled"]).collect::<Vec<_>>(), [0]);
        assert_eq!(Places::default().texts("entered").count(), 0);
    }
}
