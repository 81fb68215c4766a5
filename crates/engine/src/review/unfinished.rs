//! A machine of QEMU's or a microVM that a review has made to stand still, or moved to a second VMM, is as it was also where the review is
//! killed: that it is away stands in its directory before it goes, and whoever asks for the machine next brings it back. A
//! process of the review's own does so at once where it is left to.

use super::exercise::{Exerciser, MOVED, SOCKET, leg};
use super::standing::Afterwards;
use crate::aside::left_by;
use crate::error::chain;
use crate::{Environment, Progress, backends};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use vmwright_backend::qemu::{Holds, Qemu};
use vmwright_backend::store::{self, Stored};
use vmwright_backend::{Backend as _, Identity, Request, State, Stop, Unwatched, perform};
use vmwright_review::Undone;

/// Name of the record in a machine's directory.
const RECORD: &str = "review.json";
const SCHEMA: &str = "vmwright.review-pending/1";

/// How long a guest may take between two VMMs, of which one has sent it and the other has it whole.
const BETWEEN: Duration = Duration::from_secs(30);

/// What a review does with a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// It stands still for a while, and copies of it may run.
    Still,
    /// It runs in a second VMM for a while.
    Moved,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    schema: String,
    kind: Kind,
    /// The process that brings it back while it lives.
    reviewer: Identity,
}

/// Something of a review that is not brought back yet. The record goes with this value where the machine runs again.
pub(super) struct Pending<'a> {
    machine: &'a Stored,
    _afterwards: Afterwards,
}

impl<'a> Pending<'a> {
    /// To be made before the machine is touched.
    pub(super) fn of(of: &Exerciser<'a>, kind: Kind) -> Result<Self, Undone> {
        let machine = of.channels.machine;
        let cannot = |what: &str, error: io::Error| Undone::Cannot(format!("{what}: {error}"));
        let this = i32::try_from(std::process::id()).unwrap_or_default();
        let reviewer = Identity::of(this).map_err(|error| cannot("its own process", error))?;
        let record = Record { schema: SCHEMA.to_owned(), kind, reviewer };
        keep(&machine.directory(), &record).map_err(|error| cannot(RECORD, error))?;
        let afterwards = Afterwards::of_own(of.channels.state, of.vm).map_err(|error| {
            // Nothing was done yet.
            let _ = fs::remove_file(machine.file(RECORD));
            cannot("sh", error)
        })?;
        Ok(Self { machine, _afterwards: afterwards })
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if state(self.machine).is_ok_and(|state| state == State::Running) {
            // One that stays is of a process that is gone, and finds the machine as it should be.
            let _ = fs::remove_file(self.machine.file(RECORD));
        }
    }
}

/// Writes it so that a crash of the host leaves all of it or nothing.
fn keep(directory: &Path, record: &Record) -> io::Result<()> {
    let part = directory.join(format!(".{RECORD}.part"));
    let mut file = File::create(&part)?;
    file.write_all(&serde_json::to_vec_pretty(record)?)?;
    file.sync_all()?;
    fs::rename(&part, directory.join(RECORD))?;
    File::open(directory)?.sync_all()
}

/// Brings back what killed reviews left of a machine, or of all where none is named, and says so.
pub(crate) fn put_right(vm: Option<&str>, environment: &Environment, progress: &mut dyn FnMut(Progress)) {
    let machines: Vec<Stored> = match vm {
        Some(vm) => store::open(&environment.state, vm).into_iter().collect(),
        None => {
            let listed = store::list(&environment.state).unwrap_or_default();
            listed.into_iter().filter_map(|one| one.machine.ok()).collect()
        }
    };
    for machine in machines {
        let told = match one(&machine, environment) {
            Ok(None) => continue,
            Ok(Some((kind, came))) => format!("{}: {came}", killed(&machine, kind)),
            Err((kind, why)) => format!("{}, and that is not put right: {why}", killed(&machine, kind)),
        };
        progress(Progress::Note(told));
    }
}

fn killed(machine: &Stored, kind: Kind) -> String {
    let name = &machine.name;
    match kind {
        Kind::Still => format!("a review of {name} was killed while it kept the guest or copies of it"),
        Kind::Moved => format!("a review of {name} was killed while it moved the guest"),
    }
}

/// What became of one machine; none where no review has left anything.
fn one(machine: &Stored, environment: &Environment) -> Result<Option<(Kind, &'static str)>, (Kind, String)> {
    let path = machine.file(RECORD);
    let Ok(file) = File::open(&path) else { return Ok(None) };
    let Ok(record) = serde_json::from_reader::<_, Record>(&file) else { return Ok(None) };
    let kind = record.kind;
    let fail = |why: String| (kind, why);
    if record.schema != SCHEMA || record.reviewer.alive().map_err(|error| fail(error.to_string()))? {
        return Ok(None);
    }
    // One at a time; whoever waited for another finds that there is nothing left to do.
    flock(&file, FlockOperation::LockExclusive).map_err(|error| fail(error.to_string()))?;
    let locked = file.metadata().map_err(|error| fail(error.to_string()))?;
    if !path.metadata().is_ok_and(|there| (there.dev(), there.ino()) == (locked.dev(), locked.ino())) {
        return Ok(None);
    }
    let came = brought_back(machine, &record, environment).map_err(fail)?;
    fs::remove_file(&path).map_err(|error| fail(format!("{}: {error}", path.display())))?;
    Ok(Some((kind, came)))
}

