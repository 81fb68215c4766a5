//! Permission bits of a path.

use super::{Facts, Fault, Phase, change};
use crate::describe::Words;
use crate::path::path_faults;
use crate::target::Target;
use vmwright_model::Action;

/// See [`Action::FileMode`].
pub(super) struct FileMode<'a> {
    pub(super) path: &'a str,
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Facts for FileMode<'_> {
    fn target(&self) -> Target {
        Target::Mode(self.path.to_owned())
    }

    fn words(&self) -> Words {
        let Self { path, from, to } = self;
        Words {
            expects: format!("mode {from:04o} on {path}"),
            does: format!("sets mode {to:04o} on {path}"),
            undone_by: format!("sets mode {from:04o} on {path}, if it is still {to:04o}"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Access
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::FileMode { to, .. } if *to == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        for mode in [self.from, self.to].into_iter().filter(|mode| *mode > 0o7777) {
            faults.push(Fault::Value(format!("{mode:o} is not a file mode of at most 7777")));
        }
        faults.extend(path_faults(self.path));
        faults
    }
}
