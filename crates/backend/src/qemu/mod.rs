//! QEMU, run directly: no daemon between vmwright and the VMM.

pub mod agent;
pub mod argv;
mod channel;
pub(crate) mod console;
mod control;
pub(crate) mod copy;
pub(crate) mod exec;
mod hotplug;
mod jobs;
mod left;
mod limit;
mod migrate;
mod placement;
pub mod qmp;
mod reach;
mod receive;
mod resize;
pub mod schema;
mod screenshot;
mod snapshot;
pub(crate) mod start;
mod stats;
mod tap;
mod trace;
mod value;

use crate::disks;
use crate::guest::{self, AGENT};
use crate::request::{Migrate, Migrated, Place, Receive};
use crate::state::{Operation, State, allow};
use crate::{
    Answer, Backend, Condition, ControlError, Ended, Request, Running, StartError, Stop, Stored, Watch,
};
pub use left::Holds;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vmwright_model::plan::QmpValue;

/// Its name.
const NAME: &str = "qemu";

/// The backend.
#[derive(Debug, Clone)]
pub struct Qemu {
    /// The program; looked for at each start where absent.
    program: Option<PathBuf>,
    /// How long a VMM may take until it runs the guest, and a monitor to answer.
    patience: Duration,
    /// Words after those of the specification.
    more: Vec<OsString>,
    /// The directory in which it runs.
    within: PathBuf,
}

impl Default for Qemu {
    /// QEMU as it is installed, with 30 s for a start: preallocating huge memory takes its time.
    fn default() -> Self {
        Self { program: None, patience: Duration::from_secs(30), more: Vec::new(), within: "/".into() }
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

    /// More words for QEMU, after those that the specification makes.
    #[must_use]
    pub fn with_words(self, words: &[&str]) -> Self {
        Self { more: words.iter().map(Into::into).collect(), ..self }
    }

    /// Another working directory than `/`. What [`Self::with_words`] names by a relative path lies there, where a QEMU that
    /// becomes [another user](Self::becomes) still finds it, if its user may search that one directory.
    #[must_use]
    pub fn with_directory(self, within: PathBuf) -> Self {
        Self { within, ..self }
    }

    /// The id of the user and group that a machine's QEMU becomes behind its start; none where it stays the caller's, or is
    /// one that the specification names.
    #[must_use]
    pub fn becomes(machine: &Stored) -> Option<u32> {
        reach::becomes(machine).ok().flatten()
    }

    /// The program that a start would run.
    ///
    /// # Errors
    /// [`StartError::NoProgram`].
    pub fn program(&self) -> Result<PathBuf, StartError> {
        match &self.program {
            Some(program) => Ok(program.clone()),
            None => start::find_program(std::env::consts::ARCH),
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

    /// A value that can be set back exactly.
    ///
    /// # Errors
    /// [`ControlError`]; also where a change of it would take something else away.
    pub fn value(&self, machine: &Stored, value: &QmpValue) -> Result<u64, ControlError> {
        let now = self.look(machine)?;
        // What a migration was limited to QEMU still tells once the guest has gone.
        if !(now.state == State::Stuck && now.why.contains("postmigrate") && value::is_of_migration(value)) {
            allow(&machine.name, &now, Operation::Query)?;
        }
        value::value(self, machine, value)
    }

    /// Where a machine's guest went, once a migration has ended well and until the machine is started again.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn moved(&self, machine: &Stored) -> Result<Option<String>, ControlError> {
        Ok(machine.process()?.and_then(|record| record.moved))
    }

    /// Sets a value, until QEMU ends.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn set_value(&self, machine: &Stored, value: &QmpValue, to: u64) -> Result<(), ControlError> {
        allow(&machine.name, &self.look(machine)?, Operation::Limit)?;
        value::set(self, machine, value, to)
    }

    /// Lets a guest go on whose state [`Qemu::save`] wrote: until then QEMU says that it has moved (`postmigrate`), in
    /// which state nothing else may be asked of it.
    ///
    /// # Errors
    /// [`ControlError`]; the guest stands still.
    pub fn go_on(&self, machine: &Stored) -> Result<(), ControlError> {
        control::ask(self, machine, "cont", None).map(drop)
    }

    /// Gives up what a machine's VMM is still sending away, and tells what it holds of the guest then. For a machine that was
    /// moved or kept by somebody who is gone.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn settle(&self, machine: &Stored) -> Result<Holds, ControlError> {
        left::settle(self, machine)
    }

    /// Writes the state of a guest that stands still into a file that does not exist yet, and leaves it standing still: who
    /// calls this lets it go on. Its disks belong to nobody until then.
    ///
    /// # Errors
    /// [`ControlError`]; the guest stands as it stood, and there may be a part of the file.
    pub fn save(&self, machine: &Stored, to: &Path, watch: &mut dyn Watch) -> Result<Migrated, ControlError> {
        allow(&machine.name, &self.look(machine)?, Operation::Snapshot)?;
        migrate::send_to_file(self, machine, to, &Migrate::to(Place::File(to.to_owned())), watch)
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

    fn stays_root(&self, machine: &Stored) -> Option<String> {
        reach::becomes(machine).err()
    }

    fn lacks(&self, operation: Operation) -> Option<&'static str> {
        match operation {
            Operation::Metadata => {
                Some("QEMU has no metadata service; a guest reads its seed instead (`[seed]`)")
            }
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
            Request::Pause => control::ask(self, machine, "stop", None).map(|_| Answer::Done),
            Request::Resume => control::ask(self, machine, "cont", None).map(|_| Answer::Done),
            Request::Console { input, output, way_out } => {
                console::console(self, machine, input, output, way_out, watch)
            }
            Request::Exec(_) | Request::CopyOut { .. } | Request::CopyIn { .. } => {
                let mut agent = control::agent(machine, &crate::supervise::running(machine)?, AGENT)?;
                guest::carry_out(&mut agent, (NAME, machine), request, watch)
            }
            Request::Screenshot { to, format } => screenshot::screenshot(self, machine, &to, format),
            Request::Snapshot { name } if condition.state.alive() => {
                snapshot::snapshot(self, machine, condition, &name, watch)
            }
            Request::Snapshot { name } => disks::snapshot(machine, &name),
            Request::Restore { name } if condition.state.alive() => {
                snapshot::restore(self, machine, &name, watch)
            }
            Request::Restore { name } => disks::restore(machine, &name),
            Request::Clone { name } => disks::clone(machine, &name),
            Request::Attach(device) => hotplug::attach(self, machine, &device),
            Request::Detach { device, patience } => hotplug::detach(self, machine, &device, patience),
            Request::Resize(what) => resize::resize(self, machine, &what, watch),
            Request::Limit(what) => limit::limit(self, machine, &what),
            Request::Metadata(_) => {
                let (operation, why) = (Operation::Metadata, "QEMU has no metadata service");
                Err(ControlError::Cannot { backend: self.name(), operation, why })
            }
            Request::Migrate(what) => migrate::migrate(self, machine, condition, &what, watch),
            Request::Trace { events, limit } => trace::trace(self, machine, &events, limit, watch),
            Request::Stats => {
                stats::statistics(self, machine).map(|counts| Answer::Statistics(Box::new(counts)))
            }
        }
    }

    fn take_in(
        &self,
        machine: &Stored,
        from: &Receive,
        watch: &mut dyn Watch,
    ) -> Result<Running, StartError> {
        start::receive(self, machine, from, watch)
    }
}
