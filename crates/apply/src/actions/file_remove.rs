//! Takes a text file away.

use super::{Act, ActionError, World};
use crate::files::{Content, Free};
use vmwright_model::Action;
use vmwright_plan::canonical::sha256;

/// See [`Action::FileRemove`].
pub(super) struct FileRemove<'a> {
    pub(super) path: &'a str,
    pub(super) from_sha256: &'a str,
}

impl FileRemove<'_> {
    fn found(&self) -> Result<Content, ActionError> {
        let content = Content::read(self.path)?;
        let found = sha256(content.text.as_bytes());
        if found == self.from_sha256 {
            return Ok(content);
        }
        Err(ActionError::Drift {
            what: format!("content of {}", self.path),
            expected: format!("the one with SHA-256 {}", self.from_sha256),
            found: format!("another, with SHA-256 {found}"),
        })
    }

    fn undo(&self, content: &Content) -> Action {
        Action::FileCreate { path: self.path.to_owned(), text: content.text.clone(), mode: content.mode() }
    }
}

impl Act for FileRemove<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        let content = self.found()?;
        content.may_replace()?;
        content.is_plain()?;
        Ok(self.undo(&content))
    }

    fn perform(&self, _: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        let content = self.found()?;
        content.is_plain()?;
        if self.undo(&content) != *undo {
            return Err(ActionError::OtherUndo);
        }
        content.remove()
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        Free::look(self.path).map(|_| ())
    }
}
