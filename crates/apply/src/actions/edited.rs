//! Actions that change one thing in a text file: read, edited, written anew, and taken back byte for byte.

use super::{Act, ActionError, World};
use crate::files::{self, Content};
use vmwright_model::Action;
use vmwright_plan::canonical::sha256;

/// An action that changes one thing in a text.
pub(super) trait Edit {
    /// The file.
    fn path(&self) -> &str;

    /// The text with the change, provided it is as expected before.
    fn edited(&self, text: &str) -> Result<String, ActionError>;

    /// That a text has the change.
    fn holds(&self, text: &str) -> Result<(), ActionError>;
}

/// Carries an [`Edit`] out.
pub(super) struct Edited<E>(pub(super) E);

impl<E: Edit> Edited<E> {
    /// The file, and the text that it shall have.
    fn edited(&self) -> Result<(Content, String), ActionError> {
        let content = Content::read(self.0.path())?;
        let text = self.0.edited(&content.text)?;
        Ok((content, text))
    }

    /// The whole text is recorded: a line that was taken away cannot be put back byte for byte from its value alone.
    fn undo(&self, content: &Content, text: &str) -> Action {
        Action::FileWrite {
            path: self.0.path().to_owned(),
            from_sha256: sha256(text.as_bytes()),
            text: content.text.clone(),
        }
    }
}

impl<E: Edit> Act for Edited<E> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        let (content, text) = self.edited()?;
        content.may_replace()?;
        Ok(self.undo(&content, &text))
    }

    fn perform(&self, _: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        let (content, text) = self.edited()?;
        if self.undo(&content, &text) != *undo {
            return Err(ActionError::Drift {
                what: format!("content of {}", self.0.path()),
                expected: "what was read before this step was announced".to_owned(),
                found: "another content".to_owned(),
            });
        }
        content.replace(&text)
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        self.0.holds(&Content::read(self.0.path())?.text)
    }

    fn sweep(&self, _: &World<'_>) -> Result<(), ActionError> {
        files::sweep(self.0.path())
    }
}
