//! Machines by way of libvirt: its daemon runs the VMM, and vmwright talks to the daemon in its own protocol.
//!
//! A machine is a persistent domain of the same name, made at the first start and forgotten with the machine. The
//! domain carries the specification in its metadata, under a namespace of vmwright's; a domain without it is not
//! vmwright's, and is neither changed nor taken over, but may be lent for what somebody asks of it ([`Libvirt::lend`]).
//! What others change in a domain of vmwright's stays: a change of the specification becomes a change of the same places
//! of the domain and of no others ([`patch`]).
//!
//! Where a machine stands is asked of the daemon each time, and never remembered: a daemon that was restarted, or a
//! domain that somebody else took away, is seen at the next question. What waits for a change is woken by libvirt's own
//! events, and asks once a second where the daemon gives none.

mod agent;
mod connection;
mod console;
mod control;
pub mod copy;
mod device;
mod domain;
pub mod edit;
mod lent;
mod migrate;
mod patch;
pub mod places;
mod request;
pub mod rpc;
pub mod second;
mod start;
mod told;

pub use connection::{Connection, NotLocal};
pub use control::{EditFailed, Found, meaning};
pub use copy::{Copied, CopyError};
pub use domain::DomainError;
pub use edit::EditError;
pub use rpc::LibvirtError;

use crate::qemu::agent::{AgentError, Ask};
use crate::request::{Migrate, Migrated, Receive};
use crate::state::{Operation, allow};
use crate::{
    Answer, Backend, Condition, ControlError, Ended, Request, Running, StartError, Stop, Stored, Watch,
};
use rpc::{Client, Domain};
use std::path::Path;
use std::time::Duration;
use vmwright_model::plan::DomainEdit;

/// What libvirt has of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Its domain, as vmwright left it.
    Whole,
    /// No domain.
    Nothing,
    /// A domain that somebody else changed since.
    Changed,
}

/// Where a device of a domain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStands {
    /// Whether the domain runs.
    pub running: bool,
    /// In the running domain; absent where it does not run.
    pub live: places::Plugged,
    /// In what it is started from next.
    pub kept: places::Plugged,
}

/// Its name.
const NAME: &str = "libvirt";

/// The backend.
#[derive(Debug, Clone)]
pub struct Libvirt {
    connection: Connection,
    /// How long the daemon may take to answer a call.
    patience: Duration,
}

impl Libvirt {
    /// A backend on a daemon, with 30 s for each of its answers: it starts a VMM within one.
    #[must_use]
    pub fn on(connection: Connection) -> Self {
        Self { connection, patience: Duration::from_secs(30) }
    }

