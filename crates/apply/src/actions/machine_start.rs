//! Starts a machine.

use super::machine_stop::{error, must_be};
use super::{Act, ActionError, World};
use vmwright_model::Action;

/// See [`Action::MachineStart`].
pub(super) struct MachineStart<'a> {
    pub(super) machine: &'a str,
}

impl Act for MachineStart<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        must_be(world, self.machine, false)?;
        Ok(Action::MachineStop { machine: self.machine.to_owned() })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        world.machines.start(self.machine).map_err(|source| error(self.machine, source))
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        must_be(world, self.machine, true)
    }
}
