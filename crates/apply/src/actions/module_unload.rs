//! Unloads a kernel module that nothing uses.

use super::module::{modprobe, must_be, users};
use super::{Act, ActionError, World};
use vmwright_model::Action;

/// See [`Action::ModuleUnload`].
pub(super) struct ModuleUnload<'a> {
    pub(super) module: &'a str,
    pub(super) parameters: &'a [String],
}

impl Act for ModuleUnload<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        must_be(world, self.module, true)?;
        let users = users(world, self.module)?;
        if users != "0" {
            return Err(ActionError::Drift {
                what: format!("module {}", self.module),
                expected: "used by nothing".to_owned(),
                found: format!("used by {users}"),
            });
        }
        Ok(Action::ModuleLoad { module: self.module.to_owned(), parameters: self.parameters.to_vec() })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        modprobe(world, &["-r", "--", self.module])
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        must_be(world, self.module, false)
    }
}
