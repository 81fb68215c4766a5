//! Changes a file's or directory's owner and group.

use super::{Act, ActionError, World};
use crate::files::Handle;
use vmwright_model::Action;
use vmwright_model::plan::Owner;

/// See [`Action::FileOwner`].
pub(super) struct FileOwner<'a> {
    pub(super) path: &'a str,
    pub(super) from: Owner,
    pub(super) to: Owner,
}

impl FileOwner<'_> {
    fn of(&self, owner: Owner) -> Result<Handle, ActionError> {
        let handle = Handle::open(self.path)?;
        if handle.owner() == owner {
            return Ok(handle);
        }
        let told = |owner: Owner| format!("{}:{}", owner.user, owner.group);
        Err(ActionError::Drift {
            what: format!("the owner of {}", self.path),
            expected: told(owner),
            found: told(handle.owner()),
        })
    }

    fn undo(&self) -> Action {
        Action::FileOwner { path: self.path.to_owned(), from: self.to, to: self.from }
    }
}

impl Act for FileOwner<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        let handle = self.of(self.from)?;
        handle.may_change()?;
        // The kernel takes these bits away with the owner, and giving the owner back does not bring them back.
        if handle.mode() & 0o6000 != 0 {
            return Err(ActionError::NotPermitted {
                path: self.path.to_owned(),
                why: format!(
                    "mode {:04o} has set-id bits, which a change of its owner would lose",
                    handle.mode()
                ),
            });
        }
        Ok(self.undo())
    }

    fn perform(&self, _: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.undo() != *undo {
            return Err(ActionError::OtherUndo);
        }
        self.of(self.from)?.set_owner(self.to)
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        self.of(self.to).map(|_| ())
    }
}