    /// Another patience than the default.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The daemon that it talks to.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Makes the machine's domain without starting it, or brings it to the specification.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn define(&self, machine: &Stored) -> Result<(), StartError> {
        start::define(self, machine).map(drop)
    }

    /// The domain that would be made of a machine; nothing is asked of the daemon.
    ///
    /// # Errors
    /// [`StartError`] where the specification cannot be said to libvirt.
    pub fn domain_of(&self, machine: &Stored, text: &str) -> Result<String, StartError> {
        let serial_log = machine.file(crate::store::SERIAL);
        let around = domain::Around { text, serial_log: &serial_log, account: None, uuid: None };
        domain::xml(&machine.spec, &around)
    }

    /// Whether libvirt has the machine's domain as vmwright left it.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn kept(&self, machine: &Stored) -> Result<Kept, ControlError> {
        start::kept(self, machine)
    }

    /// Forgets the machine's domain, with its firmware variables, TPM state and saved state; the disks stay. Fine
    /// where there is none. The machine itself is for [`crate::store::delete`].
    ///
    /// # Errors
    /// [`ControlError`]; [`ControlError::Illegal`] where it runs.
    pub fn undefine(&self, machine: &Stored) -> Result<(), ControlError> {
        control::undefine(self, machine)
    }

    /// What QEMU would answer to a command that asks (`query-block`), where libvirt knows it: it has the monitor to itself.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn told(&self, machine: &Stored, command: &str) -> Result<Option<serde_json::Value>, ControlError> {
        told::told(self, machine, command)
    }

    /// Asks the agent in the machine's guest, whose line libvirt has. Untrusted.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn ask_agent(
        &self,
        machine: &Stored,
        command: &str,
        arguments: Option<serde_json::Value>,
    ) -> Result<serde_json::Value, ControlError> {
        self.with_agent(machine, |agent| agent.execute(command, arguments))
    }

    /// The first `max` bytes of a file in the machine's guest. Untrusted.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn guest_file(&self, machine: &Stored, path: &str, max: usize) -> Result<Vec<u8>, ControlError> {
        self.with_agent(machine, |agent| crate::qemu::agent::file(agent, path, max, false))
    }

    fn with_agent<T>(
        &self,
        machine: &Stored,
        ask: impl FnOnce(&mut dyn Ask) -> Result<T, AgentError>,
    ) -> Result<T, ControlError> {
        if !machine.spec.agent {
            return Err(ControlError::NoAgent(machine.name.clone()));
        }
        let (mut client, domain) = self.client(machine)?;
        ask(&mut agent::Agent { client: &mut client, domain: &domain })
            .map_err(|source| ControlError::Agent { machine: machine.name.clone(), source })
    }

    /// A connection for questions, and the machine's domain, which runs.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn client(&self, machine: &Stored) -> Result<(Client, Domain), ControlError> {
        allow(&machine.name, &self.look(machine)?, Operation::Query)?;
        control::find(self, machine)?.ok_or_else(|| ControlError::LeftBehind {
            machine: machine.name.clone(),
            what: "no domain".to_owned(),
        })
    }

    /// Every domain of the daemon, vmwright's or not, by name, with its state: one call, whatever their number.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn domains(&self) -> Result<Vec<Found>, LibvirtError> {
        control::domains(self)
    }

    /// Starts a domain, vmwright's or not, as it is defined, and says where it stands then.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn start_domain(&self, name: &str) -> Result<Found, ControlError> {
        control::start_domain(self, name)
    }

    /// Stops a domain, vmwright's or not, and says where it stands then.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn stop_domain(&self, name: &str, how: Stop) -> Result<Found, ControlError> {
        control::stop_domain(self, name, how)
    }

    /// A domain's XML: as it runs, or as it will be started. Secrets are left out.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn domain_xml(&self, name: &str) -> Result<String, ControlError> {
        let fail = |source| ControlError::Libvirt { machine: name.to_owned(), source };
        let mut client = self.connection.connect(self.patience).map_err(fail)?;
        let domain = client.domain(name).map_err(fail)?;
        client.public_xml(&domain).map_err(fail)
    }

    /// Lets a machine of a directory of the caller's own stand for a domain that vmwright did not make: what is asked of
    /// the machine is asked of that domain, as long as it has that UUID. Its directory is only removed, and never by
    /// [`Self::undefine`].
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn lend(&self, machine: &Stored, domain: &Found) -> Result<(), ControlError> {
        lent::lend(self, machine, domain)
    }

    /// What a copy of the machine's running domain takes; or why there can be none.
    ///
    /// # Errors
    /// [`ControlError`] where libvirt does not tell.
    pub fn copied(&self, machine: &Stored) -> Result<Result<Copied, CopyError>, ControlError> {
        copy::copied(self, machine)
    }

    /// Keeps the memory of the machine's running domain in a file, which its copies go on from. The domain stands still
    /// meanwhile, and goes on by itself where it did not stand still before, also where this process is gone by then.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn keep_memory(&self, machine: &Stored, copied: &Copied, state: &Path) -> Result<(), ControlError> {
        copy::keep(self, machine, copied, state)
    }

    /// Lets a copy go on from a memory, here on a daemon that runs nothing else, as the machine `copy` of a directory of the
    /// caller's own. `state` is the file's path as the daemon sees it, and what the copy's own files begin with `prefix`
    /// ([`Copied::xml`]).
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn go_on_as(
        &self,
        copy: &Stored,
        copied: &Copied,
        state: &str,
        prefix: &str,
    ) -> Result<Domain, ControlError> {
        let fail = |source| control::unusable(&copy.name, source);
        let domain = copy::go_on(self, copied, state, prefix).map_err(fail)?;
        self.stand_for(copy, &domain)?;
        Ok(domain)
    }

    /// Lets a machine of a directory of the caller's own stand for a domain, without a record of its process.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn stand_for(&self, machine: &Stored, domain: &Domain) -> Result<(), ControlError> {
        lent::mark(machine, &domain.uuid_text(), &domain.name)
    }

    /// Ends the VMM of a copy.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn end_copy(&self, copy: &Stored) -> Result<(), ControlError> {
        copy::end(self, copy)
    }

    /// Moves a copy to another daemon that sees the same files of this host. How it went is for [`Self::arrived`] there: here
    /// nothing is left of it.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn move_copy(
        &self,
        copy: &Stored,
        what: &Migrate,
        watch: &mut dyn Watch,
    ) -> Result<(), ControlError> {
        let (mut client, domain) = self.client(copy)?;
        migrate::migrate(self, copy, (&mut client, &domain), (what, true), watch).map(drop)
    }

    /// How a guest came here, which the daemon that it came from has told.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn arrived(&self, machine: &Stored) -> Result<Migrated, ControlError> {
        migrate::arrived(self, machine)
    }

    /// Starts a machine as a domain that is never defined, and that ends with the connection that is given back, also where
    /// this process is killed.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start_for_now(&self, machine: &Stored) -> Result<Client, StartError> {
        start::start_for_now(self, machine)
    }

    /// The names of a machine's snapshots.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn snapshots(&self, machine: &Stored) -> Result<Vec<String>, ControlError> {
        request::snapshots(self, machine)
    }

    /// Changes the XML from which a domain is started next, vmwright's or not. What `change` leaves alone stays byte for
    /// byte as libvirt has it ([`edit`]).
    ///
    /// # Errors
    /// [`EditFailed`]; the domain is as it was then.
    pub fn edit(
        &self,
        name: &str,
        change: impl FnOnce(&str) -> Result<String, EditError>,
    ) -> Result<(), EditFailed> {
        control::edit(self, name, |xml| Ok(change(xml)?))
    }

    /// Where a domain stands, seen from a change of places of it.
    ///
    /// # Errors
    /// [`EditFailed`].
    pub fn standing(&self, name: &str, edits: &[DomainEdit]) -> Result<places::Stands, EditFailed> {
        control::standing(self, name, edits)
    }

    /// Where a device, an element of its own, of a domain stands, vmwright's or not.
    ///
    /// # Errors
    /// [`EditFailed`].
    pub fn device(&self, name: &str, device: &str) -> Result<DeviceStands, EditFailed> {
        device::device(self, name, device)
    }

    /// Plugs a device into a domain, or takes it `away`: in the running domain, in the kept one, or in both. Returns when
    /// the guest has let go of it, for which it has a minute.
    ///
    /// # Errors
    /// [`EditFailed`].
    pub fn plug(
        &self,
        name: &str,
        device: &str,
        away: bool,
        live_and_kept: (bool, bool),
    ) -> Result<(), EditFailed> {
        device::plug(self, name, device, away, live_and_kept)
    }

    /// Changes places of a domain, vmwright's or not, from its next start; each must be as expected.
    ///
    /// # Errors
    /// [`EditFailed`]; the domain is as it was then.
    pub fn change(&self, name: &str, edits: &[DomainEdit]) -> Result<(), EditFailed> {
        control::change(self, name, edits)
    }
}

impl Backend for Libvirt {
    fn name(&self) -> &'static str {
        NAME
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
        request::lacks(operation)
    }

    fn carry_out(
        &self,
        machine: &Stored,
        _condition: &Condition,
        request: Request,
        watch: &mut dyn Watch,
    ) -> Result<Answer, ControlError> {
        request::carry_out(self, machine, request, watch)
    }

    fn take_in(&self, _: &Stored, _: &Receive, _: &mut dyn Watch) -> Result<Running, StartError> {
        Err(StartError::Lacking {
            backend: self.name(),
            why: "libvirt takes guests in by itself, when another libvirt sends one",
        })
    }
}
