//! Lets other CPUs serve an interrupt.

use super::{Act, ActionError, World};
use std::io;
use vmwright_formats::irq_affinity::{cpus, cpus_of_mask, mask};
use vmwright_model::Action;
use vmwright_model::topology::CpuSet;

/// See [`Action::IrqAffinity`].
pub(super) struct IrqAffinity<'a> {
    pub(super) irq: Option<u32>,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
}

/// `EPERM` and `EIO`: what the kernel says to a write where it chooses the CPUs itself, since 6.5 and before
/// (`write_irq_affinity()` in its `kernel/irq/proc.c`).
const MANAGED: [i32; 2] = [1, 5];

impl IrqAffinity<'_> {
    fn path(&self) -> String {
        match self.irq {
            Some(irq) => format!("/proc/irq/{irq}/smp_affinity_list"),
            // Of this there is a mask alone.
            None => "/proc/irq/default_smp_affinity".to_owned(),
        }
    }

    fn found(&self, world: &World<'_>) -> Result<CpuSet, ActionError> {
        let path = self.path();
        let text = world.system.read(&path).map_err(|error| failed(&path, "read", error))?;
        let read = if self.irq.is_some() { cpus(text.trim()) } else { cpus_of_mask(text.trim()) };
        read.ok_or_else(|| drift(&path, "CPUs", text.trim().escape_debug().to_string()))
    }

    fn must_be(&self, world: &World<'_>, expected: &str) -> Result<(), ActionError> {
        match self.found(world)?.to_string() {
            found if found == expected => Ok(()),
            found => Err(drift(&self.path(), expected, found)),
        }
    }

    fn write(&self, world: &World<'_>, list: &str) -> io::Result<()> {
        match self.irq {
            Some(_) => world.system.write(&self.path(), list),
            None => world.system.write(&self.path(), &mask(&cpus(list).unwrap_or_default())),
        }
    }

    /// Whether the kernel chooses its CPUs: also what they are already it does not let anybody write then, and where it
    /// does, that changes nothing.
    fn is_managed(&self, world: &World<'_>) -> bool {
        let same = self.found(world).map(|found| self.write(world, &found.to_string()));
        self.irq.is_some() && matches!(same, Ok(Err(error)) if is_refusal(&error))
    }

    fn undo(&self) -> Action {
        Action::IrqAffinity { irq: self.irq, from: self.to.to_owned(), to: self.from.to_owned() }
    }
}

fn is_refusal(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| MANAGED.contains(&code))
}

fn drift(path: &str, expected: &str, found: String) -> ActionError {
    ActionError::Drift { what: path.to_owned(), expected: expected.to_owned(), found }
}

fn failed(path: &str, what: &'static str, source: io::Error) -> ActionError {
    match source.kind() {
        io::ErrorKind::NotFound => ActionError::Gone(path.to_owned()),
        _ => ActionError::Io { path: path.to_owned(), what, source },
    }
}

impl Act for IrqAffinity<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.must_be(world, self.from)?;
        Ok(self.undo())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        match self.write(world, self.to) {
            Err(error) if is_refusal(&error) && self.is_managed(world) => Ok(()),
            done => done.map_err(|error| failed(&self.path(), "write", error)),
        }
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        match self.must_be(world, self.to) {
            Err(_) if self.must_be(world, self.from).is_ok() && self.is_managed(world) => Ok(()),
            found => found,
        }
    }

    fn remark(&self, world: &World<'_>) -> Option<String> {
        let stays = self.must_be(world, self.from).is_ok() && self.is_managed(world);
        stays.then(|| {
            format!("the kernel itself chooses the CPUs of {}: it stays on {}", self.path(), self.from)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::tests::with_system;
    use crate::system::{Ran, RunError, System};
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    /// Interrupts of a made-up kernel; those whose number is odd it manages.
    struct Irqs(RefCell<BTreeMap<String, String>>);

    impl System for Irqs {
        fn read(&self, path: &str) -> io::Result<String> {
            self.0.borrow().get(path).map(|text| format!("{text}\n")).ok_or(io::ErrorKind::NotFound.into())
        }

        fn write(&self, path: &str, value: &str) -> io::Result<()> {
            if ["1/", "3/", "5/", "7/", "9/"].iter().any(|odd| path.contains(odd)) {
                return Err(io::Error::from_raw_os_error(5));
            }
            self.0.borrow_mut().insert(path.to_owned(), value.to_owned());
            Ok(())
        }

        fn link(&self, _: &str) -> io::Result<String> {
            Err(io::ErrorKind::NotFound.into())
        }

        fn holder(&self, _: &str) -> io::Result<Option<String>> {
            Ok(None)
        }

        fn run(&self, program: &'static str, _: &[&str]) -> Result<Ran, RunError> {
            Err(RunError::Absent(program))
        }
    }

    #[test]
    fn an_interrupt_moves_and_comes_back_and_one_of_the_kernels_own_stays_and_says_so() {
        let of = |path: &str| format!("/proc/irq/{path}");
        let irqs = Irqs(RefCell::new(BTreeMap::from([
            (of("24/smp_affinity_list"), "0-7".to_owned()),
            (of("31/smp_affinity_list"), "2-3".to_owned()),
            (of("default_smp_affinity"), "ff,ffffffff".to_owned()),
        ])));
        let before = irqs.0.borrow().clone();
        for (irq, from, to, after) in [
            (Some(24), "0-7", "0-1,4-7", Some(("24/smp_affinity_list", "0-1,4-7"))),
            (Some(31), "2-3", "0", None),
            (None, "0-39", "0-1,4-39", Some(("default_smp_affinity", "ff,fffffff3"))),
        ] {
            let act = IrqAffinity { irq, from, to };
            with_system(&irqs, |world| {
                let undo = act.expect(world).expect("as expected");
                act.perform(world, &undo).expect("done, or left out");
                act.verify(world).expect("it holds");
                assert_eq!(act.remark(world).is_some(), after.is_none(), "{irq:?}");
                if let Some((path, text)) = after {
                    assert_eq!(irqs.0.borrow().get(&of(path)).map(String::as_str), Some(text));
                }
                let back = crate::actions::of(&undo);
                if back.verify(world).is_err() {
                    let redo = back.expect(world).expect("as it was left");
                    back.perform(world, &redo).expect("undone");
                }
                back.verify(world).expect("it is back");
            });
        }
        let plain = |text: &str| cpus_of_mask(text).map(|cpus| cpus.to_string());
        assert_eq!(
            plain(&irqs.0.borrow()[&of("default_smp_affinity")]),
            plain(&before[&of("default_smp_affinity")])
        );
        assert_eq!(irqs.0.borrow()[&of("24/smp_affinity_list")], "0-7");
        let drifted = IrqAffinity { irq: Some(24), from: "0-3", to: "0" };
        with_system(&irqs, |world| {
            assert!(matches!(drifted.expect(world), Err(ActionError::Drift { .. })));
            let gone = IrqAffinity { irq: Some(99), from: "0-3", to: "0" };
            assert!(matches!(gone.expect(world), Err(ActionError::Gone(_))));
        });
    }
}
