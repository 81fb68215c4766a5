//! Machines: a backend makes run what a specification describes.
//!
//! A machine lives in the state directory as `machines/NAME/`: `machine.toml` (the specification), and of the
//! last start `argv` (one argument a line), `qemu.log` (what the VMM said), `serial.log` (what the guest's first
//! serial port said) and `process.json` (the VMM's process). Nothing of vmwright stays behind to watch it: the
//! VMM's process is found again by pid and start time, so that the answer is right after a `kill -9` of either.
//!
//! [`request`] is the list of what can be asked of a machine beyond that: [`perform`] asks the table and the backend's
//! capabilities before anything is tried. `snapshots/` holds what was kept.
//!
//! [`state`] holds the one table of what is legal in which state; every backend obeys it and passes the
//! contract in `tests/contract`. Backends have the same files: `argv.rs` (the command line, pure; libvirt's is
//! `domain.rs`, its domain XML), `start.rs`, `control.rs` (state, stop, pause, resume). What Firecracker and Cloud
//! Hypervisor have in common is `microvm.rs`.

mod account;
mod apart;
mod cgroup;
pub mod cloud_hypervisor;
mod console;
pub mod deposit;
mod disks;
pub mod fake;
pub mod firecracker;
mod guest;
pub mod http;
mod image;
#[cfg(test)]
mod keys;
mod launch;
mod lent;
pub mod libvirt;
mod lines;
mod lock;
mod microvm;
mod place;
mod process;
mod program;
mod pty;
pub mod qemu;
mod record;
pub mod request;
mod sayable;
mod seed;
mod sockets;
mod spawn;
pub mod state;
pub mod store;
mod supervise;
mod view;
mod vmm_process;
mod vsock;
pub mod vsock_port;
mod whole;

pub use account::AccountError;
pub use cgroup::CgroupError;
pub use disks::{forget_snapshots, snapshots};
pub use image::overlay;
pub use process::{Identity, user_of};
pub use record::{Phase, ProcessRecord, RecordError, Running};
pub use request::{Answer, Request, Told, Unwatched, Watch, perform};
pub use seed::with_disk as as_started;
pub use sockets::SocketError;
pub use state::{Illegal, Operation, State, legal};
pub use store::{Listed, Stored};
pub use whole::Copies;

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;
use thiserror::Error;

/// Makes machines run.
pub trait Backend {
    /// Its name, as `process.json` records it.
    fn name(&self) -> &'static str;

    /// Starts a machine and waits until its VMM runs the guest. On failure nothing is left running, the state is
    /// [`State::Failed`], and `qemu.log` holds the reason: the VMM's own words, or vmwright's after `vmwright: `.
    ///
    /// # Errors
    /// [`StartError`].
    fn start(&self, machine: &Stored) -> Result<Running, StartError> {
        self.start_telling(machine, &mut || {})
    }

    /// As [`Self::start`]. `launched` is called when the VMM's program runs, or the daemon that runs it is about to be
    /// asked, before that is waited for; not where it does not get so far.
    ///
    /// # Errors
    /// [`StartError`].
    fn start_telling(&self, machine: &Stored, launched: &mut dyn FnMut()) -> Result<Running, StartError>;

    /// Why the VMM of a machine that root starts runs its guest as root, though the specification does not ask for that.
    /// None where it becomes another user, where vmwright is not root, and where a daemon runs it as it likes.
    fn stays_root(&self, _: &Stored) -> Option<String> {
        None
    }

    /// Looks where a machine stands. Changes nothing.
    ///
    /// # Errors
    /// [`ControlError`] where it cannot be told.
    fn look(&self, machine: &Stored) -> Result<Condition, ControlError>;

    /// Stops a machine and waits until its VMM is gone and has left nothing behind.
    ///
    /// # Errors
    /// [`ControlError`]; the machine may still run then.
    fn stop(&self, machine: &Stored, how: Stop) -> Result<Ended, ControlError>;

    /// Why it cannot do an operation at all; none where it can. Asked before anything is tried.
    fn lacks(&self, operation: Operation) -> Option<&'static str>;

    /// Carries out a request on a machine that stands as `condition` says. Only [`perform`] calls it: table and
    /// capabilities have allowed it then.
    ///
    /// # Errors
    /// [`ControlError`]; where the message does not say otherwise, nothing has changed.
    fn carry_out(
        &self,
        machine: &Stored,
        condition: &Condition,
        request: Request,
        watch: &mut dyn Watch,
    ) -> Result<Answer, ControlError>;

    /// Starts the VMM and waits until a guest has come in from elsewhere. As [`Self::start`] on failure. Only
    /// [`request::receive`] calls it.
    ///
    /// # Errors
    /// [`StartError`].
    fn take_in(
        &self,
        machine: &Stored,
        receive: &request::Receive,
        watch: &mut dyn Watch,
    ) -> Result<Running, StartError>;
}

