//! Patterns of secrets that are compiled where they can match: to compile all takes longer than to look through most
//! texts, and few texts have a word of any.

use memchr::memmem;
use regex::bytes::{Regex, RegexBuilder};
use std::ops::Deref;
use std::sync::OnceLock;

/// A pattern whose group `secret` is what has to go. It is matched against bytes; case counts unless it says
/// otherwise.
#[derive(Debug)]
pub(crate) struct Pattern {
    text: &'static str,
    /// Words in lower case of which each match has one; none where there are no such words.
    words: &'static [&'static str],
    regex: OnceLock<Regex>,
    #[cfg(test)]
    checked: OnceLock<()>,
}

impl Pattern {
    /// `words` are those that the pattern itself tells, in their order: to find them out takes longer than all that is
    /// done with them, so that only tests do.
    pub(crate) const fn new(text: &'static str, words: &'static [&'static str]) -> Self {
        Self {
            text,
            words,
            regex: OnceLock::new(),
            #[cfg(test)]
            checked: OnceLock::new(),
        }
    }

    /// Whether the pattern can match a text, which is given in lower case. Where it says no, the pattern does not.
    pub(crate) fn may_match(&self, lower: &[u8]) -> bool {
        #[cfg(test)]
        self.checked.get_or_init(|| assert_eq!(words::of(self.text), self.words, "{}", self.text));
        self.words.is_empty() || self.words.iter().any(|word| memmem::find(lower, word.as_bytes()).is_some())
    }
}

impl Deref for Pattern {
    type Target = Regex;

    fn deref(&self) -> &Regex {
        self.regex.get_or_init(|| compile(self.text))
    }
}

/// Compiles a pattern. Those of this module are constants, so that a test compiles each.
pub(crate) fn compile(text: &str) -> Regex {
    RegexBuilder::new(text).unicode(false).build().expect("the patterns are compiled by tests")
}

#[cfg(test)]
mod words;
