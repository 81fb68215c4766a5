//! State, stop, pause and resume, as libvirt tells and does them.

use super::places::{PlaceError, Stands, changed, stands};
use super::rpc::{Client, Domain, DomainState, LibvirtError};
use super::{EditError, Libvirt, domain, lent};
use crate::lock::Lock;
use crate::process::Life;
use crate::record::{Phase, ProcessRecord};
use crate::state::{Operation, State, allow};
use crate::supervise::{Trace, finish};
use crate::{Backend, Condition, ControlError, Ended, Stop, Stored};
use std::time::{Duration, Instant};
use thiserror::Error;
use vmwright_model::plan::DomainEdit;

/// How long after a press of the power button it is pressed again.
const AGAIN: Duration = Duration::from_secs(2);
/// How often libvirt is asked whether a guest has powered off, where no event of its says so.
const POLL: Duration = Duration::from_secs(1);
/// How long a VMM may take to end once it has to: it writes back what is not on disk yet.
const END: Duration = Duration::from_secs(30);

/// `virDomainState`.
const PAUSED: i32 = 3;
const SHUT_OFF: i32 = 5;

/// Why a domain was not changed.
#[derive(Debug, Error)]
pub enum EditFailed {
    /// libvirt did not tell or take it.
    #[error(transparent)]
    Libvirt(#[from] LibvirtError),
    /// It has not the part that was to be changed.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// A place of it is not as expected.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The guest keeps a device.
    #[error("the guest has not let go of the device within {seconds} s")]
    Held {
        /// How long it was waited for.
        seconds: u64,
    },
}

/// A domain of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// Where it stands.
    pub condition: Condition,
}

pub(super) fn look(libvirt: &Libvirt, machine: &Stored) -> Result<Condition, ControlError> {
    let record = machine.process()?;
    let expected = record.as_ref().and_then(ProcessRecord::expected);
    if let (Some(record), Some(running)) = (&record, expected)
        && record.backend != libvirt.name()
        && running.process.alive().map_err(|source| ControlError::Process {
            machine: machine.name.clone(),
            pid: running.process.pid,
            source,
        })?
    {
        return Err(ControlError::OtherBackend {
            machine: machine.name.clone(),
            backend: record.backend.clone(),
        });
    }
    let told = match find(libvirt, machine)? {
        Some((mut client, domain)) => match client.state(&domain) {
            Ok(state) => Some(state),
            // It was undefined between the two questions.
            Err(error) if error.is_no_domain() => None,
            Err(error) => return Err(unusable(&machine.name, error)),
        },
        None => None,
    };
    if let Some(told) = told.map(condition).filter(|told| told.state.alive()) {
        // A VMM stopped by a signal answers nothing, and libvirt does not know.
        let stopped =
            expected.filter(|running| running.process.life().is_ok_and(|life| life == Life::Stopped));
        return Ok(match stopped {
            Some(running) => {
                let pid = running.process.pid;
                Condition::new(State::Stuck, format!("process {pid} is stopped by a signal"))
            }
            None => told,
        });
    }
    if Lock::is_taken(&machine.directory())? {
        return Ok(Condition::new(State::Starting, ""));
    }
    let Some(record) = record else { return Ok(Condition::new(State::Defined, "")) };
    Ok(match record.phase {
        Phase::Stopped => Condition::new(State::Defined, ""),
        Phase::Failed => Condition::new(State::Failed, record.why),
        Phase::Starting | Phase::Running => {
            let why =
                told.map_or_else(|| "libvirt has no such domain".to_owned(), |told| condition(told).why);
            Condition::new(State::Gone, format!("process {} has ended; {why}", record.pid()))
        }
    })
}

/// What libvirt's state and reason are here.
pub(super) fn condition(told: DomainState) -> Condition {
    let state = match (told.state, told.reason) {
        // Running, waiting for something, about to power off, asleep: it goes on by itself.
        (1 | 2 | 4 | 7, _) => State::Running,
        (PAUSED, 11) => State::Starting,
        (PAUSED, 10) => State::Stuck,
        (PAUSED, _) => State::Paused,
        (SHUT_OFF, _) => State::Defined,
        // Crashed and kept for a look, or a state that did not exist when this was written.
        _ => State::Stuck,
    };
    let why = meaning(told);
    // That it runs because it was started, or stands because the user paused it, needs no words.
    let plain = matches!((told.state, told.reason), (1, _) | (2, _) | (PAUSED, 1));
    Condition::new(state, if plain { String::new() } else { format!("libvirt says: {why}") })
}

