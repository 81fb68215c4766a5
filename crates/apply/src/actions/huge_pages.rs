//! Sets how many huge pages the host keeps.

use super::value::Value;
use super::{Act, ActionError, World};
use vmwright_model::Action;

/// See [`Action::HugePages`].
pub(super) struct HugePages {
    pub(super) node: Option<u32>,
    pub(super) size_kib: u64,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl HugePages {
    /// Kernel, Documentation/admin-guide/mm/hugetlbpage.rst.
    fn with<R>(&self, use_it: impl FnOnce(&Value<'_>) -> R) -> R {
        let above = match self.node {
            Some(node) => format!("/sys/devices/system/node/node{node}"),
            None => "/sys/kernel/mm".to_owned(),
        };
        let path = format!("{above}/hugepages/hugepages-{}kB/nr_hugepages", self.size_kib);
        use_it(&Value { path: &path, name: path.clone() })
    }
}

impl Act for HugePages {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.with(|value| value.must_be(world, &self.from.to_string()))?;
        Ok(Action::HugePages { node: self.node, size_kib: self.size_kib, from: self.to, to: self.from })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        self.with(|value| {
            value.write(world, &self.to.to_string())?;
            let found = value.read(world)?;
            if found == self.to.to_string() {
                return Ok(());
            }
            // The kernel takes the request and gives what it finds in one piece. Half of it helps nobody.
            value.write(world, &self.from.to_string())?;
            Err(ActionError::TooFew { what: value.name.clone(), wanted: self.to, found })
        })
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        self.with(|value| value.must_be(world, &self.to.to_string()))
    }
}
