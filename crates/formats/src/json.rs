//! JSON whose parts know the line on which they stand, so that one of them can be quoted.

use crate::lines::LineIndex;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::rc::Rc;
use vmwright_model::{Issue, Spanned};

/// A value of a JSON text. Each level is read when it is asked for: to look up a few members of each object costs time
/// linear in the text.
#[derive(Debug, Clone)]
pub struct Json<'t> {
    whole: &'t str,
    index: Rc<LineIndex>,
    raw: &'t str,
}

impl<'t> Json<'t> {
    /// Reads a whole text.
    ///
    /// # Errors
    /// Where its syntax is not that of JSON, with the line.
    pub fn read(text: &'t str) -> Result<Self, Issue> {
        let index = LineIndex::new(text);
        let raw: &RawValue = serde_json::from_str(text).map_err(|error| {
            // Where the text ends too early, the line behind its last one is meant.
            let line = u32::try_from(error.line()).unwrap_or(0).min(index.line(text.len()));
            let why = if error.is_eof() { "the JSON ends too early" } else { "a slip in the JSON's syntax" };
            Issue::new(line, why)
        })?;
        Ok(Self { whole: text, index: Rc::new(index), raw: raw.get() })
    }

    fn part(&self, raw: &'t RawValue) -> Self {
        Self { whole: self.whole, index: Rc::clone(&self.index), raw: raw.get() }
    }

    /// The line on which the value begins; for a member of an object that is usually the line of its key too.
    #[must_use]
    pub fn line(&self) -> u32 {
        // A part borrows from the whole text.
        self.index.line(self.raw.as_ptr() as usize - self.whole.as_ptr() as usize)
    }

    /// Members of an object by their keys, the last of equal ones; none of anything else.
    #[must_use]
    pub fn members(&self) -> BTreeMap<String, Json<'t>> {
        let members: BTreeMap<String, &RawValue> = match self.raw.starts_with('{') {
            true => serde_json::from_str(self.raw).unwrap_or_default(),
            false => BTreeMap::new(),
        };
        members.into_iter().map(|(key, raw)| (key, self.part(raw))).collect()
    }

    /// A member of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Json<'t>> {
        self.members().remove(key)
    }

    /// The elements of an array; none of anything else.
    #[must_use]
    pub fn items(&self) -> Vec<Json<'t>> {
        let items: Vec<&RawValue> = match self.raw.starts_with('[') {
            true => serde_json::from_str(self.raw).unwrap_or_default(),
            false => Vec::new(),
        };
        items.into_iter().map(|raw| self.part(raw)).collect()
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.raw.starts_with('{')
    }

    /// Whether it is an array.
    #[must_use]
    pub fn is_array(&self) -> bool {
        self.raw.starts_with('[')
    }

    /// A text.
    #[must_use]
    pub fn text(&self) -> Option<Spanned<String>> {
        self.scalar()
    }

    /// A whole number that is not negative.
    #[must_use]
    pub fn number(&self) -> Option<Spanned<u64>> {
        self.scalar()
    }

    /// A number.
    #[must_use]
    pub fn float(&self) -> Option<Spanned<f64>> {
        self.scalar()
    }

    /// A truth value.
    #[must_use]
    pub fn truth(&self) -> Option<Spanned<bool>> {
        self.scalar()
    }

    fn scalar<T: for<'de> serde::Deserialize<'de>>(&self) -> Option<Spanned<T>> {
        Some(Spanned::new(serde_json::from_str(self.raw).ok()?, self.line()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_know_their_lines() {
        let text =
            "\n{\n  \"a\": {\"b\": [1,\n 2.5]},\n  \"é\": \"x\\n\", \"t\": true,\n  \"a2\":\n   null\n}\n";
        let json = Json::read(text).unwrap();
        let list = json.get("a").and_then(|a| a.get("b")).unwrap();
        let items = list.items();
        assert_eq!(
            (items[0].number(), items[1].float()),
            (Some(Spanned::new(1, 3)), Some(Spanned::new(2.5, 4)))
        );
        assert_eq!(items[1].number(), None);
        assert_eq!(json.get("é").and_then(|value| value.text()), Some(Spanned::new("x\n".to_owned(), 5)));
        assert_eq!(json.get("t").and_then(|value| value.truth()), Some(Spanned::new(true, 5)));
        assert_eq!(json.get("a2").map(|value| value.line()), Some(7));
        assert!(
            json.is_object() && list.is_array() && items[0].members().is_empty() && json.items().is_empty()
        );
        assert_eq!(Json::read("{\n\"a\": 1,\n}").unwrap_err(), Issue::new(3, "a slip in the JSON's syntax"));
        assert_eq!(Json::read("").unwrap_err().what, "the JSON ends too early");
    }
}
