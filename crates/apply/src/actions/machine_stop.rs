//! Stops a machine.

use super::{Act, ActionError, World};
use crate::MachineError;
use vmwright_model::Action;

/// See [`Action::MachineStop`].
pub(super) struct MachineStop<'a> {
    pub(super) machine: &'a str,
}

/// Whether the machine runs, or does not, as it must.
pub(super) fn must_be(world: &World<'_>, machine: &str, running: bool) -> Result<(), ActionError> {
    let found = world.machines.running(machine).map_err(|source| error(machine, source))?;
    if found == running {
        return Ok(());
    }
    let word = |running| if running { "running" } else { "stopped" }.to_owned();
    Err(ActionError::Drift {
        what: format!("machine {machine}"),
        expected: word(running),
        found: word(found),
    })
}

pub(super) fn error(machine: &str, source: MachineError) -> ActionError {
    ActionError::Machine { machine: machine.to_owned(), source }
}

impl Act for MachineStop<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        must_be(world, self.machine, true)?;
        Ok(Action::MachineStart { machine: self.machine.to_owned() })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        world.machines.stop(self.machine).map_err(|source| error(self.machine, source))
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        must_be(world, self.machine, false)
    }
}
