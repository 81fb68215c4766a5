//! A backend without a VMM, for tests of what is above it: real processes, records, locks and refusals, and no
//! guest. Its machine is a process that sleeps. It has no monitor and no agent.

mod argv;
mod control;
mod start;

use crate::{Backend, Condition, ControlError, Ended, Running, StartError, Stop, Stored};
use std::collections::BTreeMap;

/// The backend.
#[derive(Debug, Clone, Default)]
pub struct Fake {
    refusals: BTreeMap<String, String>,
}

impl Fake {
    /// A fake whose VMM refuses to start this machine, with these words in its log.
    #[must_use]
    pub fn refusing(mut self, machine: &str, words: &str) -> Self {
        self.refusals.insert(machine.to_owned(), words.to_owned());
        self
    }
}

impl Backend for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn start(&self, machine: &Stored) -> Result<Running, StartError> {
        start::start(self, machine)
    }

    fn look(&self, machine: &Stored) -> Result<Condition, ControlError> {
        control::look(self, machine)
    }

    fn stop(&self, machine: &Stored, how: Stop) -> Result<Ended, ControlError> {
        control::stop(self, machine, how)
    }

    fn pause(&self, machine: &Stored) -> Result<(), ControlError> {
        control::pause(self, machine)
    }

    fn resume(&self, machine: &Stored) -> Result<(), ControlError> {
        control::resume(self, machine)
    }
}
