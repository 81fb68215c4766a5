//! Facts as probes write them: a name and a value, as often as there are values.

use vmwright_model::Spanned;

/// The facts of one thing, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(Vec<Spanned<(String, String)>>);

impl Facts {
    pub(crate) fn push(&mut self, fact: &str, value: &str, line: u32) {
        self.0.push(Spanned::new((fact.to_owned(), value.to_owned()), line));
    }

    /// The first value of a fact.
    #[must_use]
    pub fn get(&self, fact: &str) -> Option<Spanned<&str>> {
        self.all(fact).next()
    }

    /// Every value of a fact.
    pub fn all<'a>(&'a self, fact: &str) -> impl Iterator<Item = Spanned<&'a str>> {
        let mine = self.0.iter().filter(move |one| one.value.0 == fact);
        mine.map(|one| Spanned::new(one.value.1.as_str(), one.line))
    }

    /// How many facts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
