//! What gates ask of a machine, over the machine's own channels, and of this host.

use crate::backends;
use crate::error::chain;
use jiff::Timestamp;
use serde_json::Value;
use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vmwright_backend::qemu::Qemu;
use vmwright_backend::qemu::agent::{Agent, AgentError};
use vmwright_backend::request::Exec;
use vmwright_backend::store::{self, Stored};
use vmwright_backend::{Answer, Request, Running, Unwatched, perform};
use vmwright_model::Missing;
use vmwright_review::{Guest, GuestError, Host, Neighbour, Owner, Process, Ran, Vmm};

/// How long an agent may take for one answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The largest part of a serial log that is read, in bytes.
const SERIAL_LIMIT: u64 = 8 << 20;

/// The largest file of `/proc` or `/sys` that is read, in bytes.
const HOST_LIMIT: u64 = 1 << 20;

/// The most names of a directory.
const NAMES: usize = 65_536;

/// The machine's own channels.
pub(super) struct Channels<'a> {
    pub(super) machine: &'a Stored,
    /// The agent, once it has answered; let go after a failure, so that the next question begins anew.
    agent: RefCell<Option<Agent>>,
}

impl<'a> Channels<'a> {
    pub(super) fn of(machine: &'a Stored) -> Self {
        Self { machine, agent: RefCell::new(None) }
    }

    /// Lets go of the agent: the VMM at the other end is about to be another one.
    pub(super) fn let_go(&self) {
        *self.agent.borrow_mut() = None;
    }

    fn ask<T>(&self, ask: impl FnOnce(&mut Agent) -> Result<T, AgentError>) -> Result<T, GuestError> {
        let mut slot = self.agent.borrow_mut();
        if slot.is_none() {
            let agent = Qemu::default().agent(self.machine, ANSWER);
            *slot = Some(agent.map_err(|error| GuestError::Silent(chain(&error)))?);
        }
        let agent = slot.as_mut().expect("filled just above");
        match ask(agent) {
            Ok(answer) => Ok(answer),
            Err(AgentError::Refused { description, .. }) => Err(GuestError::Refused(description)),
            Err(error) => {
                *slot = None;
                Err(GuestError::Silent(chain(&error)))
            }
        }
    }

    fn running(&self) -> Option<Running> {
        let alive = backends::of(self.machine).ok()?.look(self.machine).ok()?.state.alive();
        self.machine.process().ok()??.running.filter(|_| alive)
    }
}

impl Guest for Channels<'_> {
    fn execute(&self, command: &str, arguments: Value) -> Result<Value, GuestError> {
        self.ask(|agent| agent.execute(command, Some(arguments)))
    }

    fn file_read(&self, path: &str, max: usize) -> Result<Vec<u8>, GuestError> {
        self.ask(|agent| agent.file_head(path, max))
    }

    fn run(&self, program: &str, arguments: &[&str], limit: Duration) -> Result<Ran, GuestError> {
        // The agent serves one client at a time.
        self.let_go();
        let silent = |why: String| GuestError::Silent(why);
        let backend = backends::of(self.machine).map_err(|error| silent(chain(&error)))?;
        let exec = Exec {
            program: program.to_owned(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            input: Vec::new(),
            limit: limit.as_secs().max(1),
        };
        match perform(&*backend, self.machine, Request::Exec(exec), &mut Unwatched) {
            Ok(Answer::Executed(done)) => {
                Ok(Ran { status: done.status, output: done.output, errors: done.errors })
            }
            Ok(_) => Err(silent("the backend gave another answer".to_owned())),
            Err(error) => {
                let why = chain(&error);
                // The agent's own words for a program that is not there.
                let refused = why.contains("execute child process") || why.contains("No such file");
                Err(if refused { GuestError::Refused(why) } else { silent(why) })
            }
        }
    }
}

impl Vmm for Channels<'_> {
    fn query(&self, command: &str) -> Result<Value, String> {
        let mut monitor = Qemu::default().monitor(self.machine).map_err(|error| chain(&error))?;
        monitor.execute(command, None).map_err(|error| chain(&error))
    }

    fn serial(&self) -> Result<Vec<u8>, Missing> {
        file(&self.machine.file(store::SERIAL), SERIAL_LIMIT)
    }

    fn process(&self) -> Option<Process> {
        let running = self.running()?;
        let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
        let age = Duration::from_millis(now.saturating_sub(running.started_ms));
        Some(Process { age, pid: u32::try_from(running.process.pid).ok()? })
    }
}

impl Host for Channels<'_> {
    fn file(&self, path: &str) -> Result<Vec<u8>, Missing> {
        file(Path::new(path), HOST_LIMIT)
    }

    fn link(&self, path: &str) -> Result<String, Missing> {
        fs::read_link(path).map(|to| to.display().to_string()).map_err(|error| missing(&error))
    }

    fn names(&self, path: &str) -> Result<Vec<String>, Missing> {
        let entries = fs::read_dir(path).map_err(|error| missing(&error))?;
        let name = |entry: std::io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        let mut names: Vec<String> = entries.take(NAMES).filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    fn owner(&self, path: &str) -> Result<Owner, Missing> {
        let meta = fs::metadata(path).map_err(|error| missing(&error))?;
        Ok(Owner { uid: meta.uid(), gid: meta.gid(), mode: meta.mode() })
    }

    fn neighbours(&self) -> Vec<Neighbour> {
        let listed = store::list(&self.machine.state).unwrap_or_default();
        let others = listed.into_iter().filter(|one| one.name != self.machine.name);
        // A disk that both name is this VM's too.
        let own: Vec<String> = self.machine.spec.disks.iter().filter_map(|disk| disk.host_path()).collect();
        let neighbour = |one: store::Listed| {
            let machine = one.machine.ok()?;
            let mut files: Vec<String> =
                machine.spec.disks.iter().filter_map(|disk| disk.host_path()).collect();
            files.extend(sockets(&machine));
            files.retain(|file| !own.contains(file));
            Some(Neighbour { name: machine.name, files })
        };
        others.filter_map(neighbour).collect()
    }

    fn controls(&self) -> Vec<String> {
        sockets(self.machine)
    }
}

/// The sockets by which a running machine is controlled.
fn sockets(machine: &Stored) -> Vec<String> {
    let running = machine.process().ok().flatten().and_then(|record| record.running);
    let paths = running.into_iter().flat_map(|running| [running.qmp, running.agent]);
    paths.flatten().filter(|path: &PathBuf| path.exists()).map(|path| path.display().to_string()).collect()
}

fn file(path: &Path, limit: u64) -> Result<Vec<u8>, Missing> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| missing(&error))
}

fn missing(error: &std::io::Error) -> Missing {
    match error.kind() {
        ErrorKind::NotFound => Missing::Absent,
        ErrorKind::PermissionDenied => Missing::Denied,
        _ => Missing::Failed(error.to_string()),
    }
}
