//! Activates logical volumes of LVM, and deactivates them.

use super::{Act, ActionError, World, succeed};
use vmwright_model::Action;

/// See [`Action::LogicalVolume`].
pub(super) struct LogicalVolume<'a> {
    pub(super) volume: &'a str,
    pub(super) from: bool,
    pub(super) to: bool,
}

impl LogicalVolume<'_> {
    /// lvs(8), field `lv_active`: `active`, `active exclusively`, ...; nothing where it is not.
    fn must_be(&self, world: &World<'_>, active: bool) -> Result<(), ActionError> {
        let words = ["--noheadings", "--options", "lv_active", self.volume];
        let said = succeed(world, "lvs", &words)?;
        if said.trim().starts_with("active") == active {
            return Ok(());
        }
        let told = |active: bool| if active { "active" } else { "not active" }.to_owned();
        Err(ActionError::Drift {
            what: format!("logical volume {}", self.volume),
            expected: told(active),
            found: told(!active),
        })
    }
}

impl Act for LogicalVolume<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.must_be(world, self.from)?;
        Ok(Action::LogicalVolume { volume: self.volume.to_owned(), from: self.to, to: self.from })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        // LVM itself refuses to deactivate one that is open.
        let to = if self.to { "y" } else { "n" };
        succeed(world, "lvchange", &["--activate", to, self.volume]).map(drop)
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.must_be(world, self.to)
    }
}
