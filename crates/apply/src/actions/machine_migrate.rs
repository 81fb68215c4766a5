//! Moves a running machine to another host. Nobody here can bring it back: what is recorded for the undo says so.

use super::machine_stop::{error, must_be};
use super::{Act, ActionError, World};
use vmwright_model::Action;

/// See [`Action::MachineMigrate`].
pub(super) struct MachineMigrate<'a> {
    pub(super) machine: &'a str,
    pub(super) to: &'a str,
}

impl Act for MachineMigrate<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        must_be(world, self.machine, true)?;
        Ok(Action::MachineReturn { machine: self.machine.to_owned(), to: self.to.to_owned() })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        world.machines.migrate(self.machine, self.to).map_err(|source| error(self.machine, source))
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        must_be(world, self.machine, false)
    }
}

/// See [`Action::MachineReturn`].
pub(super) struct MachineReturn<'a> {
    pub(super) machine: &'a str,
    pub(super) to: &'a str,
}

impl Act for MachineReturn<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        match must_be(world, self.machine, true) {
            Ok(()) => Ok(Action::MachineMigrate { machine: self.machine.to_owned(), to: self.to.to_owned() }),
            Err(ActionError::Drift { .. }) => {
                Err(ActionError::Away { machine: self.machine.to_owned(), to: self.to.to_owned() })
            }
            Err(error) => Err(error),
        }
    }

    fn perform(&self, world: &World<'_>, _: &Action) -> Result<(), ActionError> {
        self.expect(world).map(drop)
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.expect(world).map(drop)
    }
}
