//! Label of a path for SELinux.

use super::{Facts, Fault, Phase, change, quoted};
use crate::describe::Words;
use crate::path::path_faults;
use crate::target::Target;
use vmwright_model::Action;

/// See [`Action::FileLabel`].
pub(super) struct FileLabel<'a> {
    pub(super) path: &'a str,
    pub(super) from: Option<&'a str>,
    pub(super) to: Option<&'a str>,
}

impl Facts for FileLabel<'_> {
    fn target(&self) -> Target {
        Target::Label(self.path.to_owned())
    }

    fn words(&self) -> Words {
        let path = self.path;
        let expects = match self.from {
            Some(from) => format!("label {from} on {path}"),
            None => format!("no label on {path}"),
        };
        let gives = |label: Option<&str>| match label {
            Some(label) => format!("gives {path} the label {label}"),
            None => format!("takes the label off {path}"),
        };
        let undone_by = format!("{}, if it is still as this step left it", gives(self.from));
        Words { expects, does: gives(self.to), undone_by }
    }

    fn phase(&self) -> Phase {
        Phase::Access
    }

    fn needs(&self) -> Option<Target> {
        Some(Target::Content { path: self.path.to_owned(), key: None })
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::FileLabel { to, .. } if to.as_deref() == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        // user:role:type and, where the policy has levels, a range of them (SELinux, `context_struct_to_string()`).
        let good = |label: &str| {
            label.len() <= 4095
                && label.bytes().all(|byte| byte.is_ascii_graphic())
                && label.splitn(4, ':').filter(|part| !part.is_empty()).count() >= 3
        };
        for label in [self.from, self.to].into_iter().flatten().filter(|label| !good(label)) {
            faults.push(Fault::Value(format!("{} is no label", quoted(label))));
        }
        faults.extend(path_faults(self.path));
        faults
    }
}
