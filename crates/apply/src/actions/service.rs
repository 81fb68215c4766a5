//! Starts or stops a service, and has it started at boot or not.

use super::toggled::Toggle;
use super::{ActionError, World, succeed};
use vmwright_model::Action;
use vmwright_model::plan::ServiceState;

/// See [`Action::Service`].
pub(super) struct Service<'a> {
    pub(super) unit: &'a str,
}

impl Service<'_> {
    fn systemctl(&self, world: &World<'_>, verb: &str) -> Result<(), ActionError> {
        succeed(world, "systemctl", &[verb, "--", self.unit]).map(drop)
    }
}

impl Toggle for Service<'_> {
    fn name(&self) -> String {
        format!("unit {}", self.unit)
    }

    fn action(&self, from: ServiceState, to: ServiceState) -> Action {
        Action::Service { unit: self.unit.to_owned(), from, to }
    }

    /// systemctl(1): `show` tells the states of any unit, also of one that does not exist, and never fails for it.
    fn found(&self, world: &World<'_>) -> Result<ServiceState, ActionError> {
        let args = ["show", "--property=LoadState,ActiveState,UnitFileState", "--", self.unit];
        let said = succeed(world, "systemctl", &args)?;
        let property = |name: &str| {
            said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or("")
        };
        match property("LoadState") {
            "loaded" => Ok(ServiceState {
                active: matches!(property("ActiveState"), "active" | "reloading" | "activating"),
                enabled: matches!(property("UnitFileState"), "enabled" | "enabled-runtime"),
            }),
            "masked" => Err(ActionError::Drift {
                what: self.name(),
                expected: "there to be started".to_owned(),
                found: "masked".to_owned(),
            }),
            _ => Err(ActionError::Gone(self.name())),
        }
    }

    fn enable(&self, world: &World<'_>, on: bool) -> Result<(), ActionError> {
        self.systemctl(world, if on { "enable" } else { "disable" })
    }

    fn activate(&self, world: &World<'_>, on: bool) -> Result<(), ActionError> {
        self.systemctl(world, if on { "start" } else { "stop" })
    }

    fn told(state: ServiceState) -> String {
        let active = if state.active { "running" } else { "stopped" };
        let enabled = if state.enabled { "started at boot" } else { "not started at boot" };
        format!("{active}, {enabled}")
    }
}