/// libvirt's state and reason in words (`virDomainState` and its reasons in `include/libvirt/libvirt-domain.h`).
#[must_use]
pub fn meaning(told: DomainState) -> String {
    let reason = match (told.state, told.reason) {
        (PAUSED, 2) => "paused, for a migration",
        (PAUSED, 3) => "paused, to be saved",
        (PAUSED, 4) => "paused, for a dump of its memory",
        (PAUSED, 5) => "paused, after an I/O error of a disk",
        (PAUSED, 6) => "paused, by its watchdog",
        (PAUSED, 7) => "paused, as its snapshot was",
        (PAUSED, 8) => "paused, about to power off",
        (PAUSED, 9) => "paused, for a snapshot",
        (PAUSED, 10) => "paused, after the guest crashed",
        (PAUSED, 11) => "about to start",
        (PAUSED, 12 | 13) => "paused, in a post-copy migration",
        (SHUT_OFF, 1) => "the guest powered off",
        (SHUT_OFF, 2) => "it was told to end at once",
        (SHUT_OFF, 3) => "the VMM crashed or was killed",
        (SHUT_OFF, 4) => "it migrated to another host",
        (SHUT_OFF, 5) => "its state was saved",
        (SHUT_OFF, 6) => "it failed to start",
        (SHUT_OFF, 8) => "the daemon ended it",
        (1, _) => "running",
        (2, _) => "waiting for something",
        (PAUSED, _) => "paused",
        (4, _) => "about to power off",
        (SHUT_OFF, _) => "shut off",
        (6, _) => "crashed",
        (7, _) => "asleep",
        _ => return format!("state {}, reason {}", told.state, told.reason),
    };
    reason.to_owned()
}

pub(super) fn stop(libvirt: &Libvirt, machine: &Stored, how: Stop) -> Result<Ended, ControlError> {
    let condition = look(libvirt, machine)?;
    let operation = if how == Stop::Force { Operation::Kill } else { Operation::Stop };
    allow(&machine.name, &condition, operation)?;
    let before = machine.process()?;
    let (mut client, domain) = running(libvirt, machine)?;
    let ended = match how {
        Stop::Force => end(&mut client, &domain, &machine.name, false).map(|()| Ended::Killed)?,
        Stop::Orderly(patience) => orderly(&mut client, &domain, &machine.name, condition.state, patience)?,
    };
    Ok(match (written_down(machine, before.as_ref())?, how) {
        (Trace::Cleared, Stop::Orderly(_)) if ended == Ended::Killed => Ended::Elsewhere,
        _ => ended,
    })
}

/// Asks the guest's agent, then presses its power button until it reacts, then ends the VMM in order. The machine's
/// lock is not held meanwhile, so that a kill can come between.
fn orderly(
    client: &mut Client,
    domain: &Domain,
    name: &str,
    state: State,
    patience: Duration,
) -> Result<Ended, ControlError> {
    let deadline = Instant::now() + patience;
    let left = || deadline.saturating_duration_since(Instant::now());
    match client.watch() {
        Ok(()) => {}
        // Without events it is asked from time to time.
        Err(LibvirtError::Refused { .. }) => {}
        Err(error) => return Err(unusable(name, error)),
    }
    if state == State::Running {
        if ask_agent(client, domain)
            && let Some(ended) = wait_off(client, domain, name, left() / 2)?
        {
            return Ok(ended);
        }
        // A guest that is still booting misses the button.
        while !left().is_zero() {
            match client.shut_down(domain, false) {
                Ok(()) => {}
                // It has just powered off, or is gone altogether.
                Err(error) if error.is_wrong_state() || error.is_no_domain() => {}
                Err(error) => return Err(unusable(name, error)),
            }
            if let Some(ended) = wait_off(client, domain, name, left().min(AGAIN))? {
                return Ok(ended);
            }
        }
    }
    end(client, domain, name, true)?;
    match wait_off(client, domain, name, END)? {
        Some(Ended::Killed) | None => Ok(Ended::Quit),
        Some(ended) => Ok(ended),
    }
}

/// Asks the guest's agent to power off; false where none listens.
fn ask_agent(client: &mut Client, domain: &Domain) -> bool {
    let listens = client.xml(domain, false).is_ok_and(|xml| agent_listens(&xml));
    listens && client.shut_down(domain, true).is_ok()
}

