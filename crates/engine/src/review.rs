//! REVIEW: starts the VM in scope where it does not run, lets the gates look, and keeps the report.

use crate::{Environment, Error, Outcome, Progress, ReviewMade, machines, memory};
use jiff::Timestamp;
use serde_json::Value;
use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vmwright_backend::qemu::Qemu;
use vmwright_backend::qemu::agent::{Agent, AgentError};
use vmwright_backend::store::{self, Stored};
use vmwright_backend::{Backend, Running};
use vmwright_model::{EntryState, GateOutcome, Missing, Mode, Review};
use vmwright_review::{Guest, GuestError, Host, Process, Scope, Verdict, Vmm};

/// How long an agent may take for one answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The largest part of a serial log that is read, in bytes.
const SERIAL_LIMIT: u64 = 8 << 20;

/// The largest file of `/proc` or `/sys` that is read, in bytes.
const HOST_LIMIT: u64 = 1 << 20;

pub(crate) fn review(
    vm: &str,
    gates: &[String],
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    progress(Progress::Banner(Mode::Review.banner(&format!("vm {vm}"))));
    let machine = store::open(&environment.state, vm).map_err(Error::Store)?;
    if !Qemu::default().look(&machine).map_err(Error::Control)?.state.alive() {
        progress(Progress::Note(format!("{vm} does not run: starting it")));
        machines::start(vm, environment)?;
    }
    let channels = Channels { machine: &machine, agent: RefCell::new(None) };
    let began = memory::now();
    let scope = Scope {
        spec: &machine.spec,
        guest: &channels,
        vmm: &channels,
        host: &channels,
        began: &began,
        patience: None,
    };
    let review = vmwright_review::run(&scope, gates).map_err(Error::Gate)?;
    let verdict = vmwright_review::verdict(&review);
    let html = keep(&review, environment)?;
    remember(&review, verdict, &html, environment, progress);
    Ok(Outcome::Review(Box::new(ReviewMade { review, html, verdict: verdict.to_string() })))
}

/// Writes the review as JSON and as a page. Gives the page's path.
fn keep(review: &Review, environment: &Environment) -> Result<PathBuf, Error> {
    let folder = environment.path("reviews");
    let name = format!("{}-{}", review.vm, review.began.replace(':', ""));
    let page = folder.join(format!("{name}.html"));
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(&folder)?;
        let json = serde_json::to_vec_pretty(review).map_err(std::io::Error::other)?;
        fs::write(folder.join(format!("{name}.json")), json)?;
        fs::write(&page, vmwright_review::reports::html(review))
    };
    write().map_err(|source| Error::File { path: page.clone(), source })?;
    Ok(page)
}

fn remember(
    review: &Review,
    verdict: Verdict,
    page: &Path,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) {
    let host = vmwright_host::identity(&environment.state);
    let lines = review.gates.iter().map(|gate| match &gate.outcome {
        GateOutcome::Pass => format!("- {}: pass", gate.name),
        GateOutcome::Fail(why) => format!("- {}: fail: {why}", gate.name),
        GateOutcome::Unknown(why) => format!("- {}: unknown: {why}", gate.name),
        GateOutcome::NotApplicable(why) => format!("- {}: not applicable: {why}", gate.name),
    });
    let title = format!("review of vm {} under {}: {verdict}", review.vm, review.accelerator);
    let mut entry = memory::entry("review", title, lines.collect::<Vec<_>>().join("\n"), &host.id);
    entry.evidence = vec![page.display().to_string(), memory::under(&host)];
    // The review is its own proof of what it saw.
    entry.state = EntryState::Verified;
    let written = memory::append(entry, environment);
    if let Err(error) = written {
        progress(Progress::Note(format!("not in the journal: {}", crate::error::chain(&error))));
    }
}

/// The machine's own channels.
struct Channels<'a> {
    machine: &'a Stored,
    /// The agent, once it has answered; let go after a failure, so that the next question begins anew.
    agent: RefCell<Option<Agent>>,
}

impl Channels<'_> {
    fn ask<T>(&self, ask: impl FnOnce(&mut Agent) -> Result<T, AgentError>) -> Result<T, GuestError> {
        let mut slot = self.agent.borrow_mut();
        if slot.is_none() {
            let agent = Qemu::default().agent(self.machine, ANSWER);
            *slot = Some(agent.map_err(|error| GuestError::Silent(crate::error::chain(&error)))?);
        }
        let agent = slot.as_mut().expect("filled just above");
        match ask(agent) {
            Ok(answer) => Ok(answer),
            Err(AgentError::Refused { description, .. }) => Err(GuestError::Refused(description)),
            Err(error) => {
                *slot = None;
                Err(GuestError::Silent(crate::error::chain(&error)))
            }
        }
    }

    fn running(&self) -> Option<Running> {
        let alive = Qemu::default().look(self.machine).ok()?.state.alive();
        self.machine.process().ok()??.running.filter(|_| alive)
    }
}

impl Guest for Channels<'_> {
    fn execute(&self, command: &str, arguments: Value) -> Result<Value, GuestError> {
        self.ask(|agent| agent.execute(command, Some(arguments)))
    }

    fn file_read(&self, path: &str, max: usize) -> Result<Vec<u8>, GuestError> {
        self.ask(|agent| agent.file_read(path, max))
    }
}

impl Vmm for Channels<'_> {
    fn query(&self, command: &str) -> Result<Value, String> {
        let mut monitor =
            Qemu::default().monitor(self.machine).map_err(|error| crate::error::chain(&error))?;
        monitor.execute(command, None).map_err(|error| crate::error::chain(&error))
    }

    fn serial(&self) -> Result<Vec<u8>, Missing> {
        file(&self.machine.file("serial.log"), SERIAL_LIMIT)
    }

    fn process(&self) -> Option<Process> {
        let started = self.running()?.started_ms;
        let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
        Some(Process { age: Duration::from_millis(now.saturating_sub(started)) })
    }
}

impl Host for Channels<'_> {
    fn file(&self, path: &str) -> Result<Vec<u8>, Missing> {
        file(Path::new(path), HOST_LIMIT)
    }
}

fn file(path: &Path, limit: u64) -> Result<Vec<u8>, Missing> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Missing::Absent,
        ErrorKind::PermissionDenied => Missing::Denied,
        _ => Missing::Failed(error.to_string()),
    })
}
