//! Which CPUs serve an interrupt.

use super::{Facts, Fault, Phase, change, quoted};
use crate::describe::Words;
use crate::target::Target;
use vmwright_formats::irq_affinity::cpus;
use vmwright_model::Action;

/// See [`Action::IrqAffinity`].
pub(super) struct IrqAffinity<'a> {
    pub(super) irq: Option<u32>,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
}

impl IrqAffinity<'_> {
    fn name(&self) -> String {
        match self.irq {
            Some(irq) => format!("interrupt {irq}"),
            None => "interrupts that are set up from now on".to_owned(),
        }
    }
}

impl Facts for IrqAffinity<'_> {
    fn target(&self) -> Target {
        let of = self.irq.map_or_else(|| "default".to_owned(), |irq| irq.to_string());
        Target::Value(format!("/proc/irq/{of}"))
    }

    fn words(&self) -> Words {
        let (name, Self { from, to, .. }) = (self.name(), self);
        let but = match self.irq {
            Some(_) => {
                ", unless the kernel itself chooses them, until its device is set up anew or the next boot"
            }
            None => ", until the next boot",
        };
        Words {
            expects: format!("{name} on CPUs {from}"),
            does: format!("has {name} served by CPUs {to}{but}"),
            undone_by: format!("has {name} served by CPUs {from}, if that is still {to}"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Kernel
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::IrqAffinity { irq, to, .. } if *irq == self.irq && to == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        let plain =
            |list: &&str| cpus(list).is_some_and(|cpus| cpus.to_string() == **list && !cpus.0.is_empty());
        let bad = [self.from, self.to].into_iter().filter(|list| !plain(list));
        faults.extend(bad.map(|list| {
            Fault::Value(format!("{} is no list of CPUs as the kernel writes it", quoted(list)))
        }));
        faults
    }
}
