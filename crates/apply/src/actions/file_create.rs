//! Makes a text file where there is none.

use super::{Act, ActionError, World};
use crate::files::{self, Content, Free};
use vmwright_model::Action;
use vmwright_plan::canonical::sha256;

/// See [`Action::FileCreate`].
pub(super) struct FileCreate<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) mode: u32,
}

impl FileCreate<'_> {
    fn undo(&self) -> Action {
        Action::FileRemove { path: self.path.to_owned(), from_sha256: sha256(self.text.as_bytes()) }
    }
}

impl Act for FileCreate<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        Free::look(self.path)?;
        Ok(self.undo())
    }

    fn perform(&self, _: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.undo() != *undo {
            return Err(ActionError::OtherUndo);
        }
        Free::look(self.path)?.create(self.text, self.mode)
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        let content = Content::read(self.path)?;
        let drift = |what: &str, expected: String, found: String| {
            Err(ActionError::Drift { what: format!("{what} of {}", self.path), expected, found })
        };
        if content.text != self.text {
            let found = sha256(content.text.as_bytes());
            return drift("content", format!("SHA-256 {}", sha256(self.text.as_bytes())), found);
        }
        if content.mode() != self.mode {
            return drift("the mode", format!("{:04o}", self.mode), format!("{:04o}", content.mode()));
        }
        Ok(())
    }

    fn sweep(&self, _: &World<'_>) -> Result<(), ActionError> {
        files::sweep(self.path)
    }
}
