//! Taking a guest in: from another host, or from a file.

use super::Qemu;
use super::channel::{self, Side, Unset};
use super::control::{ask, look};
use super::migrate::lend;
use super::qmp::{Qmp, QmpError};
use super::reach::Arrival;
use crate::place::{address, clear};
use crate::process::Life;
use crate::request::{Place, Receive, Told, Watch};
use crate::state::State;
use crate::supervise::{kill, said};
use crate::{Running, StartError, Stored};
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long a VMM may take to end.
const END: Duration = Duration::from_secs(30);

/// Lets a VMM that waits (`-incoming defer`) listen at the address, or read the file.
pub(super) fn listen(qmp: &mut Qmp, running: &Running, receive: &Receive) -> Result<(), Unset> {
    let schema = qmp.schema()?;
    channel::prepare(qmp, running, &schema, &receive.channel, false, Side::Target)?;
    // QEMU's default for a failed migration is to end: then its log has the reason, and nothing is left.
    match &receive.from {
        Place::File(path) => {
            let file = File::open(path)
                .map_err(|error| Unset::Words(format!("`{}` cannot be read: {error}", path.display())))?;
            let from = lend(qmp, &schema, &file)?;
            qmp.execute("migrate-incoming", Some(json!({ "uri": from })))?;
            Ok(())
        }
        place => wait_at(running, place, |from| {
            qmp.execute("migrate-incoming", Some(json!({ "uri": from }))).map(drop)
        }),
    }
}

/// Lets a VMM listen at an address by one of its monitor's commands.
fn wait_at(
    running: &Running,
    place: &Place,
    begin: impl FnOnce(&str) -> Result<(), QmpError>,
) -> Result<(), Unset> {
    let mut from = address(place).map_err(Unset::Words)?;
    clear(place);
    let arrival = match place {
        Place::Unix(path) => Arrival::at(running, path)
            .map_err(|error| Unset::Words(format!("`{}`: {error}", path.display())))?,
        _ => None,
    };
    if let Some(arrival) = &arrival {
        from.clone_from(&arrival.address);
    }
    begin(&from)?;
    let Some(arrival) = arrival else { return Ok(()) };
    arrival.show().map_err(|error| Unset::Words(format!("the socket cannot be shown at {place}: {error}")))
}

/// Waits until the guest is here. Where it does not come, the VMM is ended.
pub(super) fn arrival(
    qemu: &Qemu,
    machine: &Stored,
    running: &Running,
    receive: &Receive,
    watch: &mut dyn Watch,
) -> Result<(), StartError> {
    let not_arrived = |why: String| StartError::NotArrived { why, said: said(machine) };
    let place = match &receive.from {
        Place::File(path) => format!("reads {}", path.display()),
        place => format!("waits at {}", address(place).unwrap_or_default()),
    };
    watch.tell(Told::Note(place));
    let mut told = String::new();
    let deadline = receive.within.map(|within| Instant::now() + within);
    loop {
        if !matches!(running.process.life(), Ok(Life::Alive | Life::Stopped)) {
            // The record still says that it runs: what it left is cleared up.
            let _ = crate::supervise::finish(machine, running);
            remove(receive);
            return Err(not_arrived("the virtual machine monitor has ended".to_owned()));
        }
        let status = ask(qemu, machine, "query-migrate", None).unwrap_or(Value::Null);
        let status = status["status"].as_str().unwrap_or_default().to_owned();
        if status != told && !status.is_empty() {
            watch.tell(Told::Note(format!("the migration is {status}")));
            told.clone_from(&status);
        }
        if status == "postcopy-paused" {
            recover(qemu, machine, running, receive, watch);
        }
        let condition = look(qemu, machine);
        let here = condition.is_ok_and(|condition| matches!(condition.state, State::Running | State::Paused));
        // A guest that runs here while its memory is still on its way is here only once all of it is.
        if here
            && !matches!(status.as_str(), "active" | "setup" | "device")
            && !status.starts_with("postcopy")
        {
            remove(receive);
            return Ok(());
        }
        // What waits says that it is being set up; a source that is there makes it active.
        let waits = matches!(status.as_str(), "" | "none" | "setup");
        let late = waits && deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if late || watch.stopped() {
            let killed = kill(machine, END);
            remove(receive);
            let mut how = match receive.within.filter(|_| late) {
                Some(within) => format!("nothing came within {} s", within.as_secs_f32()),
                None => "it was stopped".to_owned(),
            };
            if killed.is_err() {
                how.push_str(", and the virtual machine monitor could not be ended");
            }
            return Err(not_arrived(how));
        }
        std::thread::sleep(LOOK);
    }
}

/// The socket that QEMU has made, once nothing more comes through it.
fn remove(receive: &Receive) {
    clear(&receive.from);
}

/// The connection was lost in the middle of a post-copy migration: listens again, beside a monitor that may hang
/// on memory that has not come (`exec-oob`).
fn recover(qemu: &Qemu, machine: &Stored, running: &Running, receive: &Receive, watch: &mut dyn Watch) {
    let Ok(to) = address(&receive.from) else { return };
    let path = running.qmp.as_deref().unwrap_or_else(|| Path::new(""));
    let mut listens_already = false;
    let asked = wait_at(running, &receive.from, |from| {
        let mut qmp = Qmp::connect_out_of_band(path, qemu.patience)?;
        let told = qmp.execute_out_of_band("migrate-recover", Some(json!({ "uri": from })));
        listens_already = matches!(told, Err(QmpError::Refused { .. }));
        told.map(drop)
    });
    let mut told = |note: String| watch.tell(Told::Note(note));
    match asked {
        Ok(()) => told(format!(
            "the connection was lost; {} waits at {to} again: 'vm migrate --resume' at the source goes on",
            machine.name
        )),
        Err(_) if listens_already => {}
        Err(Unset::Words(why)) => told(format!("it cannot listen again yet: {why}")),
        Err(Unset::Monitor(error)) => told(format!("it cannot listen again yet: {}", crate::chain(&error))),
    }
}