fn brought_back(
    machine: &Stored,
    record: &Record,
    environment: &Environment,
) -> Result<&'static str, String> {
    let places = left_by(&machine.state, u32::try_from(record.reviewer.pid).unwrap_or_default());
    let moved = places.iter().find(|(name, _)| name == MOVED).map(|(_, place)| place.as_path());
    let came = match moved {
        Some(place) if record.kind == Kind::Moved => from_elsewhere(machine, place, environment)?,
        _ => {
            // Copies write to disks over those of the machine, which must not change beneath them.
            places.iter().try_for_each(|(_, place)| end(place))?;
            go_on(machine)?
        }
    };
    places.iter().try_for_each(|(_, place)| end(place))?;
    Ok(came)
}

/// Lets a guest go on whose copies were made or to be made.
fn go_on(machine: &Stored) -> Result<&'static str, String> {
    let qemu = Qemu::default();
    let failed = |error: vmwright_backend::ControlError| chain(&error);
    let backend = backends::of(machine).map_err(|error| chain(&error))?;
    if backend.name() != qemu.name() {
        return match state(machine)? {
            State::Running => Ok("the guest runs"),
            State::Paused => perform(&*backend, machine, Request::Resume, &mut Unwatched)
                .map(|_| "the guest goes on")
                .map_err(failed),
            other if other.alive() => Err(format!("it is {other}")),
            _ => Ok("it has ended since"),
        };
    }
    match qemu.settle(machine).map_err(failed)? {
        Holds::Nothing => Ok("it has ended since"),
        Holds::Room => Err("its VMM waits for a guest that nobody sends".to_owned()),
        Holds::Guest | Holds::Sent => {
            if qemu.look(machine).map_err(failed)?.state == State::Running {
                return Ok("the guest runs");
            }
            qemu.go_on(machine).map_err(failed)?;
            Ok("the guest goes on")
        }
    }
}

/// Lets a guest go on that was moved to a second VMM below `place`, wherever it is.
fn from_elsewhere(here: &Stored, place: &Path, environment: &Environment) -> Result<&'static str, String> {
    let qemu = Qemu::default();
    let settle = |machine: &Stored| qemu.settle(machine).map_err(|error| chain(&error));
    // Where it was killed before that, there is no second one.
    let Ok(there) = store::open(place, &here.name) else { return go_on(here) };
    let began = Instant::now();
    loop {
        match (settle(here)?, settle(&there)?) {
            (Holds::Guest, Holds::Guest) => return Err("both VMMs have the guest".to_owned()),
            (Holds::Guest, _) => {
                end(place)?;
                return go_on(here);
            }
            (_, Holds::Guest) => {
                stop(here)?;
                // It may stand still there, and arrives as it left.
                go_on(&there)?;
                leg(&there, here, &place.join(SOCKET), &environment.stop)?;
                return Ok("the guest is back");
            }
            // All of it is sent, and the other is about to have it.
            (Holds::Sent, Holds::Room) | (Holds::Room, Holds::Sent) if began.elapsed() < BETWEEN => {
                thread::sleep(Duration::from_millis(100));
            }
            // It has never run there.
            (Holds::Sent, Holds::Room) => {
                end(place)?;
                return go_on(here);
            }
            (Holds::Room, Holds::Sent) => {
                stop(here)?;
                go_on(&there)?;
            }
            (Holds::Nothing, Holds::Nothing) => return Ok("it has ended since"),
            // It ran in a VMM that is gone, and may have written to its disks: what is left of it is of earlier.
            _ => {
                stop(here)?;
                return Ok("no VMM has the guest any more, and it is off");
            }
        }
    }
}

/// Ends the machines of a folder and removes it.
fn end(place: &Path) -> Result<(), String> {
    for machine in store::list(place).unwrap_or_default().into_iter().filter_map(|one| one.machine.ok()) {
        stop(&machine)?;
    }
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(format!("{}: {error}", place.display())),
        _ => Ok(()),
    }
}

/// Ends a machine's VMM where there is one.
fn stop(machine: &Stored) -> Result<(), String> {
    if state(machine)?.alive() {
        let backend = backends::of(machine).map_err(|error| chain(&error))?;
        backend.stop(machine, Stop::Force).map_err(|error| chain(&error))?;
    }
    Ok(())
}

fn state(machine: &Stored) -> Result<State, String> {
    let backend = backends::of(machine).map_err(|error| chain(&error))?;
    backend.look(machine).map(|condition| condition.state).map_err(|error| chain(&error))
}
