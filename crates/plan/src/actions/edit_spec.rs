//! One value in a machine's specification.

use super::{Facts, Fault, Phase, change, quoted};
use crate::describe::Words;
use crate::path::path_faults;
use crate::target::Target;
use vmwright_model::Action;

/// See [`Action::EditSpec`].
pub(super) struct EditSpec<'a> {
    pub(super) path: &'a str,
    pub(super) key: &'a str,
    pub(super) from: Option<&'a str>,
    pub(super) to: Option<&'a str>,
}

impl Facts for EditSpec<'_> {
    fn target(&self) -> Target {
        Target::Content { path: self.path.to_owned(), key: Some(self.key.to_owned()) }
    }

    fn words(&self) -> Words {
        let Self { path, key, .. } = self;
        Words {
            expects: match self.from {
                Some(from) => format!("`{key} = {from}` in {path}"),
                None => format!("no `{key}` in {path}"),
            },
            does: match self.to {
                Some(to) => format!("writes `{key} = {to}` to {path}"),
                None => format!("removes `{key}` from {path}"),
            },
            undone_by: format!("puts {path} back byte for byte, if it is as this step left it"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::EditSpec { key, to, .. } if key == self.key && to.as_deref() == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        if self.key.is_empty() || self.key.len() > 256 || self.key.split('.').any(str::is_empty) {
            faults
                .push(Fault::Value(format!("{} is not a dotted key of at most 256 bytes", quoted(self.key))));
        }
        faults.extend(path_faults(self.path));
        faults
    }
}
