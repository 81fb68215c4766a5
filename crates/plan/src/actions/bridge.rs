//! A Linux bridge.

use super::{Facts, Fault, Phase, quoted};
use crate::describe::Words;
use crate::lint::{interface_name, parse_address};
use crate::target::Target;
use vmwright_model::Action;

/// See [`Action::BridgeAdd`].
pub(super) struct BridgeAdd<'a> {
    pub(super) name: &'a str,
    pub(super) address: Option<&'a str>,
}

impl Facts for BridgeAdd<'_> {
    fn target(&self) -> Target {
        Target::Interface(self.name.to_owned())
    }

    fn words(&self) -> Words {
        let name = self.name;
        Words {
            expects: format!("no interface {name}"),
            does: format!("makes bridge {name}{} and brings it up", with(self.address)),
            undone_by: format!("takes bridge {name} away, if nothing was plugged into it"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Interface
    }

    fn may_lock_out(&self) -> bool {
        // Another way to the same network may win over the one that the user came by.
        self.address.is_some()
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::BridgeRemove { .. })
    }

    fn faults(&self) -> Vec<Fault> {
        faults(self.name, self.address)
    }
}

/// See [`Action::BridgeRemove`].
pub(super) struct BridgeRemove<'a> {
    pub(super) name: &'a str,
    pub(super) address: Option<&'a str>,
}

impl Facts for BridgeRemove<'_> {
    fn target(&self) -> Target {
        Target::Interface(self.name.to_owned())
    }

    fn words(&self) -> Words {
        let name = self.name;
        Words {
            expects: format!("bridge {name} as vmwright made it, with no port"),
            does: format!("takes bridge {name} away"),
            undone_by: format!("makes bridge {name}{} and brings it up", with(self.address)),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Interface
    }

    fn may_lock_out(&self) -> bool {
        // Another way to the same network may win over the one that the user came by.
        self.address.is_some()
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::BridgeAdd { address, .. } if address.as_deref() == self.address)
    }

    fn faults(&self) -> Vec<Fault> {
        faults(self.name, self.address)
    }
}

fn with(address: Option<&str>) -> String {
    address.map(|address| format!(" with address {address}")).unwrap_or_default()
}

/// What is wrong with the name of an interface.
pub(super) fn interface_fault(name: &str) -> Option<Fault> {
    let why = interface_name(name).err()?;
    Some(Fault::Value(format!("interface name {}: {why}", quoted(name))))
}

fn faults(name: &str, address: Option<&str>) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(interface_fault(name));
    if let Some(address) = address.filter(|address| parse_address(address).is_none()) {
        faults.push(Fault::Value(format!("{} is not an address with prefix length", quoted(address))));
    }
    faults
}
