//! Where the catalogue's patterns stand in the texts of a reading.

use crate::Hit;
use crate::Text;
use crate::scan::{Hits, Scanner};
use std::cell::OnceCell;

/// The places in some texts.
#[derive(Debug)]
pub(crate) struct Marks {
    signs: Hits,
    /// Of words that are no signs; looked for when the first is asked for.
    words: OnceCell<Hits>,
}

impl Marks {
    pub(crate) fn of(texts: &[Text<'_>]) -> Self {
        Self { signs: scan(Scanner::of_signs(), texts), words: OnceCell::new() }
    }

    /// The hits of a pattern of the catalogue, in the order of the texts, which are those that this was made of.
    pub(crate) fn find(&self, pattern: &str, texts: &[Text<'_>]) -> &[Hit] {
        if let Some(number) = Scanner::of_signs().index(pattern) {
            return self.signs.of(number);
        }
        let words = || self.words.get_or_init(|| scan(Scanner::of_words(), texts));
        Scanner::of_words().index(pattern).map_or(&[], |number| words().of(number))
    }
}

fn scan(scanner: &Scanner, texts: &[Text<'_>]) -> Hits {
    let mut pass = scanner.pass();
    for (number, text) in texts.iter().enumerate() {
        pass.scan(number, text.whole(), &text.starts);
    }
    pass.finish()
}
