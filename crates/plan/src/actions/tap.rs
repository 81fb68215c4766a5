//! A tap device.

use super::bridge::interface_fault;
use super::{Facts, Fault, Phase};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::Action;

/// See [`Action::TapAdd`].
pub(super) struct TapAdd<'a> {
    pub(super) name: &'a str,
    pub(super) user: u32,
    pub(super) bridge: Option<&'a str>,
}

impl Facts for TapAdd<'_> {
    fn target(&self) -> Target {
        Target::Interface(self.name.to_owned())
    }

    fn words(&self) -> Words {
        let Self { name, user, .. } = self;
        Words {
            expects: format!(
                "no interface {name}{}",
                self.bridge.map(|bridge| format!(", and bridge {bridge}")).unwrap_or_default()
            ),
            does: format!("makes tap device {name} for user {user}{}", plugged(self.bridge)),
            undone_by: format!("takes tap device {name} away, if nobody has it open"),
        }
    }

    fn phase(&self) -> Phase {
        // Behind the bridges that it may be plugged into.
        Phase::Port
    }

    fn needs(&self) -> Option<Target> {
        self.bridge.map(|bridge| Target::Interface(bridge.to_owned()))
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::TapRemove { .. })
    }

    fn faults(&self) -> Vec<Fault> {
        faults(self.name, self.bridge)
    }
}

/// See [`Action::TapRemove`].
pub(super) struct TapRemove<'a> {
    pub(super) name: &'a str,
    pub(super) user: u32,
    pub(super) bridge: Option<&'a str>,
}

impl Facts for TapRemove<'_> {
    fn target(&self) -> Target {
        Target::Interface(self.name.to_owned())
    }

    fn words(&self) -> Words {
        let Self { name, user, .. } = self;
        Words {
            expects: format!("tap device {name}{}, which nobody has open", plugged(self.bridge)),
            does: format!("takes tap device {name} away"),
            undone_by: format!("makes tap device {name} for user {user}{}", plugged(self.bridge)),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Interface
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::TapAdd { bridge, user, .. } if bridge.as_deref() == self.bridge && *user == self.user)
    }

    fn faults(&self) -> Vec<Fault> {
        faults(self.name, self.bridge)
    }
}

fn plugged(bridge: Option<&str>) -> String {
    bridge.map(|bridge| format!(", plugged into bridge {bridge}")).unwrap_or_default()
}

fn faults(name: &str, bridge: Option<&str>) -> Vec<Fault> {
    [Some(name), bridge].into_iter().flatten().filter_map(interface_fault).collect()
}
