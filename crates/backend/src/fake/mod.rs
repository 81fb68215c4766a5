//! A backend without a VMM, for tests of what is above it: real processes, records, locks and refusals, and no
//! guest. Its machine is a process that sleeps. It has no monitor and no agent.

mod argv;
mod control;
mod start;

use crate::disks;
use crate::request::Receive;
use crate::{
    Answer, Backend, Condition, ControlError, Ended, Operation, Request, Running, StartError, Stop, Stored,
    Watch,
};
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

    fn start_telling(&self, machine: &Stored, launched: &mut dyn FnMut()) -> Result<Running, StartError> {
        start::start(self, machine, launched)
    }

    fn look(&self, machine: &Stored) -> Result<Condition, ControlError> {
        control::look(self, machine)
    }

    fn stop(&self, machine: &Stored, how: Stop) -> Result<Ended, ControlError> {
        control::stop(self, machine, how)
    }

    fn lacks(&self, operation: Operation) -> Option<&'static str> {
        match operation {
            Operation::Start
            | Operation::Stop
            | Operation::Kill
            | Operation::Pause
            | Operation::Resume
            | Operation::Snapshot
            | Operation::Restore
            | Operation::Clone
            | Operation::Delete => None,
            Operation::Exec | Operation::Copy | Operation::Console | Operation::Screenshot => {
                Some("its machines have no guest")
            }
            _ => Some("its machines have no monitor"),
        }
    }

    fn carry_out(
        &self,
        machine: &Stored,
        condition: &Condition,
        request: Request,
        _watch: &mut dyn Watch,
    ) -> Result<Answer, ControlError> {
        match request {
            Request::Pause => control::pause(self, machine).map(|()| Answer::Done),
            Request::Resume => control::resume(self, machine).map(|()| Answer::Done),
            Request::Snapshot { name } if !condition.state.alive() => disks::snapshot(machine, &name),
            Request::Restore { name } if !condition.state.alive() => disks::restore(machine, &name),
            Request::Clone { name } => disks::clone(machine, &name),
            other => {
                let operation = other.operation();
                let why = self.lacks(operation).unwrap_or("its machines have no guest");
                Err(ControlError::Cannot { backend: self.name(), operation, why })
            }
        }
    }

    fn take_in(&self, _: &Stored, _: &Receive, _: &mut dyn Watch) -> Result<Running, StartError> {
        Err(StartError::Lacking { backend: self.name(), why: "its machines have no guest" })
    }
}