/// Whether a program in the guest has the agent's port open, as libvirt sees it.
fn agent_listens(xml: &str) -> bool {
    let (document, _) = vmwright_formats::xml::Document::read(xml);
    document.elements().any(|element| {
        element.name() == "target"
            && element.attr("name").is_some_and(|name| name.value == crate::qemu::argv::AGENT_PORT)
            && element.attr("state").is_some_and(|state| state.value == "connected")
    })
}

/// Waits until a domain is off, and says how it ended; none where it is not in time.
fn wait_off(
    client: &mut Client,
    domain: &Domain,
    name: &str,
    patience: Duration,
) -> Result<Option<Ended>, ControlError> {
    let deadline = Instant::now() + patience;
    loop {
        match client.state(domain) {
            Ok(DomainState { state: SHUT_OFF, reason }) => {
                return Ok(Some(if matches!(reason, 2 | 3 | 8) { Ended::Killed } else { Ended::ByItself }));
            }
            Ok(_) => {}
            // A domain that was never persistent goes with its VMM.
            Err(error) if error.is_no_domain() => return Ok(Some(Ended::ByItself)),
            Err(error) => return Err(unusable(name, error)),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        // Any change of any domain is a reason to ask again.
        client.next_event(left.min(POLL)).map_err(|error| unusable(name, error))?;
    }
}

/// Ends the VMM. Fine where it has ended meanwhile.
pub(super) fn end(
    client: &mut Client,
    domain: &Domain,
    name: &str,
    in_order: bool,
) -> Result<(), ControlError> {
    match client.destroy(domain, in_order) {
        Ok(()) => Ok(()),
        Err(error) if error.is_wrong_state() || error.is_no_domain() => Ok(()),
        Err(error) => Err(unusable(name, error)),
    }
}

/// Writes down that a machine was stopped.
pub(super) fn written_down(machine: &Stored, before: Option<&ProcessRecord>) -> Result<Trace, ControlError> {
    if let Some(running) = before.and_then(ProcessRecord::expected) {
        return finish(machine, running);
    }
    let directory = machine.directory();
    let Some(_lock) = Lock::wait(&directory, &machine.name, Duration::from_secs(10))? else {
        return Err(ControlError::Busy(machine.name.clone()));
    };
    // Somebody else started it, virsh for instance: an older record of ours says nothing any more.
    if machine.process()?.is_some_and(|record| record.expected().is_none()) {
        ProcessRecord::new("libvirt", Phase::Stopped).write(&directory)?;
    }
    Ok(Trace::Orderly)
}

/// How long a start may take. The daemon sets up labels, filters and helpers one after the other before it answers, and a
/// busy host has been seen to need more than half a minute; whoever gives up before knows nothing of what came of it.
const START: Duration = Duration::from_secs(180);

pub(super) fn start_domain(libvirt: &Libvirt, name: &str) -> Result<Found, ControlError> {
    let fail = |source| unusable(name, source);
    let mut client = libvirt.connection.connect(libvirt.patience.max(START)).map_err(fail)?;
    let domain = client.domain(name).map_err(fail)?;
    allow(name, &condition(client.state(&domain).map_err(fail)?), Operation::Start)?;
    let domain = client.start(&domain).map_err(fail)?;
    found(&mut client, domain).map_err(fail)
}

pub(super) fn stop_domain(libvirt: &Libvirt, name: &str, how: Stop) -> Result<Found, ControlError> {
    let fail = |source| unusable(name, source);
    let mut client = libvirt.connection.connect(libvirt.patience).map_err(fail)?;
    let domain = client.domain(name).map_err(fail)?;
    let condition = condition(client.state(&domain).map_err(fail)?);
    let operation = if how == Stop::Force { Operation::Kill } else { Operation::Stop };
    allow(name, &condition, operation)?;
    match how {
        Stop::Force => end(&mut client, &domain, name, false)?,
        Stop::Orderly(patience) => {
            orderly(&mut client, &domain, name, condition.state, patience).map(drop)?
        }
    }
    let mut off = Found { uuid: domain.uuid_text(), name: domain.name.clone(), condition };
    match client.state(&domain) {
        Ok(state) => off.condition = self::condition(state),
        // One that was never defined goes with its VMM.
        Err(error) if error.is_no_domain() => {
            off.condition = Condition::new(State::Gone, "libvirt has no such domain");
        }
        Err(error) => return Err(fail(error)),
    }
    Ok(off)
}

fn found(client: &mut Client, domain: Domain) -> Result<Found, LibvirtError> {
    let condition = condition(client.state(&domain)?);
    Ok(Found { uuid: domain.uuid_text(), name: domain.name, condition })
}

pub(super) fn undefine(libvirt: &Libvirt, machine: &Stored) -> Result<(), ControlError> {
    allow(&machine.name, &look(libvirt, machine)?, Operation::Delete)?;
    let Some((mut client, domain)) = find(libvirt, machine)? else { return Ok(()) };
    match client.undefine(&domain) {
        Ok(()) => Ok(()),
        Err(error) if error.is_no_domain() => Ok(()),
        Err(error) => Err(unusable(&machine.name, error)),
    }
}

/// The machine's domain and a connection to ask about it. A domain of the same name that vmwright did not make is not
/// the machine's, unless the machine is lent of it.
pub(super) fn find(libvirt: &Libvirt, machine: &Stored) -> Result<Option<(Client, Domain)>, ControlError> {
    let fail = |error| unusable(&machine.name, error);
    let mut client = libvirt.connection.connect(libvirt.patience).map_err(fail)?;
    let lent = lent::of(machine)?;
    let name = lent.as_ref().map_or(&machine.name, |lent| &lent.name);
    let found = match client.domain(name) {
        Ok(domain) => domain,
        Err(error) if error.is_no_domain() => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    if let Some(lent) = lent {
        return Ok((lent.uuid == found.uuid_text()).then_some((client, found)));
    }
    match client.xml(&found, true) {
        Ok(xml) if domain::specification(&xml).is_some() => Ok(Some((client, found))),
        Ok(_) => Ok(None),
        Err(error) if error.is_no_domain() => Ok(None),
        Err(error) => Err(fail(error)),
    }
}

fn running(libvirt: &Libvirt, machine: &Stored) -> Result<(Client, Domain), ControlError> {
    find(libvirt, machine)?.ok_or_else(|| ControlError::LeftBehind {
        machine: machine.name.clone(),
        what: "no domain".to_owned(),
    })
}

pub(super) fn domains(libvirt: &Libvirt) -> Result<Vec<Found>, LibvirtError> {
    let mut client = libvirt.connection.connect(libvirt.patience)?;
    let mut found: Vec<Found> = client
        .all_states()?
        .into_iter()
        .map(|(domain, state)| Found {
            uuid: domain.uuid_text(),
            name: domain.name,
            condition: condition(state),
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

pub(super) fn edit(
    libvirt: &Libvirt,
    name: &str,
    change: impl FnOnce(&str) -> Result<String, EditFailed>,
) -> Result<(), EditFailed> {
    let mut client = libvirt.connection.connect(libvirt.patience)?;
    let domain = client.domain(name)?;
    let xml = client.xml(&domain, true)?;
    let new = change(&xml)?;
    if new != xml {
        client.define(&new)?;
    }
    Ok(())
}

pub(super) fn standing(libvirt: &Libvirt, name: &str, edits: &[DomainEdit]) -> Result<Stands, EditFailed> {
    let mut client = libvirt.connection.connect(libvirt.patience)?;
    let domain = client.domain(name)?;
    Ok(stands(&client.xml(&domain, true)?, edits)?)
}

pub(super) fn change(libvirt: &Libvirt, name: &str, edits: &[DomainEdit]) -> Result<(), EditFailed> {
    edit(libvirt, name, |xml| Ok(changed(xml, edits)?))
}

pub(super) fn unusable(machine: &str, source: LibvirtError) -> ControlError {
    ControlError::Libvirt { machine: machine.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states() {
        let of = |state, reason| condition(DomainState { state, reason });
        assert_eq!(of(1, 1), Condition::new(State::Running, ""));
        assert_eq!(of(PAUSED, 1), Condition::new(State::Paused, ""));
        assert_eq!(of(PAUSED, 11).state, State::Starting);
        assert_eq!(of(PAUSED, 5).why, "libvirt says: paused, after an I/O error of a disk");
        assert_eq!(of(SHUT_OFF, 3).why, "libvirt says: the VMM crashed or was killed");
        for unknown in [0, 6, 8, 99, -1] {
            assert_eq!(of(unknown, 0).state, State::Stuck, "{unknown}");
        }
    }

    #[test]
    fn an_agent_is_asked_where_one_listens() {
        let xml = |state| {
            format!(
                "<domain><devices><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='{state}'/></channel></devices></domain>"
            )
        };
        assert!(agent_listens(&xml("connected")) && !agent_listens(&xml("disconnected")));
    }
}
