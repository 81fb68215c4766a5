//! What gates ask of a machine, over the machine's own channels, and of this host.

use super::by_shell::ByShell;
use super::here::{self, Here};
use super::way::Way;
use crate::backends::{self, Chosen};
use crate::error::chain;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vmwright_backend::cloud_hypervisor::CloudHypervisor;
use vmwright_backend::firecracker::Firecracker;
use vmwright_backend::libvirt::Libvirt;
use vmwright_backend::qemu::Qemu;
use vmwright_backend::qemu::agent::{Agent, AgentError};
use vmwright_backend::request::Exec;
use vmwright_backend::store::{self, Stored};
use vmwright_backend::{Answer, ControlError, Request, Running, Unwatched, perform};
use vmwright_model::Missing;
use vmwright_model::machine::{Accelerator, Endpoint};
use vmwright_review::{Guest, GuestError, Host, Neighbour, Owner, Process, Ran, Undone, Vmm};

/// How long an agent may take for one answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The largest part of a serial log that is read, in bytes.
const SERIAL_LIMIT: u64 = 8 << 20;

/// The machine's own channels.
pub(super) struct Channels<'a> {
    pub(super) machine: &'a Stored,
    /// The state directory whose machines are its neighbours.
    pub(super) state: &'a Path,
    /// The agent, once it has answered; let go after a failure, so that the next question begins anew.
    agent: RefCell<Option<Agent>>,
    /// How its guest is asked.
    way: Way,
    /// The shell of a guest that is not asked by an agent; let go in the same way.
    shell: RefCell<Option<ByShell>>,
}

impl<'a> Channels<'a> {
    pub(super) fn of(machine: &'a Stored) -> Self {
        Self::among(machine, &machine.state)
    }

    /// The same for a machine that does not lie beside the others.
    pub(super) fn among(machine: &'a Stored, state: &'a Path) -> Self {
        let (agent, shell) = (RefCell::new(None), RefCell::new(None));
        Self { machine, state, agent, way: Way::Agent, shell }
    }

    /// The same by another way to its guest.
    pub(super) fn by(self, way: Way) -> Self {
        Self { way, ..self }
    }

    /// How a copy of this guest that goes on from its state is asked, whose network leads nowhere: as the guest itself is, where that
    /// goes without a network; else by the agent that the specification says it has.
    ///
    /// # Errors
    /// It cannot be asked.
    pub(super) fn way_of_copy(&self) -> Result<Way, Undone> {
        match &self.way {
            Way::Ssh(_) if self.machine.spec.agent => Ok(Way::Agent),
            Way::Ssh(_) => Err(Undone::Cannot(
                "a copy of it has no network, so that its SSH server is not reached there: `--guest console` would ask it".to_owned(),
            )),
            way => Ok(way.clone()),
        }
    }

    /// Lets go of the agent: the VMM at the other end is about to be another one.
    pub(super) fn let_go(&self) {
        *self.agent.borrow_mut() = None;
        *self.shell.borrow_mut() = None;
    }

    /// Asks the guest's shell, where it is asked by one.
    fn by_shell<T>(
        &self,
        ask: impl FnOnce(&ByShell) -> Result<T, GuestError>,
    ) -> Option<Result<T, GuestError>> {
        let mut slot = self.shell.borrow_mut();
        if slot.is_none() {
            match self.way.shell(self.machine)?.and_then(|shell| self.is_its_own(shell)) {
                Ok(shell) => *slot = Some(shell),
                Err(error) => return Some(Err(error)),
            }
        }
        let answer = ask(slot.as_ref()?);
        if matches!(answer, Err(GuestError::Silent(_))) {
            *slot = None;
        }
        Some(answer)
    }

    /// Refuses the guest behind an address where none of its network cards is one of this VM's: addresses are given to others.
    fn is_its_own(&self, shell: ByShell) -> Result<ByShell, GuestError> {
        let Way::Ssh(_) = self.way else { return Ok(shell) };
        let own = vmwright_review::macs(&self.machine.spec, self);
        let told = shell.execute("guest-network-get-interfaces", &json!({}))?;
        let cards = told.as_array().map(Vec::as_slice).unwrap_or_default();
        let cards: Vec<String> = cards
            .iter()
            .filter_map(|card| Some(card.get("hardware-address")?.as_str()?.to_ascii_lowercase()))
            .collect();
        // Nor is it believed where the VM's own are not known: a review sets clocks and writes disks.
        if cards.iter().any(|card| own.contains(card)) {
            return Ok(shell);
        }
        let why = format!("its network cards are {}, the VM's {}", list(&cards), list(&own));
        Err(GuestError::Refused(format!(
            "{}: another machine answers there, as far as can be told: {why}",
            self.way
        )))
    }

