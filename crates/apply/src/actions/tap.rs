//! Makes a tap device and plugs it into a bridge; takes it away again.

use super::bridge::{Link, ip, links};
use super::{Act, ActionError, World};
use vmwright_model::Action;

/// See [`Action::TapAdd`] and [`Action::TapRemove`].
pub(super) struct Tap<'a> {
    pub(super) name: &'a str,
    pub(super) user: u32,
    pub(super) bridge: Option<&'a str>,
}

impl Tap<'_> {
    fn add(&self) -> Action {
        let (name, bridge) = (self.name.to_owned(), self.bridge.map(str::to_owned));
        Action::TapAdd { name, user: self.user, bridge }
    }

    fn remove(&self) -> Action {
        let (name, bridge) = (self.name.to_owned(), self.bridge.map(str::to_owned));
        Action::TapRemove { name, user: self.user, bridge }
    }

    fn drift(&self, expected: &str, found: impl Into<String>) -> ActionError {
        ActionError::Drift {
            what: format!("interface {}", self.name),
            expected: expected.to_owned(),
            found: found.into(),
        }
    }

    fn must_be_absent(&self) -> Result<(), ActionError> {
        match links()?.into_iter().find(|link| link.ifname == self.name) {
            None => Ok(()),
            Some(link) => {
                Err(self.drift("absent", link.linkinfo.info_kind.unwrap_or_else(|| "there".to_owned())))
            }
        }
    }

    /// The device, which nobody has open; with `half`, also one that is not plugged in yet.
    fn must_be_there(&self, half: bool) -> Result<(), ActionError> {
        let link = links()?.into_iter().find(|link| link.ifname == self.name);
        let link: Link = link.ok_or_else(|| self.drift("a tap device", "absent"))?;
        if link.linkinfo.info_kind.as_deref() != Some("tun") {
            return Err(
                self.drift("a tap device", link.linkinfo.info_kind.unwrap_or_else(|| "another".to_owned()))
            );
        }
        let plugged = link.master.as_deref() == self.bridge || half && link.master.is_none();
        if !plugged {
            let told = |bridge: Option<&str>| {
                bridge.map_or("in no bridge".to_owned(), |bridge| format!("in bridge {bridge}"))
            };
            return Err(self.drift(&told(self.bridge), told(link.master.as_deref())));
        }
        // A tap device has a carrier while a program has it open (kernel, drivers/net/tun.c).
        if link.flags.iter().any(|flag| flag == "LOWER_UP") {
            return Err(self.drift("open in no program", "in use by a program"));
        }
        Ok(())
    }
}

/// Makes it.
pub(super) struct TapAdd<'a>(pub(super) Tap<'a>);

impl Act for TapAdd<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        self.0.must_be_absent()?;
        if let Some(bridge) = self.0.bridge
            && !links()?.iter().any(|link| link.ifname == bridge && link.is_bridge())
        {
            return Err(ActionError::Gone(format!("bridge {bridge}")));
        }
        Ok(self.0.remove())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        let (name, user) = (self.0.name, self.0.user.to_string());
        ip(&["tuntap", "add", "dev", name, "mode", "tap", "user", &user])?;
        if let Some(bridge) = self.0.bridge {
            ip(&["link", "set", "dev", name, "master", bridge])?;
        }
        ip(&["link", "set", "dev", name, "up"])
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        self.0.must_be_there(false)
    }
}

/// Takes it away.
pub(super) struct TapRemove<'a>(pub(super) Tap<'a>);

impl Act for TapRemove<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        self.0.must_be_there(false).map(|()| self.0.add())
    }

    fn resume(&self, _: &World<'_>) -> Result<Action, ActionError> {
        self.0.must_be_there(true).map(|()| self.0.add())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.resume(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        ip(&["tuntap", "del", "dev", self.0.name, "mode", "tap"])
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        self.0.must_be_absent()
    }
}
