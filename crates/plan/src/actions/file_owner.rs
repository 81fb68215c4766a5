//! Owner and group of a path.

use super::{Facts, Fault, Phase, change};
use crate::describe::Words;
use crate::path::path_faults;
use crate::target::Target;
use vmwright_model::Action;
use vmwright_model::plan::Owner;

/// See [`Action::FileOwner`].
pub(super) struct FileOwner<'a> {
    pub(super) path: &'a str,
    pub(super) from: Owner,
    pub(super) to: Owner,
}

impl Facts for FileOwner<'_> {
    fn target(&self) -> Target {
        Target::Owner(self.path.to_owned())
    }

    fn words(&self) -> Words {
        let (path, from, to) = (self.path, named(self.from), named(self.to));
        Words {
            expects: format!("{path} of {from}"),
            does: format!("gives {path} to {to}"),
            undone_by: format!("gives {path} to {from}, if it is still of {to}"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Access
    }

    fn needs(&self) -> Option<Target> {
        Some(Target::Content { path: self.path.to_owned(), key: None })
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::FileOwner { to, .. } if *to == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        // The number that chown(2) takes for "as it is".
        if [self.from.user, self.from.group, self.to.user, self.to.group].contains(&u32::MAX) {
            faults.push(Fault::Value(format!("{} is no user and no group", u32::MAX)));
        }
        faults.extend(path_faults(self.path));
        faults
    }
}

fn named(owner: Owner) -> String {
    format!("user {} and group {}", owner.user, owner.group)
}
