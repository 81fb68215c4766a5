//! Sets a value of a running QEMU.

use super::{Act, ActionError, World};
use vmwright_model::Action;
use vmwright_model::plan::QmpValue;

/// See [`Action::Qmp`].
pub(super) struct Qmp<'a> {
    pub(super) machine: &'a str,
    pub(super) value: &'a QmpValue,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Qmp<'_> {
    fn must_be(&self, world: &World<'_>, wanted: u64) -> Result<(), ActionError> {
        let found = world.machines.value(self.machine, self.value);
        let found = found.map_err(|source| super::machine_stop::error(self.machine, source))?;
        if found == wanted {
            return Ok(());
        }
        Err(ActionError::Drift {
            what: format!("{} of machine {}", self.value, self.machine),
            expected: wanted.to_string(),
            found: found.to_string(),
        })
    }
}

impl Act for Qmp<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.must_be(world, self.from)?;
        let (machine, value) = (self.machine.to_owned(), self.value.clone());
        Ok(Action::Qmp { machine, value, from: self.to, to: self.from })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        let set = world.machines.set_value(self.machine, self.value, self.to);
        set.map_err(|source| super::machine_stop::error(self.machine, source))
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        match self.must_be(world, self.to) {
            // There is nobody left to ask.
            Err(ActionError::Machine { .. }) if self.remark(world).is_some() => Ok(()),
            told => told,
        }
    }

    fn remark(&self, world: &World<'_>) -> Option<String> {
        let to = world.machines.moved(self.machine).ok().flatten()?;
        Some(format!(
            "machine {} went to {to} meanwhile, and {} with its QEMU here",
            self.machine, self.value
        ))
    }
}
