//! Writes a value of the kernel in sysfs.

use super::value::Value;
use super::{Act, ActionError, World};
use vmwright_model::Action;

/// See [`Action::Sysfs`].
pub(super) struct Sysfs<'a> {
    pub(super) path: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
}

impl Sysfs<'_> {
    fn value(&self) -> Value<'_> {
        Value { path: self.path, name: self.path.to_owned() }
    }

    fn undo(&self) -> Action {
        Action::Sysfs { path: self.path.to_owned(), from: self.to.to_owned(), to: self.from.to_owned() }
    }
}

impl Act for Sysfs<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.value().must_be(world, self.from)?;
        Ok(self.undo())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        self.value().write(world, self.to)
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.value().must_be(world, self.to)
    }
}
