//! Finds many words in a text in one pass, in either case.
//!
//! Of each word a few grams (runs of 2 to 8 bytes) are kept in a bit filter, those that the fewest other words have.
//! The text is sampled: a gram of a word of 11 bytes or more lies at one of any four neighbouring places, so every
//! fourth place is looked at, hashed, and nearly always found to be in no word. Only where the filter says yes are
//! words compared. That makes no table that grows with the product of words and their lengths, so that building it
//! takes well under a microsecond a word, and a text is read at the same speed whether there are a thousand words or
//! a hundred thousand.

mod class;

use class::{CLASSES, Class, Place};
use std::ops::Range;

/// Bytes of a text that all classes go through before the next are touched: they stay in the second cache, and each class's
/// filter comes into the first as seldom as that allows.
const CHUNK: usize = 32 * 1024;

/// The words.
#[derive(Debug)]
pub struct Words {
    /// All words, one behind the other, in lower case.
    text: Vec<u8>,
    /// Where each word ends in `text`.
    ends: Vec<u32>,
    /// How usual each pair of letters is.
    usual: Vec<u8>,
    classes: Vec<Class>,
}

impl Words {
    /// Makes ready to look for `words`. ASCII letters match in either case. A word is known by its place in the
    /// list; an empty one is never found.
    #[must_use]
    pub fn new<'w>(words: impl IntoIterator<Item = &'w str>) -> Self {
        Self::of(&mut words.into_iter(), class::fast::is_there())
    }

    /// [`Words::new`]; `fast` only where the processor is so ([`class::fast::is_there`]). Not generic: what is would be
    /// compiled with the crate that calls it, and so, in a build for tests, unoptimised with all the search.
    fn of(words: &mut dyn Iterator<Item = &str>, fast: bool) -> Self {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        for word in words {
            text.extend(word.bytes().map(|byte| byte.to_ascii_lowercase()));
            ends.push(u32::try_from(text.len()).expect("the words are far below 4 GiB"));
        }
        let usual = class::usual(&text);
        let mut made = Self { text, ends, usual, classes: Vec::new() };
        made.classes = CLASSES.iter().map(|shape| Class::new(*shape, &made, fast)).collect();
        made
    }

    /// How many words there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn word(&self, number: usize) -> &[u8] {
        let begin = number.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.text[begin..self.ends[number] as usize]
    }
}

/// What the caller wants after a word was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// All further places of this word.
    More,
    /// No more of this word in this text. What stands in every line then costs nothing more.
    Enough,
}

/// A search through one text after the other.
#[derive(Debug)]
pub struct Search<'w> {
    words: &'w Words,
    /// Each class's filter, without the bits of words of which the caller has enough.
    filters: Vec<Vec<u8>>,
    /// The cells from which bits were taken, to be put back for the next text: class and bytes of its filter.
    taken: Vec<(usize, Range<usize>)>,
    /// Which text, counted from 1, has had enough of a word.
    enough: Vec<u32>,
    text: u32,
    /// What a filter let through of the part of a text at hand.
    let_through: Vec<Place>,
    /// Where words are likely to stand there: the first byte, and the number of one of its grams in its class.
    likely: Vec<(usize, u32)>,
}

impl<'w> Search<'w> {
    /// A search for these words.
    #[must_use]
    pub fn new(words: &'w Words) -> Self {
        let filters = words.classes.iter().map(|class| class.filter.clone()).collect();
        let (let_through, likely) = (Vec::new(), Vec::new());
        Self { words, filters, taken: Vec::new(), enough: vec![0; words.len()], text: 0, let_through, likely }
    }

    /// Tells `found` of every place in `text` where a word stands: the word's number and its first byte. Places of
    /// one word come in their order, and each once.
    pub fn run(&mut self, text: &str, found: &mut dyn FnMut(usize, usize) -> Then) {
        let (text, words) = (text.as_bytes(), self.words);
        self.text += 1;
        let mut from = 0;
        while from < text.len() {
            let to = text.len().min(from + CHUNK);
            for (number, class) in words.classes.iter().enumerate() {
                if !class.is_empty() {
                    (class.through)(self, number, text, from, to, found);
                }
            }
            from = to;
        }
        for (class, cell) in self.taken.drain(..) {
            self.filters[class][cell.clone()].copy_from_slice(&words.classes[class].filter[cell]);
        }
    }
}

#[cfg(test)]
mod tests;
