//! Virtual networks of libvirt.

use super::{Facts, Fault, Phase, change, quoted, toggled};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::plan::ServiceState;
use vmwright_model::{Action, Disruption};

/// See [`Action::VirtualNetwork`].
pub(super) struct VirtualNetwork<'a> {
    pub(super) network: &'a str,
    pub(super) from: ServiceState,
    pub(super) to: ServiceState,
}

impl VirtualNetwork<'_> {
    fn stops(&self) -> bool {
        self.from.active && !self.to.active
    }
}

impl Facts for VirtualNetwork<'_> {
    fn target(&self) -> Target {
        Target::Network(self.network.to_owned())
    }

    fn words(&self) -> Words {
        toggled(&format!("virtual network {}", self.network), (self.from, self.to), told, "with libvirt")
    }

    fn phase(&self) -> Phase {
        if self.stops() { Phase::ServiceStop } else { Phase::Network }
    }

    fn least_disruption(&self) -> Disruption {
        if self.stops() { Disruption::ServiceRestart } else { Disruption::None }
    }

    fn needs(&self) -> Option<Target> {
        // A plan may start the daemon before; what it answers is known then.
        Some(Target::Service("libvirtd.service".to_owned()))
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::VirtualNetwork { to, .. } if *to == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        // libvirt, `src/conf/network_conf.c`: no slash, and not empty. An argument of a program besides.
        let wrong = |letter: char| letter == '/' || letter.is_control() || letter.is_whitespace();
        if self.network.is_empty() || self.network.starts_with('-') || self.network.contains(wrong) {
            faults
                .push(Fault::Value(format!("{} is not the name of a virtual network", quoted(self.network))));
        }
        faults
    }
}

fn told(state: ServiceState) -> &'static str {
    match (state.active, state.enabled) {
        (true, true) => "active, and started with libvirt",
        (true, false) => "active, and not started with libvirt",
        (false, true) => "inactive, and started with libvirt",
        (false, false) => "inactive, and not started with libvirt",
    }
}
