//! QEMU, run directly: no daemon between vmwright and the VMM.

pub mod agent;
pub mod argv;
mod control;
pub mod qmp;
mod start;
mod tap;

use crate::state::{Operation, allow};
use crate::{Backend, Condition, ControlError, Ended, Running, StartError, Stop, Stored};
use std::path::PathBuf;
use std::time::Duration;

/// The backend.
#[derive(Debug, Clone)]
pub struct Qemu {
    /// The program; looked for at each start where absent.
    program: Option<PathBuf>,
    /// How long a VMM may take until it runs the guest, and a monitor to answer.
    patience: Duration,
}

impl Default for Qemu {
    /// QEMU as it is installed, with 30 s for a start: preallocating huge memory takes its time.
    fn default() -> Self {
        Self { program: None, patience: Duration::from_secs(30) }
    }
}

impl Qemu {
    /// Another QEMU than the installed one.
    #[must_use]
    pub fn with_program(self, program: PathBuf) -> Self {
        Self { program: Some(program), ..self }
    }

    /// Another patience than the default, for start and for each answer of the monitor.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The program that a start would run.
    ///
    /// # Errors
    /// [`StartError::NoProgram`].
    pub fn program(&self) -> Result<PathBuf, StartError> {
        match &self.program {
            Some(program) => Ok(program.clone()),
            None => start::find_program(),
        }
    }

    /// The monitor of a running machine. It serves one client at a time: keep it no longer than needed.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn monitor(&self, machine: &Stored) -> Result<qmp::Qmp, ControlError> {
        allow(&machine.name, &self.look(machine)?, Operation::Query)?;
        control::monitor(machine, &crate::supervise::running(machine)?, self.patience)
    }

    /// The guest agent of a running machine, which must answer within `patience`.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn agent(&self, machine: &Stored, patience: Duration) -> Result<agent::Agent, ControlError> {
        allow(&machine.name, &self.look(machine)?, Operation::Query)?;
        control::agent(machine, &crate::supervise::running(machine)?, patience)
    }
}

impl Backend for Qemu {
    fn name(&self) -> &'static str {
        "qemu"
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
        control::command(self, machine, Operation::Pause, "stop")
    }

    fn resume(&self, machine: &Stored) -> Result<(), ControlError> {
        control::command(self, machine, Operation::Resume, "cont")
    }
}
