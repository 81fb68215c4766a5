//! Gives a text file its recorded content back.

use super::{Act, ActionError, World};
use crate::files::{self, Content};
use vmwright_model::Action;
use vmwright_plan::canonical::sha256;

/// See [`Action::FileWrite`].
pub(super) struct FileWrite<'a> {
    pub(super) path: &'a str,
    pub(super) from_sha256: &'a str,
    pub(super) text: &'a str,
}

impl FileWrite<'_> {
    fn found(&self) -> Result<Content, ActionError> {
        let content = Content::read(self.path)?;
        let found = sha256(content.text.as_bytes());
        if found != self.from_sha256 {
            return Err(ActionError::Drift {
                what: format!("content of {}", self.path),
                expected: format!("the one with SHA-256 {}", self.from_sha256),
                found: format!("another, with SHA-256 {found}"),
            });
        }
        Ok(content)
    }

    fn undo(&self, content: &Content) -> Action {
        Action::FileWrite {
            path: self.path.to_owned(),
            from_sha256: sha256(self.text.as_bytes()),
            text: content.text.clone(),
        }
    }
}

impl Act for FileWrite<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        let content = self.found()?;
        content.may_replace()?;
        Ok(self.undo(&content))
    }

    fn perform(&self, _: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        let content = self.found()?;
        if self.undo(&content) != *undo {
            return Err(ActionError::OtherUndo);
        }
        content.replace(self.text)
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        let content = Content::read(self.path)?;
        if content.text == self.text {
            return Ok(());
        }
        Err(ActionError::Drift {
            what: format!("content of {}", self.path),
            expected: format!("the restored one, with SHA-256 {}", sha256(self.text.as_bytes())),
            found: format!("another, with SHA-256 {}", sha256(content.text.as_bytes())),
        })
    }

    fn sweep(&self, _: &World<'_>) -> Result<(), ActionError> {
        files::sweep(self.path)
    }
}
