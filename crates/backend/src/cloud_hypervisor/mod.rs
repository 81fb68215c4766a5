//! Cloud Hypervisor, run directly: no daemon between vmwright and the VMM.
//!
//! The whole machine is in its command line, so that a VMM which has begun to start ends up as a running guest or not at
//! all, whatever becomes of vmwright meanwhile. What follows is asked over its API.

mod argv;
mod change;
mod control;
mod migrate;
mod receive;
mod snapshot;
mod start;
mod told;

use crate::account::own;
use crate::console::Reads;
use crate::microvm::{self, Common, MicroVm};
use crate::qemu::agent::Agent;
use crate::request::Receive;
use crate::whole;
use crate::{
    Answer, Backend, Condition, ControlError, Ended, Operation, Request, Running, StartError, Stop, Stored,
    Watch,
};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Its name.
pub(crate) const NAME: &str = "cloud-hypervisor";

/// The backend.
#[derive(Debug, Clone, Default)]
pub struct CloudHypervisor {
    common: Common,
}

impl CloudHypervisor {
    /// Another Cloud Hypervisor than the installed one.
    #[must_use]
    pub fn with_program(mut self, program: PathBuf) -> Self {
        self.common.program = Some(program);
        self
    }

    /// Another patience than the default, 30 s.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.common.patience = patience;
        self
    }

    /// The guest agent of a running machine, which must answer within `patience`.
    ///
    /// # Errors
    /// [`ControlError`]; [`ControlError::NoVsock`] where the machine was started without a line to one.
    pub fn agent(&self, machine: &Stored, patience: Duration) -> Result<Agent, ControlError> {
        microvm::agent(self, machine, patience)
    }

    /// What would be QEMU's answer to a command that asks, where the VMM of a running machine tells it.
    ///
    /// # Errors
    /// [`ControlError`] where it cannot be asked.
    pub fn told(&self, machine: &Stored, command: &str) -> Result<Option<Value>, ControlError> {
        told::told(self, machine, command)
    }

    /// The program that a start would run.
    ///
    /// # Errors
    /// [`StartError::NoProgram`].
    pub fn program(&self) -> Result<PathBuf, StartError> {
        self.common.program.clone().map_or_else(argv::find_program, Ok)
    }

    /// The version of the VMM that runs a machine; empty where it tells none.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn version(&self, machine: &Stored) -> Result<String, ControlError> {
        control::version(self, machine)
    }

    /// The words that say a machine, one a line.
    ///
    /// # Errors
    /// [`StartError::Unsayable`] with every item that they cannot say.
    pub fn words(&self, machine: &Stored) -> Result<String, StartError> {
        Ok(argv::words(machine)?.join("\n"))
    }
}

/// As [`Backend::stays_root`].
fn stays_root(machine: &Stored) -> Option<String> {
    let why = match own(machine) {
        Ok(None) => return None,
        Ok(Some(_)) => {
            "disks that are plugged in, snapshots and the other end of a migration are opened by it"
        }
        Err(why) => why,
    };
    Some(format!("Cloud Hypervisor stays root: {why}"))
}

impl MicroVm for CloudHypervisor {
    const NAME: &'static str = NAME;
    const CALLED: &'static str = "Cloud Hypervisor";
    const STATE: &'static str = "/api/v1/vm.info";
    const PAUSED: &'static [&'static str] = &["Paused", "BreakPoint"];
    const CPU_THREAD: &'static str = "vcpu";
    const READS: Reads = Reads::Terminal;

    fn common(&self) -> &Common {
        &self.common
    }
}

impl Backend for CloudHypervisor {
    fn name(&self) -> &'static str {
        NAME
    }

    fn start_telling(&self, machine: &Stored, launched: &mut dyn FnMut()) -> Result<Running, StartError> {
        start::start(self, machine, launched)
    }

    fn stays_root(&self, machine: &Stored) -> Option<String> {
        stays_root(machine)
    }

    fn look(&self, machine: &Stored) -> Result<Condition, ControlError> {
        control::look(self, machine)
    }

    fn stop(&self, machine: &Stored, how: Stop) -> Result<Ended, ControlError> {
        control::stop(self, machine, how)
    }

    fn lacks(&self, operation: Operation) -> Option<&'static str> {
        match operation {
            Operation::Clone => {
                Some("a clone's disks are overlays, whose bases Cloud Hypervisor does not open unasked")
            }
            Operation::Limit => Some("Cloud Hypervisor takes limits at its start alone"),
            Operation::Metadata => Some("Cloud Hypervisor has no metadata service"),
            Operation::Trace => Some("Cloud Hypervisor has no trace events"),
            Operation::Screenshot => Some("Cloud Hypervisor has no screen"),
            _ => None,
        }
    }

    fn carry_out(
        &self,
        machine: &Stored,
        condition: &Condition,
        request: Request,
        watch: &mut dyn Watch,
    ) -> Result<Answer, ControlError> {
        match request {
            Request::Pause => control::ask(self, machine, "vm.pause", None).map(|_| Answer::Done),
            Request::Resume => control::ask(self, machine, "vm.resume", None).map(|_| Answer::Done),
            Request::Console { input, output, way_out } => {
                crate::console::join(self, machine, Self::READS, (input, output), way_out, watch)
            }
            Request::Exec(_) | Request::CopyOut { .. } | Request::CopyIn { .. } => {
                microvm::ask_guest(self, machine, request, watch)
            }
            Request::Snapshot { name } => whole::snapshot(self, machine, condition, &name, watch),
            Request::Restore { name } => whole::restore(self, machine, condition, &name),
            Request::Attach(device) => change::attach(self, machine, &device),
            Request::Migrate(what) => migrate::migrate(self, machine, &what, watch),
            Request::Detach { device, patience } => change::detach(self, machine, &device, patience),
            Request::Resize(what) => change::resize(self, machine, &what),
            Request::Stats => {
                control::statistics(self, machine).map(|counts| Answer::Statistics(Box::new(counts)))
            }
            other => {
                let operation = other.operation();
                let why = self.lacks(operation).unwrap_or("Cloud Hypervisor has no such request");
                Err(ControlError::Cannot { backend: NAME, operation, why })
            }
        }
    }

    fn take_in(
        &self,
        machine: &Stored,
        from: &Receive,
        watch: &mut dyn Watch,
    ) -> Result<Running, StartError> {
        receive::receive(self, machine, from, watch)
    }
}
