//! Loads a kernel module.

use super::module::{self, modprobe, must_be};
use super::{Act, ActionError, World};
use vmwright_model::Action;

/// See [`Action::ModuleLoad`].
pub(super) struct ModuleLoad<'a> {
    pub(super) module: &'a str,
    pub(super) parameters: &'a [String],
}

impl Act for ModuleLoad<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        must_be(world, self.module, false)?;
        Ok(Action::ModuleUnload { module: self.module.to_owned(), parameters: self.parameters.to_vec() })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        let mut args = vec!["--", self.module];
        args.extend(self.parameters.iter().map(String::as_str));
        modprobe(world, &args)
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        must_be(world, self.module, true)?;
        module::must_have(world, self.module, self.parameters)
    }
}
