//! Where the catalogue's patterns stand in the texts of a reading.

use crate::places::Places;
use crate::plain::{JOINED, Plain};
use crate::scan::{Hits, KEPT, Pass, Scanner};
use crate::{Hit, Pattern, Text};
use std::cell::OnceCell;

/// The places in some texts.
#[derive(Debug)]
pub(crate) struct Marks {
    signs: Hits,
    /// Of words that are no signs, by their number; each is looked for when it is asked for.
    words: OnceCell<Vec<OnceCell<Vec<Hit>>>>,
    /// Of all of them in the texts that are in no table of places.
    long: OnceCell<Hits>,
}

impl Marks {
    /// Of these texts; `pasted` says that somebody chose them.
    pub(crate) fn of(texts: &[Text<'_>], pasted: bool) -> Self {
        let mut pass = pass(Scanner::of_signs(), 0, texts);
        let plain = Plain::of(texts, pasted);
        let signs = if plain.starts.is_empty() {
            pass.finish()
        } else {
            // It holds no remarks of settings.
            pass.with_remarks(false);
            pass.scan(texts.len(), &plain.text, &plain.starts);
            pass.finish().adopted(texts.len(), JOINED, |line| plain.origin(line))
        };
        Self { signs, words: OnceCell::new(), long: OnceCell::new() }
    }

    /// The hits of a pattern of the catalogue, in the order of the texts, which are those that this was made of. The
    /// first of them are those of `places`.
    pub(crate) fn find(&self, pattern: &str, texts: &[Text<'_>], places: &Places) -> &[Hit] {
        if let Some(number) = Scanner::of_signs().index(pattern) {
            return self.signs.of(number);
        }
        let Some(number) = Scanner::of_words().index(pattern) else { return &[] };
        let words = self.words.get_or_init(|| vec![OnceCell::new(); Scanner::of_words().count()]);
        words[number].get_or_init(|| {
            let mut hits = look(pattern, texts, places);
            let (short, scanner) = (places.count(), Scanner::of_words());
            if short < texts.len() {
                hits.extend_from_slice(self.long.get_or_init(|| scan(scanner, short, texts)).of(number));
            }
            hits
        })
    }
}

/// All patterns of a scanner, in one pass over the texts from one on.
fn scan(scanner: &Scanner, from: usize, texts: &[Text<'_>]) -> Hits {
    pass(scanner, from, texts).finish()
}

/// The same, not yet at its end.
fn pass<'s>(scanner: &'s Scanner, from: usize, texts: &[Text<'_>]) -> Pass<'s> {
    let mut pass = scanner.pass();
    for (number, text) in texts.iter().enumerate().skip(from) {
        pass.with_remarks(text.is_settings());
        pass.scan(number, text.whole(), &text.starts);
    }
    pass
}

/// One pattern, where the table says that it can stand.
fn look(pattern: &str, texts: &[Text<'_>], places: &Places) -> Vec<Hit> {
    let (anchor, pattern) = (Pattern::anchor(pattern), Pattern::new(pattern));
    let mut hits = Vec::new();
    for text in places.texts(anchor.as_str()) {
        let found = texts[text].lines_like(&anchor).filter_map(|(line, quote)| {
            let captures = pattern.find(quote)?.into_iter();
            let captures = captures.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            Some(Hit { text, line, captures })
        });
        hits.extend(found.take(KEPT as usize));
    }
    hits
}
