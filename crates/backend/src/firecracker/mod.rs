//! Firecracker, run without a daemon: directly, or by its jailer where `process.jailer` says so.
//!
//! The whole machine is in its configuration file (`--config-file`), so that a VMM which has begun to start ends up as
//! a running guest or not at all, whatever becomes of vmwright meanwhile. What follows is asked over its API.

mod argv;
mod control;
mod jail;
mod limit;
mod metadata;
mod resize;
mod snapshot;
mod start;
mod told;

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
use vmwright_model::MachineSpec;

pub use jail::JailError;

/// Its name.
pub(crate) const NAME: &str = "firecracker";

/// The backend.
#[derive(Debug, Clone, Default)]
pub struct Firecracker {
    common: Common,
}

impl Firecracker {
    /// Another Firecracker than the installed one.
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

    /// The version of the VMM that runs a machine; empty where it tells none.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn version(&self, machine: &Stored) -> Result<String, ControlError> {
        let answer = microvm::api_of(self, machine)?.get("/version");
        let answer = answer.map_err(|source| microvm::unusable(machine, source))?;
        Ok(microvm::word(&answer["firecracker_version"]))
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

    /// The parts of a machine's jail (`process.jailer`), or the user that its VMM is, each with what it is for; nothing
    /// where it runs as its caller.
    ///
    /// # Errors
    /// As [`Self::config`].
    pub fn jail(&self, machine: &Stored) -> Result<Vec<(String, String)>, StartError> {
        let config = argv::config(&argv::whole(machine))?;
        let mut parts = jail::shown(machine, &config);
        if let Ok(Some(view)) = start::view(self, machine, &config, None) {
            let why = "a user that is this machine's alone, with mount and PID namespaces of its own";
            parts.push((format!("user {}", view.account().name), why.to_owned()));
        }
        Ok(parts)
    }

    /// The configuration file of a machine.
    ///
    /// # Errors
    /// [`StartError::Unsayable`] with every item that it cannot say.
    pub fn config(&self, machine: &Stored) -> Result<String, StartError> {
        Ok(format!("{:#}\n", argv::config(&argv::whole(machine))?))
    }
}

/// Whether this process has locked itself: whoever does gives up more rights first (seccomp(2), `EACCES`).
fn is_locked() -> bool {
    rustix::thread::no_new_privs().unwrap_or(false)
}

impl MicroVm for Firecracker {
    const NAME: &'static str = NAME;
    const CALLED: &'static str = "Firecracker";
    const STATE: &'static str = "/";
    const PAUSED: &'static [&'static str] = &["Paused"];
    const CPU_THREAD: &'static str = "fc_vcpu ";
    const READS: Reads = Reads::Anything;

    const JAIL: &'static str = "; with `process.jailer` it runs as that user, in a jail";

    fn common(&self) -> &Common {
        &self.common
    }

    fn jails(spec: &MachineSpec) -> bool {
        jail::wanted(spec)
    }
}

impl Backend for Firecracker {
    fn name(&self) -> &'static str {
        NAME
    }

    fn start_telling(&self, machine: &Stored, launched: &mut dyn FnMut()) -> Result<Running, StartError> {
        start::start(self, machine, launched)
    }

    fn stays_root(&self, machine: &Stored) -> Option<String> {
        // A process that is locked cannot try it. What Firecracker cannot be told is told by the start.
        let config = argv::config(&argv::whole(machine)).ok().filter(|_| !is_locked())?;
        start::view(self, machine, &config, None).err()
    }

    fn look(&self, machine: &Stored) -> Result<Condition, ControlError> {
        microvm::look(self, machine)
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
            | Operation::Query
            | Operation::Console
            | Operation::Exec
            | Operation::Copy
            | Operation::Snapshot
            | Operation::Restore
            | Operation::Resize
            | Operation::Limit
            | Operation::Metadata
            | Operation::Stats
            | Operation::Delete => None,
            Operation::Clone => {
                Some("a clone's disks are qcow2 overlays, and Firecracker reads raw images alone")
            }
            Operation::Attach | Operation::Detach => Some("its devices are those that it was started with"),
            Operation::Migrate | Operation::Receive => {
                Some("Firecracker does not migrate; a snapshot can be taken to another host")
            }
            Operation::Trace => Some("Firecracker has no trace events"),
            Operation::Screenshot => Some("Firecracker has no screen"),
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
            Request::Pause => control::change(self, machine, "Paused").map(|()| Answer::Done),
            Request::Resume => control::change(self, machine, "Resumed").map(|()| Answer::Done),
            Request::Console { input, output, way_out } => {
                crate::console::join(self, machine, Self::READS, (input, output), way_out, watch)
            }
            Request::Exec(_) | Request::CopyOut { .. } | Request::CopyIn { .. } => {
                microvm::ask_guest(self, machine, request, watch)
            }
            Request::Snapshot { name } => whole::snapshot(self, machine, condition, &name, watch),
            Request::Restore { name } => whole::restore(self, machine, condition, &name),
            Request::Resize(what) => resize::resize(self, machine, &what, watch),
            Request::Limit(what) => limit::limit(self, machine, &what),
            Request::Metadata(change) => metadata::metadata(self, machine, change),
            Request::Stats => {
                control::statistics(self, machine).map(|counts| Answer::Statistics(Box::new(counts)))
            }
            other => {
                let operation = other.operation();
                let why = self.lacks(operation).unwrap_or("Firecracker has no such request");
                Err(ControlError::Cannot { backend: NAME, operation, why })
            }
        }
    }

    fn take_in(&self, _: &Stored, _: &Receive, _: &mut dyn Watch) -> Result<Running, StartError> {
        Err(StartError::Lacking { backend: NAME, why: "Firecracker does not migrate" })
    }
}
