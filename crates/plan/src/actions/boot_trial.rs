//! An entry of the boot loader that is booted once, and an older one from then on.

use super::{Facts, Fault, Phase, quoted};
use crate::describe::Words;
use crate::path::path_faults;
use crate::target::Target;
use vmwright_model::Action;
use vmwright_model::plan::Trial;

/// See [`Action::BootTrial`] and, with `end`, [`Action::BootTrialEnd`].
pub(super) struct BootTrial<'a> {
    pub(super) trial: &'a Trial,
    pub(super) end: bool,
}

impl Facts for BootTrial<'_> {
    fn target(&self) -> Target {
        match self.trial {
            Trial::Grub { environment: path, .. } | Trial::Counted { entry: path } => {
                Target::Trial(path.clone())
            }
        }
    }

    fn words(&self) -> Words {
        let (none, once, back) = match self.trial {
            Trial::Grub { environment, entry } => (
                format!("neither `next_entry` nor `vmwright_trial` in {environment}"),
                format!(
                    "has GRUB boot its entry `{entry}` once, and the entry from before from then on, until the run is confirmed"
                ),
                format!("takes `next_entry` and `vmwright_trial` out of {environment}"),
            ),
            Trial::Counted { entry } => (
                format!("{entry} with no tries in its name"),
                format!(
                    "has systemd-boot try {entry} once, and put it behind the other entries from then on, until the run is confirmed"
                ),
                format!("gives {entry} its plain name back"),
            ),
        };
        let tried = "what the boot loader made of it".to_owned();
        match self.end {
            false => Words { expects: none, does: once, undone_by: back },
            true => Words { expects: tried, does: back, undone_by: once },
        }
    }

    fn phase(&self) -> Phase {
        Phase::Trial
    }

    fn follows(&self, earlier: &Action) -> bool {
        match earlier {
            Action::BootTrial { trial } => self.end && trial == self.trial,
            Action::BootTrialEnd { trial } => !self.end && trial == self.trial,
            _ => false,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        match self.trial {
            Trial::Grub { environment, entry } => {
                // It stands in a variable of GRUB's script, which is expanded without another look at it.
                let good = (1..=256).contains(&entry.len())
                    && entry.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && !b"\\\"$`'".contains(&byte));
                if !good {
                    faults.push(Fault::Value(format!("{} is no entry of GRUB", quoted(entry))));
                }
                faults.extend(path_faults(environment));
            }
            Trial::Counted { entry } => {
                let plain = entry
                    .rsplit_once('/')
                    .and_then(|(_, name)| name.strip_suffix(".conf"))
                    .is_some_and(|name| !name.is_empty() && !name.contains('+'));
                if !plain {
                    let why = format!("{} is no entry of a boot loader without tries", quoted(entry));
                    faults.push(Fault::Value(why));
                }
                faults.extend(path_faults(entry));
            }
        }
        faults
    }
}
