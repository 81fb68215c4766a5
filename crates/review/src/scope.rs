//! What a review is about, and the three ways to learn of it. The engine implements the traits over the
//! machine's own channels; a test may implement them over anything.

use crate::echo::{self, EchoPlan, Echoed};
use crate::wait::Waited;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::Duration;
use vmwright_model::machine::Accelerator;
use vmwright_model::{MachineSpec, Missing};

/// The VM under review.
pub struct Scope<'a> {
    /// What was asked for.
    pub spec: &'a MachineSpec,
    /// The agent in the guest.
    pub guest: &'a dyn Guest,
    /// The process that runs the VM.
    pub vmm: &'a dyn Vmm,
    /// The machine that it runs on.
    pub host: &'a dyn Host,
    /// When the review began, RFC 3339, UTC; copied into the report.
    pub began: &'a str,
    /// How long to wait for the agent, where that is not the limit of the accelerator. Giving up before that
    /// limit makes the boot gate unknown, not failed.
    pub patience: Option<Duration>,
}

/// Why the agent gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// No answer: nobody listens, the channel is broken, or the time ran out.
    #[error("the guest's agent does not answer: {0}")]
    Silent(String),
    /// The agent answered with an error, in its own words. Untrusted.
    #[error("the guest's agent refused: {0}")]
    Refused(String),
}

/// An agent that speaks the QEMU guest agent protocol. Everything that it says is untrusted.
pub trait Guest {
    /// Asks, and gives the content of `return`. Bounded in time by the implementation.
    ///
    /// # Errors
    /// [`GuestError`].
    fn execute(&self, command: &str, arguments: Value) -> Result<Value, GuestError>;

    /// A file's first `max` bytes.
    ///
    /// # Errors
    /// [`GuestError`]; a file that does not exist is [`GuestError::Refused`].
    fn file_read(&self, path: &str, max: usize) -> Result<Vec<u8>, GuestError>;
}

/// The process that runs the VM.
pub trait Vmm {
    /// The answer to a QMP command that only asks (`query-...`).
    ///
    /// # Errors
    /// What went wrong, a lower-case fragment.
    fn query(&self, command: &str) -> Result<Value, String>;

    /// What the guest wrote on its first serial port since power-on, the last megabytes at least. Untrusted.
    ///
    /// # Errors
    /// Why there is none.
    fn serial(&self) -> Result<Vec<u8>, Missing>;

    /// The process itself; none once it has ended.
    fn process(&self) -> Option<Process>;
}

/// A running VMM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Time since it was started.
    pub age: Duration,
}

/// The machine that the VM runs on.
pub trait Host {
    /// A file of the host's `/proc` or `/sys`.
    ///
    /// # Errors
    /// Why there is none.
    fn file(&self, path: &str) -> Result<Vec<u8>, Missing>;

    /// Sends the payloads of `plan` to the guest at `address` and takes them back.
    fn echo(&self, address: IpAddr, plan: &EchoPlan) -> Echoed {
        echo::over_tcp(address, plan)
    }
}

/// A scope with what the wait for it found; what gates work on.
pub(crate) struct Session<'a> {
    pub(crate) scope: &'a Scope<'a>,
    pub(crate) waited: Waited,
}

impl<'a> Session<'a> {
    pub(crate) fn new(scope: &'a Scope<'a>, waited: Waited) -> Self {
        Self { scope, waited }
    }

    /// Asks the agent, and does not ask an agent that never answered: each question would wait in vain.
    pub(crate) fn ask(&self, command: &str) -> Result<Value, String> {
        self.up()?;
        self.scope.guest.execute(command, json!({})).map_err(|error| error.to_string())
    }

    /// A text file of the guest, at most `max` bytes of it.
    pub(crate) fn guest_file(&self, path: &str, max: usize) -> Result<String, GuestError> {
        self.up().map_err(GuestError::Silent)?;
        self.scope.guest.file_read(path, max).map(|bytes| lossy(&bytes))
    }

    /// A text file of the host.
    pub(crate) fn host_file(&self, path: &str) -> Result<String, Missing> {
        self.scope.host.file(path).map(|bytes| lossy(&bytes))
    }

    fn up(&self) -> Result<(), String> {
        self.waited.agent.as_ref().map(|_| ()).map_err(Clone::clone)
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `kvm` or `tcg`.
pub(crate) fn word(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Kvm => "kvm",
        Accelerator::Tcg => "tcg",
    }
}
