//! Takes away a bridge that vmwright made.

use super::bridge::{address, hardware_address, ip, links};
use super::{Act, ActionError, World};
use vmwright_model::Action;

/// See [`Action::BridgeRemove`].
pub(super) struct BridgeRemove<'a> {
    pub(super) name: &'a str,
    pub(super) address: Option<&'a str>,
}

impl Act for BridgeRemove<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        let drift = |expected: String, found: String| ActionError::Drift {
            what: format!("interface {}", self.name),
            expected,
            found,
        };
        let links = links()?;
        let link = links.iter().find(|link| link.ifname == self.name);
        let link = link.ok_or_else(|| drift("a bridge".to_owned(), "absent".to_owned()))?;
        let mac = hardware_address(world, self.name);
        if !link.is_bridge() || link.address != mac {
            let kind = link.linkinfo.info_kind.as_deref().unwrap_or("an interface");
            return Err(drift(
                format!("the bridge that vmwright made, with hardware address {mac}"),
                format!("{kind} with hardware address {}", link.address),
            ));
        }
        let ports = links.iter().filter(|other| other.master.as_deref() == Some(self.name));
        let ports: Vec<String> = ports.map(|port| port.ifname.clone()).collect();
        if !ports.is_empty() {
            return Err(ActionError::Ports { name: self.name.to_owned(), ports });
        }
        // A crash may have come between making the bridge and giving it its address: fewer addresses are fine.
        let own = self.address.map(address).transpose()?;
        if let Some((added, prefix)) = link.addresses().into_iter().find(|found| Some(*found) != own) {
            return Err(drift(
                "with no address but its own".to_owned(),
                format!("with {added}/{prefix} too"),
            ));
        }
        Ok(Action::BridgeAdd { name: self.name.to_owned(), address: self.address.map(str::to_owned) })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        ip(&["link", "del", "dev", self.name, "type", "bridge"])
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        match links()?.into_iter().find(|link| link.ifname == self.name) {
            None => Ok(()),
            Some(link) => Err(ActionError::Drift {
                what: format!("interface {}", self.name),
                expected: "absent".to_owned(),
                found: link.linkinfo.info_kind.unwrap_or_else(|| "there".to_owned()),
            }),
        }
    }
}
