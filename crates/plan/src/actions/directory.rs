//! Directories.

use super::{Facts, Fault, Phase};
use crate::describe::Words;
use crate::path::path_faults;
use crate::target::Target;
use vmwright_model::Action;

/// See [`Action::DirectoryCreate`].
pub(super) struct DirectoryCreate<'a> {
    pub(super) path: &'a str,
    pub(super) mode: u32,
}

impl Facts for DirectoryCreate<'_> {
    fn target(&self) -> Target {
        whole(self.path)
    }

    fn words(&self) -> Words {
        let Self { path, mode } = self;
        Words {
            expects: format!("no {path}, and the directory that it is to lie in"),
            does: format!("makes directory {path} with mode {mode:04o}"),
            undone_by: format!("takes directory {path} away, if it is empty"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Access
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::DirectoryRemove { .. } | Action::FileRemove { .. })
    }

    fn faults(&self) -> Vec<Fault> {
        faults(self.path, self.mode)
    }
}

/// See [`Action::DirectoryRemove`].
pub(super) struct DirectoryRemove<'a> {
    pub(super) path: &'a str,
    pub(super) mode: u32,
}

impl Facts for DirectoryRemove<'_> {
    fn target(&self) -> Target {
        whole(self.path)
    }

    fn words(&self) -> Words {
        let Self { path, mode } = self;
        Words {
            expects: format!("an empty directory {path} with mode {mode:04o}"),
            does: format!("takes directory {path} away"),
            undone_by: format!("makes directory {path} with mode {mode:04o}"),
        }
    }

    fn phase(&self) -> Phase {
        // Behind what lay in it.
        Phase::Generated
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::DirectoryCreate { mode, .. } if *mode == self.mode)
    }

    fn faults(&self) -> Vec<Fault> {
        faults(self.path, self.mode)
    }
}

fn whole(path: &str) -> Target {
    Target::Content { path: path.to_owned(), key: None }
}

fn faults(path: &str, mode: u32) -> Vec<Fault> {
    let mut faults = Vec::new();
    // Without the owner's own rights nothing could be put in, nor could it be taken away.
    if mode > 0o777 || mode & 0o700 != 0o700 {
        faults.push(Fault::Value(format!("{mode:04o} is no mode of a directory, 0700 to 0777")));
    }
    faults.extend(path_faults(path));
    faults
}
