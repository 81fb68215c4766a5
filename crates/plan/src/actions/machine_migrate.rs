//! A machine that leaves for another host while it runs.

use super::{Facts, Fault, Phase, quoted};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::{Action, Disruption};

/// See [`Action::MachineMigrate`] and, with `back`, [`Action::MachineReturn`].
pub(super) struct MachineMigrate<'a> {
    pub(super) machine: &'a str,
    pub(super) to: &'a str,
    pub(super) back: bool,
}

impl Facts for MachineMigrate<'_> {
    fn target(&self) -> Target {
        Target::Machine(self.machine.to_owned())
    }

    fn words(&self) -> Words {
        let (machine, to) = (self.machine, self.to);
        let back = format!(
            "nothing by itself: {machine} has to be sent back from {to}, or started here when it is off there"
        );
        match self.back {
            false => Words {
                expects: format!("machine {machine} running, and {to} waiting for it"),
                does: format!("moves {machine} to {to} while it runs; where that fails it goes on here"),
                undone_by: back,
            },
            true => Words {
                expects: format!("machine {machine} running here"),
                does: back,
                undone_by: format!("moves {machine} to {to}"),
            },
        }
    }

    fn phase(&self) -> Phase {
        Phase::Leave
    }

    fn least_disruption(&self) -> Disruption {
        if self.back { Disruption::None } else { Disruption::GuestPause }
    }

    fn can_be_undone(&self) -> bool {
        self.back
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::MachineStart { .. })
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = super::machine::faults(self.machine);
        let kinds = ["unix:/", "tcp:", "file:/", "libvirt:"];
        let printable = self.to.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) && self.to.len() <= 1024;
        if !printable || !kinds.iter().any(|kind| self.to.starts_with(kind)) {
            faults.push(Fault::Value(format!("{} is no place for a guest", quoted(self.to))));
        }
        faults
    }
}
