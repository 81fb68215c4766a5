//! Each action in words: what it expects, what it does, how it is undone.

use crate::actions;
use vmwright_model::Action;

/// An action in words, lower-case fragments. Values come from the plan and are quoted as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The state that must be found.
    pub expects: String,
    /// What is done.
    pub does: String,
    /// How it is taken back.
    pub undone_by: String,
}

/// `action` in words.
#[must_use]
pub fn words(action: &Action) -> Words {
    actions::of(action).words()
}
