//! Makes an empty directory; takes it away again while it is empty.

use super::{Act, ActionError, World};
use crate::files::{Handle, directory};
use vmwright_model::Action;

/// See [`Action::DirectoryCreate`].
pub(super) struct DirectoryCreate<'a> {
    pub(super) path: &'a str,
    pub(super) mode: u32,
}

impl Act for DirectoryCreate<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        crate::files::Free::look(self.path)?;
        Ok(Action::DirectoryRemove { path: self.path.to_owned(), mode: self.mode })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        directory::make(self.path, self.mode)
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        found(self.path, &[self.mode]).map(drop)
    }
}

/// See [`Action::DirectoryRemove`].
pub(super) struct DirectoryRemove<'a> {
    pub(super) path: &'a str,
    pub(super) mode: u32,
}

impl DirectoryRemove<'_> {
    fn undo(&self) -> Action {
        Action::DirectoryCreate { path: self.path.to_owned(), mode: self.mode }
    }
}

impl Act for DirectoryRemove<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        let handle = found(self.path, &[self.mode])?;
        handle.may_change()?;
        directory::must_be_empty(self.path)?;
        Ok(self.undo())
    }

    /// What later steps put into it is taken back before it; and a crash may have come before it got its mode.
    fn resume(&self, _: &World<'_>) -> Result<Action, ActionError> {
        found(self.path, &[self.mode, directory::AT_FIRST])?.may_change()?;
        Ok(self.undo())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.resume(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        directory::remove(self.path)
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        match crate::files::Free::look(self.path) {
            // With the directory above it is gone too.
            Ok(_) | Err(ActionError::Gone(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The directory, with one of these modes.
fn found(path: &str, modes: &[u32]) -> Result<Handle, ActionError> {
    let handle = Handle::open(path)?;
    let drift =
        |expected: String, found: String| ActionError::Drift { what: path.to_owned(), expected, found };
    if !handle.is_directory() {
        return Err(drift("a directory".to_owned(), "something else".to_owned()));
    }
    if !modes.contains(&handle.mode()) {
        return Err(drift(
            format!("a directory with mode {:04o}", modes[0]),
            format!("one with mode {:04o}", handle.mode()),
        ));
    }
    Ok(handle)
}
