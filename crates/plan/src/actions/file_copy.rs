//! A copy of a file that the boot needs.

use super::{Facts, Fault, Phase, quoted};
use crate::canonical::is_sha256;
use crate::describe::Words;
use crate::path::path_faults;
use crate::target::Target;
use vmwright_model::Action;

/// See [`Action::FileCopy`].
pub(super) struct FileCopy<'a> {
    pub(super) path: &'a str,
    pub(super) from: &'a str,
}

impl Facts for FileCopy<'_> {
    fn target(&self) -> Target {
        Target::Content { path: self.path.to_owned(), key: None }
    }

    fn words(&self) -> Words {
        let Self { path, from } = self;
        Words {
            expects: format!("no {path}, and room for a copy of {from}"),
            does: format!("copies {from} to {path}"),
            undone_by: format!("takes {path} away, if it is as this step left it"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn follows(&self, earlier: &Action) -> bool {
        super::image::is_removal(earlier)
    }

    fn faults(&self) -> Vec<Fault> {
        faults(self.path, self.from)
    }
}

/// See [`Action::FileCopyRemove`].
pub(super) struct FileCopyRemove<'a> {
    pub(super) path: &'a str,
    pub(super) from: &'a str,
    pub(super) sha256: &'a str,
}

impl Facts for FileCopyRemove<'_> {
    fn target(&self) -> Target {
        Target::Content { path: self.path.to_owned(), key: None }
    }

    fn words(&self) -> Words {
        let Self { path, from, sha256 } = self;
        Words {
            expects: format!("{path} with SHA-256 {sha256}"),
            does: format!("takes {path} away"),
            undone_by: format!("copies {from} to {path}"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::FileCopy { from, .. } if from == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = faults(self.path, self.from);
        if !is_sha256(self.sha256) {
            faults.push(Fault::Value(format!("{} is not a SHA-256", quoted(self.sha256))));
        }
        faults
    }
}

fn faults(path: &str, from: &str) -> Vec<Fault> {
    let mut faults: Vec<Fault> = path_faults(path).into_iter().chain(path_faults(from)).collect();
    if path == from {
        faults.push(Fault::NoChange);
    }
    faults
}
