//! A port of Open vSwitch.

use super::bridge::interface_fault;
use super::{Facts, Fault, Phase, change, quoted};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::Action;
use vmwright_model::plan::OvsPort as State;

/// See [`Action::OvsPort`].
pub(super) struct OvsPort<'a> {
    pub(super) port: &'a str,
    pub(super) from: Option<&'a State>,
    pub(super) to: Option<&'a State>,
}

impl Facts for OvsPort<'_> {
    fn target(&self) -> Target {
        Target::Interface(self.port.to_owned())
    }

    fn words(&self) -> Words {
        let port = self.port;
        let expects = match self.from {
            Some(from) => format!("port {port} {}", told(from)),
            None => format!("no port {port} in Open vSwitch"),
        };
        let does = |from: Option<&State>, to: Option<&State>| match (from, to) {
            (None, Some(to)) => format!("makes port {port} {}", told(to)),
            (_, Some(to)) => format!("has port {port} {}", told(to)),
            (_, None) => format!("takes port {port} out of Open vSwitch, if it is as it was made"),
        };
        Words { expects, does: does(self.from, self.to), undone_by: does(self.to, self.from) }
    }

    fn phase(&self) -> Phase {
        Phase::Port
    }

    fn may_lock_out(&self) -> bool {
        // The host's own way may lead through the bridge.
        true
    }

    fn follows(&self, earlier: &Action) -> bool {
        match earlier {
            Action::OvsPort { to, .. } => to.as_ref() == self.from,
            // The kernel's own interface, which becomes a port.
            Action::TapAdd { bridge: None, .. } => self.from.is_none(),
            _ => false,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        faults.extend(interface_fault(self.port));
        for state in [self.from, self.to].into_iter().flatten() {
            faults.extend(interface_fault(&state.bridge));
            // IEEE 802.1Q: 0 is no VLAN, and 4095 is kept.
            if let Some(tag) = state.tag.filter(|tag| !(1..=4094).contains(tag)) {
                faults.push(Fault::Value(format!("{tag} is no VLAN: 1 to 4094")));
            }
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && (&from.bridge, from.internal) != (&to.bridge, to.internal)
        {
            let why =
                format!("port {} changes its VLAN alone: another bridge is another port", quoted(self.port));
            faults.push(Fault::Value(why));
        }
        faults
    }
}

fn told(state: &State) -> String {
    let tag = state.tag.map_or("all VLANs".to_owned(), |tag| format!("VLAN {tag}"));
    let kind = if state.internal { ", an interface of the host" } else { "" };
    format!("in bridge {} with {tag}{kind}", state.bridge)
}
