//! Texts of one `key: value` or `key = value` a line, which several views share.

use vmwright_model::{Issue, Spanned};

/// Keys with their values, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Key and value of each line.
    pub entries: Vec<Spanned<(String, String)>>,
}

impl Pairs {
    /// Reads lines cut at the first `separator`; what has none, or no key, is an issue. Blank lines, comments
    /// (`#`) and shell prompts (`$`) are passed over.
    pub(crate) fn read(text: &str, separator: char, what: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in crate::lines::lines(text) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', '$']) {
                continue;
            }
            match line.split_once(separator) {
                Some((key, value)) if !key.trim().is_empty() => {
                    let pair = (key.trim().to_owned(), value.trim().to_owned());
                    view.entries.push(Spanned::new(pair, number));
                }
                _ => issues.push(Issue::new(number, format!("not a line of {what}"))),
            }
        }
        (view, issues)
    }

    /// The last value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Spanned<&str>> {
        let found = self.entries.iter().rev().find(|entry| entry.value.0 == key)?;
        Some(Spanned::new(found.value.1.as_str(), found.line))
    }

    /// The first whole number in the last value of a key.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<Spanned<u64>> {
        let found = self.get(key)?;
        let word =
            found.value.split(|letter: char| !letter.is_ascii_digit()).find(|word| !word.is_empty())?;
        Some(Spanned::new(word.parse().ok()?, found.line))
    }
}
