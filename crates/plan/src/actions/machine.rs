//! Machines that run.

use super::{Facts, Fault, Phase, quoted};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::{Action, Disruption};

/// See [`Action::MachineStart`].
pub(super) struct MachineStart<'a> {
    pub(super) machine: &'a str,
}

impl Facts for MachineStart<'_> {
    fn target(&self) -> Target {
        Target::Machine(self.machine.to_owned())
    }

    fn words(&self) -> Words {
        let machine = self.machine;
        Words {
            expects: format!("machine {machine} stopped"),
            does: format!("starts {machine}"),
            undone_by: format!("stops {machine}"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Start
    }

    fn needs(&self) -> Option<Target> {
        Some(Target::Record(self.machine.to_owned()))
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::MachineStop { .. })
    }

    fn faults(&self) -> Vec<Fault> {
        faults(self.machine)
    }
}

/// See [`Action::MachineStop`].
pub(super) struct MachineStop<'a> {
    pub(super) machine: &'a str,
}

impl Facts for MachineStop<'_> {
    fn target(&self) -> Target {
        Target::Machine(self.machine.to_owned())
    }

    fn words(&self) -> Words {
        let machine = self.machine;
        Words {
            expects: format!("machine {machine} running"),
            does: format!("stops {machine}"),
            undone_by: format!("starts {machine}"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Stop
    }

    fn least_disruption(&self) -> Disruption {
        Disruption::GuestRestart
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::MachineStart { .. })
    }

    fn faults(&self) -> Vec<Fault> {
        faults(self.machine)
    }
}

/// The rule of `MachineSpec::name`.
pub(super) fn faults(name: &str) -> Vec<Fault> {
    let good = (1..=64).contains(&name.len())
        && !name.starts_with(['.', '-'])
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if good {
        Vec::new()
    } else {
        vec![Fault::Value(format!("{} is not the name of a machine", quoted(name)))]
    }
}
