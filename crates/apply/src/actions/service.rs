//! Starts or stops a service, and has it started at boot or not.

use super::{Act, ActionError, World, succeed};
use vmwright_model::Action;
use vmwright_model::plan::ServiceState;

/// See [`Action::Service`].
pub(super) struct Service<'a> {
    pub(super) unit: &'a str,
    pub(super) from: ServiceState,
    pub(super) to: ServiceState,
}

impl Service<'_> {
    /// systemctl(1): `show` tells the states of any unit, also of one that does not exist, and never fails for it.
    fn found(&self, world: &World<'_>) -> Result<ServiceState, ActionError> {
        let args = ["show", "--property=LoadState,ActiveState,UnitFileState", "--", self.unit];
        let said = succeed(world, "systemctl", &args)?;
        let property = |name: &str| {
            said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or("")
        };
        match property("LoadState") {
            "loaded" => {}
            "masked" => return Err(self.drift("there to be started", "masked")),
            _ => return Err(ActionError::Gone(format!("unit {}", self.unit))),
        }
        Ok(ServiceState {
            active: matches!(property("ActiveState"), "active" | "reloading" | "activating"),
            enabled: matches!(property("UnitFileState"), "enabled" | "enabled-runtime"),
        })
    }

    fn must_be(&self, world: &World<'_>, expected: ServiceState) -> Result<(), ActionError> {
        let found = self.found(world)?;
        if found == expected { Ok(()) } else { Err(self.drift(&told(expected), &told(found))) }
    }

    fn undo(&self) -> Action {
        Action::Service { unit: self.unit.to_owned(), from: self.to, to: self.from }
    }

    /// The state to begin with: as expected, or on the way there, which is what the action that this one takes back
    /// leaves where it is cut off.
    fn begin(&self, world: &World<'_>) -> Result<ServiceState, ActionError> {
        let found = self.found(world)?;
        let between = |found: bool, from: bool, to: bool| found == from || found == to;
        let on_the_way = found != self.to
            && between(found.active, self.from.active, self.to.active)
            && between(found.enabled, self.from.enabled, self.to.enabled);
        if on_the_way { Ok(found) } else { Err(self.drift(&told(self.from), &told(found))) }
    }

    fn drift(&self, expected: &str, found: &str) -> ActionError {
        ActionError::Drift {
            what: format!("unit {}", self.unit),
            expected: expected.to_owned(),
            found: found.to_owned(),
        }
    }
}

impl Act for Service<'_> {
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
        for (before, after, on, off) in [
            (found.enabled, self.to.enabled, "enable", "disable"),
            (found.active, self.to.active, "start", "stop"),
        ] {
            if before != after {
                succeed(world, "systemctl", &[if after { on } else { off }, "--", self.unit])?;
            }
        }
        Ok(())
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.must_be(world, self.to)
    }
}

fn told(state: ServiceState) -> String {
    let active = if state.active { "running" } else { "stopped" };
    let enabled = if state.enabled { "started at boot" } else { "not started at boot" };
    format!("{active}, {enabled}")
}
