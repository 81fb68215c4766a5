//! Logical volumes of LVM.

use super::{Facts, Fault, Phase, change, quoted};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::Action;

/// See [`Action::LogicalVolume`].
pub(super) struct LogicalVolume<'a> {
    pub(super) volume: &'a str,
    pub(super) from: bool,
    pub(super) to: bool,
}

impl Facts for LogicalVolume<'_> {
    fn target(&self) -> Target {
        Target::Volume(self.volume.to_owned())
    }

    fn words(&self) -> Words {
        let does = |to: bool| {
            let volume = self.volume;
            if to {
                format!("activates logical volume {volume}")
            } else {
                format!("deactivates logical volume {volume}, if nobody has it open")
            }
        };
        let state = if self.from { "active" } else { "not active" };
        Words {
            expects: format!("logical volume {} {state}", self.volume),
            does: does(self.to),
            undone_by: does(self.from),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Device
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::LogicalVolume { to, .. } if *to == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        // lvm(8), VALID NAMES. An argument of a program besides.
        let name = |name: &str| {
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "+_.-".contains(letter);
            (1..=127).contains(&name.len()) && !name.starts_with(['-', '.']) && name.chars().all(plain)
        };
        let good = self.volume.split_once('/').is_some_and(|(group, volume)| name(group) && name(volume));
        if !good {
            faults.push(Fault::Value(format!("{} is not GROUP/VOLUME of LVM", quoted(self.volume))));
        }
        faults
    }
}
