//! Access control list of a path.

use super::{Facts, Fault, Phase, change};
use crate::describe::Words;
use crate::path::path_faults;
use crate::target::Target;
use vmwright_formats::acl::Acl;
use vmwright_model::Action;

/// See [`Action::FileAcl`].
pub(super) struct FileAcl<'a> {
    pub(super) path: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
}

impl Facts for FileAcl<'_> {
    /// Its mask is the group's part of the permission bits.
    fn target(&self) -> Target {
        Target::Mode(self.path.to_owned())
    }

    fn words(&self) -> Words {
        let Self { path, from, to } = self;
        Words {
            expects: format!("access to {path} by {from}"),
            does: format!("lets {path} be accessed by {to}"),
            undone_by: format!("lets {path} be accessed by {from}, if it is still as this step left it"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Access
    }

    fn needs(&self) -> Option<Target> {
        Some(Target::Content { path: self.path.to_owned(), key: None })
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::FileAcl { to, .. } if to == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        for list in [self.from, self.to] {
            match Acl::read(list) {
                Ok(acl) if acl.to_string() == list => {}
                Ok(acl) => faults.push(Fault::Value(format!("{list} is in another order than {acl}"))),
                Err(error) => faults.push(Fault::Value(format!("a list of access: {error}"))),
            }
        }
        faults.extend(path_faults(self.path));
        faults
    }
}