/// Where a machine stands, and what shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The state.
    pub state: State,
    /// What shows it, a lower-case fragment; empty where the state says all. Parts of it may be the VMM's words.
    pub why: String,
}

impl Condition {
    /// A state with what shows it.
    pub(crate) fn new(state: State, why: impl Into<String>) -> Self {
        Self { state, why: why.into() }
    }
}

/// How to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Ask the guest to power off; where it has not after this time, end the VMM in order (disks are flushed,
    /// the guest is not asked again).
    Orderly(Duration),
    /// Kill the VMM at once, like a power cut.
    Force,
}

/// How a stopped machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The VMM ended by itself after the guest was asked, as it does when its guest powers off.
    ByItself,
    /// The guest did not power off within the time given; the VMM was told to end, and did so in order.
    Quit,
    /// The VMM was killed, or crashed.
    Killed,
    /// Another vmwright ended it meanwhile.
    Elsewhere,
}

/// Why a machine did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// It is not in a state to start from.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// Another vmwright is starting or stopping it at this moment.
    #[error("another vmwright is at work on machine `{0}`")]
    Busy(String),
    /// The machine's directory cannot be used.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The record of its process cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The VMM is not installed.
    #[error("no `{name}` in PATH, and none of {} exists; {install}", list(.looked))]
    NoProgram {
        /// Name that PATH was searched for.
        name: String,
        /// Places looked at after PATH.
        looked: Vec<PathBuf>,
        /// How to get it.
        install: &'static str,
    },
    /// The user to run as cannot be had.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// No such bridge.
    #[error("no bridge `{0}` on this host")]
    NoBridge(String),
    /// The interface exists and is not a bridge.
    #[error("interface `{0}` is not a bridge")]
    NotABridge(String),
    /// A tap on the bridge could not be made.
    #[error("cannot {doing} for bridge `{bridge}`")]
    Tap {
        /// The bridge.
        bridge: String,
        /// What failed.
        doing: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The specification cannot be said as a command line.
    #[error(transparent)]
    Argv(#[from] qemu::argv::ArgvError),
    /// The specification cannot be said as a domain.
    #[error(transparent)]
    Domain(#[from] libvirt::DomainError),
    /// libvirt did not do it.
    #[error("libvirt did not start machine `{machine}`")]
    Libvirt {
        /// The machine.
        machine: String,
        /// What it said.
        #[source]
        source: libvirt::LibvirtError,
    },
    /// libvirt has a domain of this name that vmwright did not make.
    #[error("libvirt has a domain `{0}` that vmwright did not make; it is left alone")]
    Foreign(String),
    /// The specification has changed, and somebody else has changed the domain.
    #[error(
        "the specification of machine `{machine}` and somebody else have both changed its domain: {what}; the domain \
         as vmwright left it is in `{}`", .file.display()
    )]
    Edited {
        /// The machine.
        machine: String,
        /// Where, and how.
        what: String,
        /// The domain as vmwright knows it.
        file: PathBuf,
    },
    /// libvirt started it, and no process of it is to be found.
    #[error("libvirt started machine `{machine}`, but none of this host's processes is its VMM; {told}")]
    NoProcess {
        /// The machine.
        machine: String,
        /// Where libvirt says that it stands.
        told: String,
    },
    /// A file of the seed cannot be read.
    #[error("cannot read `{}` for the seed", .path.display())]
    Seed {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Firecracker's jail could not be made.
    #[error(transparent)]
    Jail(#[from] firecracker::JailError),
    /// Its control group could not be made.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// A thread could not be put where the specification wants it; the VMM was ended.
    #[error("cannot place threads by `{key}` (`{value}`)")]
    Placement {
        /// The specification's key.
        key: String,
        /// What it says.
        value: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The sockets could not be made.
    #[error(transparent)]
    Sockets(#[from] SocketError),
    /// A file of the machine's directory cannot be written.
    #[error("cannot write `{}`", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The VMM's program could not be run.
    #[error("cannot run `{}`", .program.display())]
    Launch {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The VMM ended before the guest ran.
    #[error("the virtual machine monitor ended with {status}{}", said_fragment(.said))]
    Exited {
        /// Its exit status.
        status: ExitStatus,
        /// The last lines that it said, at most 20.
        said: String,
    },
    /// The VMM did not get as far as running the guest; it was killed.
    #[error("the virtual machine monitor was not ready after {} s and was killed{}", .after.as_secs_f32(), said_fragment(.said))]
    NotReady {
        /// How long it was waited for.
        after: Duration,
        /// The last lines that it said, at most 20.
        said: String,
    },
    /// Its monitor gave no usable answer; it was killed.
    #[error("the monitor of machine `{machine}` gave no usable answer")]
    Monitor {
        /// The machine.
        machine: String,
        /// What it did.
        #[source]
        source: qemu::qmp::QmpError,
    },
    /// The VMM cannot be told the machine as it is described.
    #[error("the backend `{backend}` cannot run this machine as it is described: {}", .items.join("; "))]
    Unsayable {
        /// The backend.
        backend: &'static str,
        /// What it cannot be told, and why.
        items: Vec<String>,
    },
    /// Its API gave no usable answer; it was killed.
    #[error("the API of machine `{machine}` gave no usable answer")]
    Api {
        /// The machine.
        machine: String,
        /// What it did.
        #[source]
        source: http::ApiError,
    },
    /// The VMM could not be watched.
    #[error("cannot follow the virtual machine monitor's process")]
    Process(#[source] io::Error),
    /// A running machine has it already.
    #[error("machine `{other}` runs and has the {what} too")]
    Taken {
        /// What both have.
        what: String,
        /// The other machine.
        other: String,
    },
    /// The backend cannot receive a guest.
    #[error("the backend `{backend}` cannot do that: {why}")]
    Lacking {
        /// The backend.
        backend: &'static str,
        /// Why.
        why: &'static str,
    },
    /// The guest did not arrive; the VMM was ended.
    #[error("the guest did not arrive: {why}{}", said_fragment(.said))]
    NotArrived {
        /// What the VMM says, or what was wrong with where it should come from.
        why: String,
        /// The last lines that the VMM said, at most 20.
        said: String,
    },
}

/// Why a machine's state could not be told or changed.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The operation is not legal in the state that the machine is in.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// Another vmwright is starting or stopping it at this moment.
    #[error("another vmwright is at work on machine `{0}`")]
    Busy(String),
    /// The machine's directory cannot be used.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The record of its process cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The backend has no such operation.
    #[error("the backend `{backend}` cannot {operation} a machine: {why}")]
    Cannot {
        /// The backend.
        backend: &'static str,
        /// What was asked.
        operation: Operation,
        /// Why not.
        why: &'static str,
    },
    /// It was tried and did not come about, or what was asked for makes no sense for this machine.
    #[error("cannot {operation} machine `{machine}`: {why}")]
    Failed {
        /// The machine.
        machine: String,
        /// What was asked.
        operation: Operation,
        /// Why not; parts of it may be the VMM's or the guest's words.
        why: String,
    },
    /// A file of the host that was named cannot be used.
    #[error("cannot {doing} `{}`", .path.display())]
    File {
        /// What failed.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The record shows a process of another backend.
    #[error("machine `{machine}` belongs to the backend `{backend}`")]
    OtherBackend {
        /// The machine.
        machine: String,
        /// The backend that started it.
        backend: String,
    },
    /// The machine has no guest agent by its specification.
    #[error("machine `{0}` has no guest agent by its specification (`agent = false`)")]
    NoAgent(String),
    /// The VMM has no line to a guest agent but vsock, and the machine was started without.
    #[error(
        "machine `{machine}` was started without a line to a guest agent: on {vmm} that is `[vsock]` and `agent = true` \
         in its specification, and in the guest `qemu-ga --method=vsock-listen`"
    )]
    NoVsock {
        /// The machine.
        machine: String,
        /// The VMM.
        vmm: &'static str,
    },
    /// The monitor gave no usable answer.
    #[error("the monitor of machine `{machine}` gave no usable answer")]
    Monitor {
        /// The machine.
        machine: String,
        /// What it did.
        #[source]
        source: qemu::qmp::QmpError,
    },
    /// The VMM's API gave no usable answer.
    #[error("the API of machine `{machine}` gave no usable answer")]
    Api {
        /// The machine.
        machine: String,
        /// What it did.
        #[source]
        source: http::ApiError,
    },
    /// libvirt gave no usable answer.
    #[error("libvirt did not do it for machine `{machine}`")]
    Libvirt {
        /// The machine.
        machine: String,
        /// What it said.
        #[source]
        source: libvirt::LibvirtError,
    },
    /// The agent's socket cannot be used.
    #[error("the guest agent of machine `{machine}` cannot be reached")]
    Agent {
        /// The machine.
        machine: String,
        /// Why.
        #[source]
        source: qemu::agent::AgentError,
    },
    /// The VMM's process could not be looked at or signalled.
    #[error("cannot reach process {pid} of machine `{machine}`")]
    Process {
        /// The machine.
        machine: String,
        /// The process.
        pid: i32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The VMM was told to end and did not.
    #[error("process {pid} of machine `{machine}` has not ended after {} s", .after.as_secs())]
    StillThere {
        /// The machine.
        machine: String,
        /// The process.
        pid: i32,
        /// How long it was waited for.
        after: Duration,
    },
    /// The VMM is gone, and something of it is not.
    #[error("machine `{machine}` has ended, but {what} is left behind")]
    LeftBehind {
        /// The machine.
        machine: String,
        /// What.
        what: String,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}

/// What a VMM said, for a message: its last line, or that it said nothing.
fn said_fragment(said: &str) -> String {
    match said.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("; it said last: {}", line.trim()),
        None => "; it said nothing".to_owned(),
    }
}

/// An error with its sources, one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text.replace(['\n', '\r'], " ")
}
