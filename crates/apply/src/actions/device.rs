//! Plugs a device into a domain of libvirt's, and unplugs it.

use super::{Act, ActionError, World};
use crate::{Plugged, Presence};
use vmwright_model::Action;

/// See [`Action::DeviceAttach`] and, with `away`, [`Action::DeviceDetach`].
pub(super) struct Device<'a> {
    pub(super) connection: &'a str,
    pub(super) domain: &'a str,
    pub(super) device: &'a str,
    pub(super) running: bool,
    pub(super) away: bool,
}

impl Device<'_> {
    fn found(&self, world: &World<'_>) -> Result<Plugged, ActionError> {
        world.machines.device(self.connection, self.domain, self.device).map_err(|source| self.error(source))
    }

    /// The device where it has to be or not to be, and whether the domain runs as planned.
    fn must_be(&self, found: &Plugged, there: bool) -> Result<(), ActionError> {
        let wanted = if there { Presence::There } else { Presence::Absent };
        let live = !self.running || found.live == wanted;
        if found.running == self.running && live && found.kept == wanted {
            return Ok(());
        }
        let presence = |presence: &Presence| match presence {
            Presence::There => "there".to_owned(),
            Presence::Absent => "absent".to_owned(),
            Presence::Other(what) => format!("another ({what})"),
        };
        let told = |running: bool, live: &Presence, kept: &Presence| match running {
            true => {
                format!("{} in the running domain and {} at its next start", presence(live), presence(kept))
            }
            false => format!("{} in a domain that is shut off", presence(kept)),
        };
        let name = vmwright_plan::device_name(self.device).unwrap_or_else(|| "the device".to_owned());
        Err(ActionError::Drift {
            what: format!("{name} of domain {} of {}", self.domain, self.connection),
            expected: told(self.running, &wanted, &wanted),
            found: told(found.running, &found.live, &found.kept),
        })
    }

    /// The state to begin with: as expected, or on the way, which is what the action that this one takes back leaves where
    /// it is cut off: libvirt changes the running domain and the kept one behind each other.
    fn begin(&self, found: &Plugged) -> Result<(), ActionError> {
        let own = |presence: &Presence| !matches!(presence, Presence::Other(_));
        let half = self.running && found.running && own(&found.live) && found.live != found.kept;
        if half && own(&found.kept) { Ok(()) } else { self.must_be(found, self.away) }
    }

    fn undo(&self) -> Action {
        let (connection, domain) = (self.connection.to_owned(), self.domain.to_owned());
        let (device, running) = (self.device.to_owned(), self.running);
        match self.away {
            false => Action::DeviceDetach { connection, domain, device, running },
            true => Action::DeviceAttach { connection, domain, device, running },
        }
    }

    fn error(&self, source: crate::MachineError) -> ActionError {
        ActionError::Machine { machine: self.domain.to_owned(), source }
    }
}

impl Act for Device<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.must_be(&self.found(world)?, self.away)?;
        Ok(self.undo())
    }

    fn resume(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.begin(&self.found(world)?)?;
        Ok(self.undo())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.undo() != *undo {
            return Err(ActionError::OtherUndo);
        }
        let found = self.found(world)?;
        self.begin(&found)?;
        let wanted = if self.away { Presence::Absent } else { Presence::There };
        let (live, kept) = (self.running && found.live != wanted, found.kept != wanted);
        let machines = world.machines;
        machines
            .plug(self.connection, self.domain, self.device, self.away, (live, kept))
            .map_err(|source| self.error(source))
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.must_be(&self.found(world)?, !self.away)
    }
}
