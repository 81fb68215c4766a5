//! Where the catalogue's patterns stand in the texts of a reading. Each is looked for when it is asked for.

use crate::patterns::Numbers;
use crate::places::Places;
use crate::plain::{JOINED, Plain};
use crate::scan::{Hits, KEPT, Scanner};
use crate::{Hit, Pattern, Text};
use memchr::memmem::Finder;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Where patterns stand whose numbers follow each other.
type Found = [OnceLock<Box<[Hit]>>; BLOCK];

/// How many numbers lie together.
const BLOCK: usize = 64;

/// The places in some texts.
#[derive(Debug)]
pub(crate) struct Marks {
    places: Arc<Places>,
    /// The plain forms of lines, and the text and line that each is of.
    plain: (Text<'static>, Vec<(usize, u32)>),
    plain_places: Arc<Places>,
    /// By the pattern's number; none where there is no text. There are thousands, and few stand anywhere.
    found: Vec<OnceLock<Box<Found>>>,
    /// Of signs and of words in the texts that are in no table of places.
    long: [OnceLock<Hits>; 2],
}

impl Marks {
    /// Of these texts, the first of which are those of `places`; `pasted` says that somebody chose them.
    pub(crate) fn of(texts: &[Text<'_>], places: Arc<Places>, pasted: bool) -> Self {
        let (mut forms, of) = Plain::of(texts, pasted).into_text();
        let plain_places = Places::of(std::slice::from_mut(&mut forms));
        let numbers = Numbers::of_all();
        // Mostly nobody complains, and nothing stands in what is not said.
        let nothing = texts.iter().all(|text| text.whole().is_empty());
        let blocks = if nothing { 0 } else { numbers.count().div_ceil(BLOCK) };
        let found = std::iter::repeat_with(OnceLock::new).take(blocks).collect();
        Self { places, plain: (forms, of), plain_places, found, long: Default::default() }
    }

    /// The hits of a pattern of the catalogue, in the order of the texts, which are those that this was made of.
    pub(crate) fn find(&self, pattern: &str, texts: &[Text<'_>]) -> &[Hit] {
        let number = Numbers::of_all().asked(pattern);
        number.map_or(&[], |number| self.find_numbered(number, pattern, texts))
    }

    /// The same of a pattern whose number is known.
    pub(crate) fn find_numbered(&self, number: usize, pattern: &str, texts: &[Text<'_>]) -> &[Hit] {
        let Some(block) = self.found.get(number / BLOCK) else { return &[] };
        let known = block.get().and_then(|block| block[number % BLOCK].get());
        // Most can stand nowhere and are asked for once: to note that would take longer than to tell it again.
        if known.is_none() && !self.can_stand(number, texts) {
            return &[];
        }
        let block = block.get_or_init(|| Box::new([const { OnceLock::new() }; BLOCK]));
        block[number % BLOCK].get_or_init(|| self.look(pattern, &Pattern::anchor(pattern), texts).into())
    }

    /// Whether the pattern of this number can stand anywhere: hardly any sign does, and all are asked for.
    pub(crate) fn can_stand(&self, number: usize, texts: &[Text<'_>]) -> bool {
        let long = self.places.count() < texts.len();
        let can = |places: &Places| Numbers::of_all().can_stand(number, places);
        long || can(&self.places) || can(&self.plain_places)
    }

    fn look(&self, pattern: &str, anchor: &str, texts: &[Text<'_>]) -> Vec<Hit> {
        if anchor.is_empty() {
            return Vec::new();
        }
        let sought = Sought { pattern, anchor, finder: OnceCell::new(), compiled: OnceCell::new() };
        let mut hits = Vec::new();
        for spots in self.places.spots(anchor, || sought.finder()).chunk_by(|one, next| one.0 == next.0) {
            hits.extend(sought.stands(&texts[spots[0].0], spots));
        }
        hits.extend_from_slice(self.in_long(pattern, texts));
        let (forms, of) = &self.plain;
        let spots =
            if of.is_empty() { Vec::new() } else { self.plain_places.spots(anchor, || sought.finder()) };
        if !spots.is_empty() {
            for hit in sought.stands(forms, &spots) {
                let Some((text, line)) = of.get(hit.line as usize - 1).copied() else { continue };
                // Of lines that overlap, each holds what stands in both.
                let known = |other: &Hit| other.text == text && other.line.abs_diff(line) < JOINED;
                if !hits.iter().any(known) {
                    hits.push(Hit { text, line, ..hit });
                }
            }
            hits.sort_by_key(|hit| (hit.text, hit.line));
        }
        hits
    }

    /// Where it stands in the texts that are in no table of places. All patterns are looked for in one pass over these.
    fn in_long(&self, pattern: &str, texts: &[Text<'_>]) -> &[Hit] {
        let short = self.places.count();
        if short == texts.len() {
            return &[];
        }
        let (scanner, hits) = if Numbers::of_all().is_sign(pattern) {
            (Scanner::of_signs(), &self.long[0])
        } else {
            (Scanner::of_words(), &self.long[1])
        };
        let Some(number) = scanner.index(pattern) else { return &[] };
        hits.get_or_init(|| scan(scanner, short, texts)).of(number)
    }
}

/// All patterns of a scanner, in one pass over the texts from one on.
fn scan(scanner: &Scanner, from: usize, texts: &[Text<'_>]) -> Hits {
    let mut pass = scanner.pass();
    for (number, text) in texts.iter().enumerate().skip(from).filter(|(_, text)| !text.is_silent()) {
        pass.with_remarks(text.is_settings());
        pass.scan(number, text.whole(), &text.starts);
    }
    pass.finish()
}

/// A pattern that is looked for.
struct Sought<'p> {
    pattern: &'p str,
    /// Its longest literal.
    anchor: &'p str,
    /// Made where that can stand somewhere: few can.
    finder: OnceCell<Finder<'p>>,
    /// Compiled where it does.
    compiled: OnceCell<Pattern>,
}

impl<'p> Sought<'p> {
    fn finder(&self) -> &Finder<'p> {
        self.finder.get_or_init(|| Finder::new(self.anchor.as_bytes()))
    }

    /// Where it stands in a text, of which these are the spots: no more lines than are kept.
    fn stands(&self, text: &Text<'_>, spots: &[(usize, Range<usize>)]) -> Vec<Hit> {
        if text.is_silent() {
            return Vec::new();
        }
        let number = spots.first().map_or(0, |spot| spot.0);
        let ranges = spots.iter().map(|spot| spot.1.clone()).collect();
        let settings = text.is_settings();
        let found = text.lines_like(self.finder(), ranges).filter_map(|(line, quote)| {
            if settings && quote.trim_start().starts_with('#') {
                return None;
            }
            let captures = self.compiled.get_or_init(|| Pattern::new(self.pattern)).find(quote)?.into_iter();
            let captures = captures.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            Some(Hit { text: number, line, captures })
        });
        found.take(KEPT as usize).collect()
    }
}