    fn ask<T>(&self, ask: impl FnOnce(&mut Agent) -> Result<T, AgentError>) -> Result<T, GuestError> {
        let mut slot = self.agent.borrow_mut();
        if slot.is_none() {
            let agent = backends::agent(self.machine, ANSWER);
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

    /// The daemon that has the lines to the guest and to the VMM, where it is one of libvirt's.
    fn libvirt(&self) -> Option<Libvirt> {
        match Chosen::of(self.machine) {
            Ok(Chosen::Libvirt(connection)) => Some(Libvirt::on(connection).with_patience(ANSWER * 4)),
            _ => None,
        }
    }

    fn running(&self) -> Option<Running> {
        let alive = backends::of(self.machine).ok()?.look(self.machine).ok()?.state.alive();
        self.machine.process().ok()??.running.filter(|_| alive)
    }
}

impl Channels<'_> {
    /// What is known of a VMM whose monitor is not ours to ask: what executes the guest, and whether it runs.
    fn told_otherwise(&self, command: &str, chosen: &Chosen) -> Result<Value, String> {
        match command {
            "query-kvm" => {
                let running = self.running().ok_or("the VMM does not run")?;
                Ok(json!({ "enabled": running.accelerator == Accelerator::Kvm }))
            }
            "query-status" => {
                let look = chosen.backend().look(self.machine).map_err(|error| chain(&error))?;
                Ok(json!({ "status": look.state.to_string() }))
            }
            _ => {
                let told = match chosen {
                    Chosen::Firecracker => Firecracker::default().told(self.machine, command),
                    Chosen::CloudHypervisor => CloudHypervisor::default().told(self.machine, command),
                    Chosen::Libvirt(_) => {
                        self.libvirt().ok_or("no libvirt runs the VM")?.told(self.machine, command)
                    }
                    Chosen::Qemu => Ok(None),
                };
                told.map_err(|error| chain(&error))?.ok_or_else(|| match chosen {
                    Chosen::Libvirt(_) => format!(
                        "libvirt has the VMM's monitor to itself, and `{command}` is not asked behind its back"
                    ),
                    _ => format!(
                        "`{command}` is a question to QEMU; {} runs the VM, and does not tell it",
                        chosen.word()
                    ),
                })
            }
        }
    }
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}

/// The words of an agent by way of libvirt.
fn through<T>(result: Result<T, ControlError>) -> Result<T, GuestError> {
    result.map_err(|error| {
        let why = chain(&error);
        // libvirt tells an agent's refusal as an error of its own (`qemuAgentCheckError`), before the agent's words.
        match why.split_once("unable to execute QEMU agent command") {
            Some((_, words)) => GuestError::Refused(words.trim_start_matches([' ', '\'']).to_owned()),
            None => GuestError::Silent(why),
        }
    })
}

impl Guest for Channels<'_> {
    fn called(&self) -> &'static str {
        match self.way {
            Way::Agent => "agent",
            Way::Console => "shell at the console",
            Way::Ssh(_) => "shell by SSH",
        }
    }

    fn execute(&self, command: &str, arguments: Value) -> Result<Value, GuestError> {
        if let Some(answer) = self.by_shell(|shell| shell.execute(command, &arguments)) {
            return answer;
        }
        if let Some(libvirt) = self.libvirt() {
            return through(libvirt.ask_agent(self.machine, command, Some(arguments)));
        }
        self.ask(|agent| agent.execute(command, Some(arguments)))
    }

    fn file_read(&self, path: &str, max: usize) -> Result<Vec<u8>, GuestError> {
        if let Some(answer) = self.by_shell(|shell| shell.file(path, max)) {
            return answer;
        }
        if let Some(libvirt) = self.libvirt() {
            return through(libvirt.guest_file(self.machine, path, max));
        }
        self.ask(|agent| agent.file_head(path, max))
    }

    fn file_reads(&self, path: &str, bytes: usize, count: usize) -> Result<Vec<Vec<u8>>, GuestError> {
        if let Some(answer) = self.by_shell(|shell| shell.reads(path, bytes, count)) {
            return answer;
        }
        (0..count).map(|_| self.file_read(path, bytes)).collect()
    }

    fn run(&self, program: &str, arguments: &[&str], limit: Duration) -> Result<Ran, GuestError> {
        if let Some(answer) = self.by_shell(|shell| shell.run(program, arguments, limit)) {
            return answer;
        }
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
        let chosen = Chosen::of(self.machine).map_err(|error| chain(&error))?;
        if chosen != Chosen::Qemu {
            return self.told_otherwise(command, &chosen);
        }
        let mut monitor = Qemu::default().monitor(self.machine).map_err(|error| chain(&error))?;
        monitor.execute(command, None).map_err(|error| chain(&error))
    }

    fn counters(&self) -> Vec<(String, u64)> {
        let Ok(backend) = backends::of(self.machine) else { return Vec::new() };
        match perform(&*backend, self.machine, Request::Stats, &mut Unwatched) {
            Ok(Answer::Statistics(counts)) => counts.kvm,
            _ => Vec::new(),
        }
    }

    fn serial(&self) -> Result<Vec<u8>, Missing> {
        // Where its first port leads to a file, the guest's words are there.
        let first = self.machine.spec.serials.first().filter(|port| port.to == Endpoint::File);
        let path = first.and_then(|port| port.path.as_deref()).map(PathBuf::from);
        here::head(&path.unwrap_or_else(|| self.machine.file(store::SERIAL)), SERIAL_LIMIT)
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
        Here.file(path)
    }

    fn link(&self, path: &str) -> Result<String, Missing> {
        Here.link(path)
    }

    fn names(&self, path: &str) -> Result<Vec<String>, Missing> {
        Here.names(path)
    }

    fn owner(&self, path: &str) -> Result<Owner, Missing> {
        Here.owner(path)
    }

    fn core_cookie(&self, thread: u32) -> Result<u64, Missing> {
        Here.core_cookie(thread)
    }

    fn neighbours(&self) -> Vec<Neighbour> {
        let listed = store::list(self.state).unwrap_or_default();
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
