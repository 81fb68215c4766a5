//! Starts or stops a virtual network of libvirt, and has it started with the daemon or not.

use super::toggled::Toggle;
use super::{ActionError, World, succeed};
use vmwright_model::Action;
use vmwright_model::plan::ServiceState;

/// The daemon that has the host's networks.
const SYSTEM: &str = "qemu:///system";

/// See [`Action::VirtualNetwork`].
pub(super) struct VirtualNetwork<'a> {
    pub(super) network: &'a str,
}

impl VirtualNetwork<'_> {
    fn virsh(&self, world: &World<'_>, words: &[&str]) -> Result<String, ActionError> {
        let words = [&["-q", "-c", SYSTEM], words, &["--network", self.network]].concat();
        succeed(world, "virsh", &words)
    }
}

impl Toggle for VirtualNetwork<'_> {
    fn name(&self) -> String {
        format!("virtual network {}", self.network)
    }

    fn action(&self, from: ServiceState, to: ServiceState) -> Action {
        Action::VirtualNetwork { network: self.network.to_owned(), from, to }
    }

    /// virsh(1), `net-info`: a word and its value a line, in English where the language is `C`.
    fn found(&self, world: &World<'_>) -> Result<ServiceState, ActionError> {
        let said = self.virsh(world, &["net-info"])?;
        let yes = |name: &str| {
            said.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .is_some_and(|value| value.trim() == "yes")
        };
        Ok(ServiceState { active: yes("Active"), enabled: yes("Autostart") })
    }

    fn enable(&self, world: &World<'_>, on: bool) -> Result<(), ActionError> {
        let words: &[&str] = if on { &["net-autostart"] } else { &["net-autostart", "--disable"] };
        self.virsh(world, words).map(drop)
    }

    fn activate(&self, world: &World<'_>, on: bool) -> Result<(), ActionError> {
        self.virsh(world, &[if on { "net-start" } else { "net-destroy" }]).map(drop)
    }

    fn told(state: ServiceState) -> String {
        let active = if state.active { "active" } else { "inactive" };
        let enabled = if state.enabled { "started with libvirt" } else { "not started with libvirt" };
        format!("{active}, {enabled}")
    }
}
