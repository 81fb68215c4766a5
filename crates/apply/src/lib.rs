//! The only writer: carries out approved plans, step by step, and takes them back.
//!
//! Nothing here chooses. A plan comes with every state that it expects and every value that it writes; an
//! [`Approved`] can only be had from a verified signature; and each step is announced in a log on disk before it
//! is done, together with the action that takes it back. This crate knows no rules: whether a step settled what
//! it should is asked through [`Check`], and machines are started and stopped through [`Machines`].

pub mod actions;
pub mod after_boot;
pub mod approval;
pub mod commit;
mod files;
pub mod log;
pub mod net;
pub mod recover;
pub mod report;
pub mod run;
mod signature;
pub mod system;
mod tool;
pub mod trust;
pub mod undo;

pub use actions::ActionError;
pub use after_boot::{ResumeError, Waiting, keep_untried, resume_run};
pub use approval::{Approved, Ask, Refused, Seat, SignError, sign, verify};
pub use net::{Awaiting, ConfirmError, Net, confirm_run};
pub use recover::{Interrupted, RecoverError, recover};
pub use report::{Event, RunReport};
pub use run::{ApplyError, Context, Fault, Point, apply};
pub use system::{Live, System};
pub use tool::ToolError;
pub use undo::{UndoError, revert_run, undo_run};

use thiserror::Error;
use vmwright_model::plan::{DomainEdit, QmpValue, Settles};

/// Why a machine could not be asked, started or stopped: one line, as the backend says it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct MachineError(pub String);

/// A machine, as its record and its backend have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineRecord {
    /// What makes it run: `qemu`, `firecracker`, `cloud-hypervisor`, or libvirt's URI.
    pub backend: String,
    /// Its specification.
    pub text: String,
    /// What its backend keeps of it.
    pub state: MachineState,
}

/// What a backend keeps of a machine besides vmwright's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineState {
    /// All that belongs to it, as vmwright left it.
    Whole,
    /// Not yet, or not any more; what is missing.
    Half(String),
    /// Somebody else changed it; what.
    Changed(String),
}

/// Where a domain stands, seen from a change of some of its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Every place is as before the change.
    Before,
    /// Every place is as after it.
    After,
    /// Neither; the first place that is not.
    Neither(String),
}

/// Whether a device is in a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// There is none that is known by the same.
    Absent,
    /// It is there, with all that is said of it.
    There,
    /// One that is known by the same, and differs; what it is.
    Other(String),
}

/// Where a device of a domain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugged {
    /// Whether the domain runs.
    pub running: bool,
    /// In the running domain; absent where it does not run.
    pub live: Presence,
    /// In what it is started from next.
    pub kept: Presence,
}

/// Machines, as the backends run them.
pub trait Machines {
    /// Whether the machine runs.
    ///
    /// # Errors
    /// If that cannot be told, or there is no such machine.
    fn running(&self, name: &str) -> Result<bool, MachineError>;

    /// The machine of this name; none where there is none.
    ///
    /// # Errors
    /// If that cannot be told.
    fn record(&self, name: &str) -> Result<Option<MachineRecord>, MachineError>;

    /// Makes a machine of its specification, which has absolute paths, for a backend. On failure nothing is left.
    ///
    /// # Errors
    /// If it is not there afterwards.
    fn create(&self, name: &str, backend: &str, text: &str) -> Result<(), MachineError>;

    /// Takes a machine away that does not run; its disks stay.
    ///
    /// # Errors
    /// If it is still there afterwards, or runs.
    fn delete(&self, name: &str) -> Result<(), MachineError>;

    /// Starts a machine that does not run, and returns when it runs.
    ///
    /// # Errors
    /// If it does not run afterwards.
    fn start(&self, name: &str) -> Result<(), MachineError>;

    /// Moves a machine that runs to another host, and returns when it runs there. On failure it goes on here.
    ///
    /// # Errors
    /// If it did not move.
    fn migrate(&self, name: &str, to: &str) -> Result<(), MachineError>;

    /// Where a domain of libvirt's stands, from its next start on. Where machines are none of libvirt's, nobody can tell.
    ///
    /// # Errors
    /// If that cannot be told, or there is no such domain.
    fn domain(
        &self,
        connection: &str,
        domain: &str,
        _edits: &[DomainEdit],
    ) -> Result<Standing, MachineError> {
        Err(MachineError(format!("{connection} is not known, so nobody can tell of {domain}")))
    }

    /// Changes places of a domain of libvirt's, all at once.
    ///
    /// # Errors
    /// If it was not changed.
    fn edit_domain(&self, connection: &str, domain: &str, edits: &[DomainEdit]) -> Result<(), MachineError> {
        self.domain(connection, domain, edits).map(drop)
    }

    /// Where a device of a domain of libvirt's stands.
    ///
    /// # Errors
    /// If that cannot be told, or there is no such domain.
    fn device(&self, connection: &str, domain: &str, _device: &str) -> Result<Plugged, MachineError> {
        Err(MachineError(format!("{connection} is not known, so nobody can tell of {domain}")))
    }

    /// Plugs a device into a domain of libvirt's, or takes it `away`: in the running domain, in the kept one, or in both.
    /// Returns when the guest has let go of it.
    ///
    /// # Errors
    /// If it was not done.
    fn plug(
        &self,
        connection: &str,
        domain: &str,
        device: &str,
        _away: bool,
        _live_and_kept: (bool, bool),
    ) -> Result<(), MachineError> {
        self.device(connection, domain, device).map(drop)
    }

    /// A value of a machine's running QEMU.
    ///
    /// # Errors
    /// If that cannot be told, or could not be set back exactly.
    fn value(&self, name: &str, value: &QmpValue) -> Result<u64, MachineError> {
        Err(MachineError(format!("nobody can tell of {value} of {name}")))
    }

    /// Sets a value of a machine's running QEMU.
    ///
    /// # Errors
    /// If QEMU did not take it.
    fn set_value(&self, name: &str, value: &QmpValue, _to: u64) -> Result<(), MachineError> {
        self.value(name, value).map(drop)
    }

    /// Where a machine's guest went, by a migration that has ended well since the machine was started here; none where it has
    /// not gone.
    ///
    /// # Errors
    /// If that cannot be told.
    fn moved(&self, _name: &str) -> Result<Option<String>, MachineError> {
        Ok(None)
    }

    /// Stops a machine that runs, in order and then by force, and returns when it is gone.
    ///
    /// # Errors
    /// If it still runs afterwards.
    fn stop(&self, name: &str) -> Result<(), MachineError>;
}

/// The rules, as far as this crate needs them.
pub trait Check {
    /// Whether these rules are quiet now about these subjects.
    ///
    /// # Errors
    /// Which of them still fires or cannot tell, one line.
    fn settled(&self, settles: &[Settles]) -> Result<(), String>;
}

/// The attribution of every change: `Assisted-By: vmwright (<version> / <first 12 digits of the plan's id>)`.
#[must_use]
pub fn assisted_by(plan_id: &str) -> String {
    let short = plan_id.get(..12).unwrap_or(plan_id);
    format!("Assisted-By: vmwright ({} / {short})", env!("CARGO_PKG_VERSION"))
}
