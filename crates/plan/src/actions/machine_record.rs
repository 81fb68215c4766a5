//! Machines as vmwright and their backend know them, running or not.

use super::{Facts, Fault, Phase, quoted};
use crate::canonical::sha256;
use crate::describe::Words;
use crate::lint::MAX_TEXT;
use crate::target::Target;
use vmwright_model::Action;

/// See [`Action::MachineCreate`] and, with `away`, [`Action::MachineDelete`].
pub(super) struct MachineRecord<'a> {
    pub(super) machine: &'a str,
    pub(super) backend: &'a str,
    pub(super) text: &'a str,
    pub(super) away: bool,
}

impl Facts for MachineRecord<'_> {
    fn target(&self) -> Target {
        Target::Record(self.machine.to_owned())
    }

    fn words(&self) -> Words {
        let (machine, backend) = (self.machine, self.backend);
        let libvirt = backend.contains("://");
        let makes = match libvirt {
            true => format!("makes machine {machine} and defines it in libvirt ({backend})"),
            false => format!("makes machine {machine}, which {backend} runs"),
        };
        let takes = match libvirt {
            true => format!("takes machine {machine} away, and its definition out of libvirt ({backend})"),
            false => format!("takes machine {machine} away, with its logs"),
        };
        match self.away {
            false => Words {
                expects: format!(
                    "no machine {machine}{}",
                    if libvirt { ", and no domain of that name" } else { "" }
                ),
                does: makes,
                undone_by: format!("{takes}, if it is as it was made and does not run"),
            },
            true => Words {
                expects: format!("machine {machine} as it was made, not running"),
                does: takes,
                undone_by: makes,
            },
        }
    }

    fn phase(&self) -> Phase {
        if self.away { Phase::Stop } else { Phase::Record }
    }

    fn follows(&self, earlier: &Action) -> bool {
        match (self.away, earlier) {
            (false, Action::MachineDelete { .. }) => true,
            (true, Action::MachineCreate { backend, text, .. }) => {
                (backend.as_str(), text.as_str()) == (self.backend, self.text)
            }
            _ => false,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = super::machine::faults(self.machine);
        let words = ["qemu", "firecracker", "cloud-hypervisor"];
        if !words.contains(&self.backend) && !self.backend.starts_with("qemu:///") {
            faults.push(Fault::Value(format!("{} is no backend of machines", quoted(self.backend))));
        }
        if self.text.len() > MAX_TEXT {
            faults.push(Fault::Value(format!(
                "the specification has {} bytes, more than {MAX_TEXT} (SHA-256 {})",
                self.text.len(),
                sha256(self.text.as_bytes())
            )));
        }
        faults
    }

    fn content(&self) -> Option<&str> {
        (!self.away).then_some(self.text)
    }
}
