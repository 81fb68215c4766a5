//! What runs or not, and is started by itself or not: found, compared, switched and read back.

use super::{Act, ActionError, World};
use vmwright_model::Action;
use vmwright_model::plan::ServiceState;

/// What is switched, and how.
pub(super) trait Toggle {
    /// How it is called to people.
    fn name(&self) -> String;

    /// The action from one state to another.
    fn action(&self, from: ServiceState, to: ServiceState) -> Action;

    /// The state that it is in.
    fn found(&self, world: &World<'_>) -> Result<ServiceState, ActionError>;

    /// Has it started by itself from now on, or not.
    fn enable(&self, world: &World<'_>, on: bool) -> Result<(), ActionError>;

    /// Starts or stops it.
    fn activate(&self, world: &World<'_>, on: bool) -> Result<(), ActionError>;

    /// A state in the words of its kind.
    fn told(state: ServiceState) -> String;
}

/// The action that switches it.
pub(super) struct Toggled<T> {
    pub(super) what: T,
    pub(super) from: ServiceState,
    pub(super) to: ServiceState,
}

impl<T: Toggle> Toggled<T> {
    fn must_be(&self, world: &World<'_>, expected: ServiceState) -> Result<(), ActionError> {
        let found = self.what.found(world)?;
        if found == expected { Ok(()) } else { Err(self.drift(expected, found)) }
    }

    fn undo(&self) -> Action {
        self.what.action(self.to, self.from)
    }

    /// The state to begin with: as expected, or on the way there, which is what the action that this one takes back
    /// leaves where it is cut off.
    fn begin(&self, world: &World<'_>) -> Result<ServiceState, ActionError> {
        let found = self.what.found(world)?;
        let between = |found: bool, from: bool, to: bool| found == from || found == to;
        let on_the_way = found != self.to
            && between(found.active, self.from.active, self.to.active)
            && between(found.enabled, self.from.enabled, self.to.enabled);
        if on_the_way { Ok(found) } else { Err(self.drift(self.from, found)) }
    }

    fn drift(&self, expected: ServiceState, found: ServiceState) -> ActionError {
        ActionError::Drift { what: self.what.name(), expected: T::told(expected), found: T::told(found) }
    }
}

impl<T: Toggle> Act for Toggled<T> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.must_be(world, self.from)?;
        Ok(self.undo())
    }

    fn resume(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.begin(world)?;
        Ok(self.undo())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.undo() != *undo {
            return Err(ActionError::OtherUndo);
        }
        let found = self.begin(world)?;
        if found.enabled != self.to.enabled {
            self.what.enable(world, self.to.enabled)?;
        }
        if found.active != self.to.active {
            self.what.activate(world, self.to.active)?;
        }
        Ok(())
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.must_be(world, self.to)
    }
}
