//! Sets a kernel parameter.

use super::value::Value;
use super::{Act, ActionError, World};
use vmwright_model::Action;

/// See [`Action::Sysctl`].
pub(super) struct Sysctl<'a> {
    pub(super) key: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
}

impl Sysctl<'_> {
    fn with<R>(&self, use_it: impl FnOnce(&Value<'_>) -> R) -> R {
        let path = format!("/proc/sys/{}", self.key);
        use_it(&Value { path: &path, name: path.clone() })
    }
}

impl Act for Sysctl<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.with(|value| value.must_be(world, self.from))?;
        Ok(Action::Sysctl { key: self.key.to_owned(), from: self.to.to_owned(), to: self.from.to_owned() })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        self.with(|value| value.write(world, self.to))
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.with(|value| value.must_be(world, self.to))
    }
}
