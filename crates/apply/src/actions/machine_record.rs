//! Makes a machine: its record, and what its backend keeps of it; takes both away again.

use super::{Act, ActionError, World};
use crate::{MachineRecord, MachineState};
use vmwright_model::Action;

/// See [`Action::MachineCreate`] and [`Action::MachineDelete`].
pub(super) struct Record<'a> {
    pub(super) machine: &'a str,
    pub(super) backend: &'a str,
    pub(super) text: &'a str,
}

impl Record<'_> {
    fn create(&self) -> Action {
        let (machine, backend) = (self.machine.to_owned(), self.backend.to_owned());
        Action::MachineCreate { machine, backend, text: self.text.to_owned() }
    }

    fn delete(&self) -> Action {
        let (machine, backend) = (self.machine.to_owned(), self.backend.to_owned());
        Action::MachineDelete { machine, backend, text: self.text.to_owned() }
    }

    fn look(&self, world: &World<'_>) -> Result<Option<MachineRecord>, ActionError> {
        world.machines.record(self.machine).map_err(|source| self.error(source))
    }

    fn error(&self, source: crate::MachineError) -> ActionError {
        ActionError::Machine { machine: self.machine.to_owned(), source }
    }

    fn drift(&self, expected: &str, found: String) -> ActionError {
        ActionError::Drift { what: format!("machine {}", self.machine), expected: expected.to_owned(), found }
    }

    fn must_be_absent(&self, world: &World<'_>) -> Result<(), ActionError> {
        match self.look(world)? {
            None => Ok(()),
            Some(found) => Err(self.drift("absent", format!("there, run by {}", found.backend))),
        }
    }

    /// That it is there as it was made; with `half`, also without what its backend keeps.
    fn must_be_there(&self, world: &World<'_>, half: bool) -> Result<(), ActionError> {
        let found =
            self.look(world)?.ok_or_else(|| ActionError::Gone(format!("machine {}", self.machine)))?;
        if found.backend != self.backend {
            return Err(self.drift(&format!("run by {}", self.backend), format!("run by {}", found.backend)));
        }
        if found.text != self.text {
            return Err(self.drift("with the specification that it was made of", "with another".to_owned()));
        }
        match found.state {
            MachineState::Whole => Ok(()),
            MachineState::Half(_) if half => Ok(()),
            MachineState::Half(why) | MachineState::Changed(why) => {
                Err(self.drift("with its backend as it was made", format!("not: {why}")))
            }
        }
    }
}

/// Makes it.
pub(super) struct MachineCreate<'a>(pub(super) Record<'a>);

impl Act for MachineCreate<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.0.must_be_absent(world)?;
        Ok(self.0.delete())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        let Record { machine, backend, text } = self.0;
        world.machines.create(machine, backend, text).map_err(|source| self.0.error(source))
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.0.must_be_there(world, false)
    }
}

/// Takes it away.
pub(super) struct MachineDelete<'a>(pub(super) Record<'a>);

impl Act for MachineDelete<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.0.must_be_there(world, false).map(|()| self.0.create())
    }

    fn resume(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.0.must_be_there(world, true).map(|()| self.0.create())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.resume(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        // One that runs is refused by whoever keeps it.
        world.machines.delete(self.0.machine).map_err(|source| self.0.error(source))
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.0.must_be_absent(world)
    }
}
