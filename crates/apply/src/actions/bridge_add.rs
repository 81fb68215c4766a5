//! Makes a Linux bridge and brings it up.

use super::bridge::{address, hardware_address, ip, links};
use super::{Act, ActionError, World};
use vmwright_model::Action;

/// See [`Action::BridgeAdd`].
pub(super) struct BridgeAdd<'a> {
    pub(super) name: &'a str,
    pub(super) address: Option<&'a str>,
}

impl Act for BridgeAdd<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        let wanted = self.address.map(address).transpose()?;
        for link in links()? {
            if link.ifname == self.name {
                return Err(ActionError::Drift {
                    what: format!("interface {}", self.name),
                    expected: "absent".to_owned(),
                    found: link.linkinfo.info_kind.unwrap_or_else(|| "there".to_owned()),
                });
            }
            if let Some((wanted, _)) =
                wanted.filter(|wanted| link.addresses().iter().any(|has| has.0 == wanted.0))
            {
                return Err(ActionError::Drift {
                    what: format!("address {wanted}"),
                    expected: "free".to_owned(),
                    found: format!("taken by interface {}", link.ifname),
                });
            }
        }
        Ok(Action::BridgeRemove { name: self.name.to_owned(), address: self.address.map(str::to_owned) })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        let mac = hardware_address(world, self.name);
        // One request makes it with its hardware address and up, so a crash leaves a bridge that is known as ours.
        ip(&["link", "add", "name", self.name, "address", &mac, "up", "type", "bridge"])?;
        let Some(address) = self.address else {
            return Ok(());
        };
        // Without nodad an IPv6 address could not be used for a second: a fresh bridge has nobody to ask.
        let nodad = if address.contains(':') { Some("nodad") } else { None };
        let args: Vec<&str> = ["addr", "add", address, "dev", self.name].into_iter().chain(nodad).collect();
        ip(&args).inspect_err(|_| {
            // The step is undone anyway where this fails too: its undo accepts a bridge without address.
            let _ = ip(&["link", "del", "dev", self.name, "type", "bridge"]);
        })
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        let drift = |expected: &str, found: String| ActionError::Drift {
            what: format!("interface {}", self.name),
            expected: expected.to_owned(),
            found,
        };
        let links = links()?;
        let link = links.iter().find(|link| link.ifname == self.name);
        let link = link.ok_or_else(|| drift("a bridge", "absent".to_owned()))?;
        let mac = hardware_address(world, self.name);
        if !link.is_bridge() || link.address != mac {
            return Err(drift(&format!("a bridge with hardware address {mac}"), format!("{link:?}")));
        }
        if !link.is_up() {
            return Err(drift("up", "down".to_owned()));
        }
        if let Some(text) = self.address
            && !link.addresses().contains(&address(text)?)
        {
            return Err(drift(&format!("with address {text}"), format!("with {:?}", link.addresses())));
        }
        Ok(())
    }
}
