//! Starts or stops a virtual network of libvirt, and has it started with the daemon or not.

use super::{Act, ActionError, World, succeed};
use vmwright_model::Action;
use vmwright_model::plan::ServiceState;

/// The daemon that has the host's networks.
const SYSTEM: &str = "qemu:///system";

/// See [`Action::VirtualNetwork`].
pub(super) struct VirtualNetwork<'a> {
    pub(super) network: &'a str,
    pub(super) from: ServiceState,
    pub(super) to: ServiceState,
}

impl VirtualNetwork<'_> {
    /// virsh(1), `net-info`: a word and its value a line, in English where the language is `C`.
    fn found(&self, world: &World<'_>) -> Result<ServiceState, ActionError> {
        let said = succeed(world, "virsh", &["-q", "-c", SYSTEM, "net-info", "--network", self.network])?;
        let yes = |name: &str| {
            said.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .is_some_and(|value| value.trim() == "yes")
        };
        Ok(ServiceState { active: yes("Active"), enabled: yes("Autostart") })
    }

    fn must_be(&self, world: &World<'_>, expected: ServiceState) -> Result<(), ActionError> {
        let found = self.found(world)?;
        if found == expected { Ok(()) } else { Err(self.drift(expected, found)) }
    }

    fn undo(&self) -> Action {
        Action::VirtualNetwork { network: self.network.to_owned(), from: self.to, to: self.from }
    }

    /// The state to begin with: as expected, or on the way there, which is what the action that this one takes back
    /// leaves where it is cut off.
    fn begin(&self, world: &World<'_>) -> Result<ServiceState, ActionError> {
        let found = self.found(world)?;
        let between = |found: bool, from: bool, to: bool| found == from || found == to;
        let on_the_way = found != self.to
            && between(found.active, self.from.active, self.to.active)
            && between(found.enabled, self.from.enabled, self.to.enabled);
        if on_the_way { Ok(found) } else { Err(self.drift(self.from, found)) }
    }

    fn drift(&self, expected: ServiceState, found: ServiceState) -> ActionError {
        ActionError::Drift {
            what: format!("virtual network {}", self.network),
            expected: told(expected),
            found: told(found),
        }
    }
}

impl Act for VirtualNetwork<'_> {
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
        let network = ["--network", self.network];
        let run = |words: &[&str]| {
            let words = [&["-q", "-c", SYSTEM], words].concat();
            succeed(world, "virsh", &words).map(drop)
        };
        match (found.enabled, self.to.enabled) {
            (false, true) => run(&["net-autostart", network[0], network[1]])?,
            (true, false) => run(&["net-autostart", "--disable", network[0], network[1]])?,
            _ => {}
        }
        match (found.active, self.to.active) {
            (false, true) => run(&["net-start", network[0], network[1]]),
            (true, false) => run(&["net-destroy", network[0], network[1]]),
            _ => Ok(()),
        }
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.must_be(world, self.to)
    }
}

fn told(state: ServiceState) -> String {
    let active = if state.active { "active" } else { "inactive" };
    let enabled = if state.enabled { "started with libvirt" } else { "not started with libvirt" };
    format!("{active}, {enabled}")
}
