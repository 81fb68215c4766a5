//! A bridge of Open vSwitch.

use super::bridge::interface_fault;
use super::{Facts, Fault, Phase};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::Action;

/// See [`Action::OvsBridgeAdd`] and [`Action::OvsBridgeRemove`].
pub(super) struct OvsBridge<'a> {
    pub(super) bridge: &'a str,
    /// Whether it is taken away.
    pub(super) away: bool,
}

impl Facts for OvsBridge<'_> {
    fn target(&self) -> Target {
        Target::Interface(self.bridge.to_owned())
    }

    fn words(&self) -> Words {
        let bridge = self.bridge;
        let none = format!("no bridge {bridge} in Open vSwitch");
        let made = format!("makes bridge {bridge} in Open vSwitch");
        let taken = format!("takes bridge {bridge} out of Open vSwitch, if nothing was plugged into it");
        if self.away {
            let expects = format!("bridge {bridge} of Open vSwitch as vmwright made it, with no port");
            Words { expects, does: taken, undone_by: made }
        } else {
            Words { expects: none, does: made, undone_by: taken }
        }
    }

    fn phase(&self) -> Phase {
        Phase::Interface
    }

    fn follows(&self, earlier: &Action) -> bool {
        match earlier {
            Action::OvsBridgeAdd { .. } => self.away,
            Action::OvsBridgeRemove { .. } => !self.away,
            _ => false,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        interface_fault(self.bridge).into_iter().collect()
    }
}
