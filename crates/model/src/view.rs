//! What every typed reading of a text has in common. The readings themselves live in `vmwright-formats`.

use serde::{Deserialize, Serialize};
use std::ops::Deref;

/// A value and the line it stands on, so that a rule can quote its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spanned<T> {
    /// The value as read.
    pub value: T,
    /// Line in the text, counted from 1; 0 where the value has no line of its own (a default).
    pub line: u32,
}

impl<T> Spanned<T> {
    /// A value found at `line`, counted from 1.
    pub fn new(value: T, line: u32) -> Self {
        Self { value, line }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// Something that a view could not read; the rest of the view stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// Line in the text, counted from 1; 0 where it concerns the whole text.
    pub line: u32,
    /// What was wrong there, a lower-case fragment.
    pub what: String,
}

impl Issue {
    /// An issue at `line` (from 1; 0 for the whole text).
    pub fn new(line: u32, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}
