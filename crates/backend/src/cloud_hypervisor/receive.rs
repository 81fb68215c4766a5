//! Taking a guest in: a VMM without a machine, which gets it from the source with all that it is.

use super::migrate::{FOREVER, channel};
use super::{CloudHypervisor, NAME, control, start};
use crate::http::{Api, ApiError};
use crate::place::{address, clear, somebody_came};
use crate::process::Life;
use crate::request::{Receive, Told, Watch};
use crate::state::State;
use crate::supervise::{self, finish, kill, said};
use crate::{Running, StartError, Stored, chain};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long a VMM may take to end.
const END: Duration = Duration::from_secs(10);

/// Starts a VMM that waits for its guest, and waits with it.
pub(super) fn receive(
    vmm: &CloudHypervisor,
    machine: &Stored,
    from: &Receive,
    watch: &mut dyn Watch,
) -> Result<Running, StartError> {
    let not_arrived = |why: String, said: String| StartError::NotArrived { why, said };
    let body =
        channel(&from.channel, &from.from, "receiver_url").map_err(|why| not_arrived(why, String::new()))?;
    clear(&from.from);
    let running = supervise::start(machine, NAME, &mut || {}, |attempt| start::wait(vmm, attempt))?;
    watch.tell(Told::Note(format!("waits at {}", address(&from.from).unwrap_or_default())));
    let socket = running.qmp.clone().unwrap_or_default();
    let (answered, answer) = mpsc::channel();
    // It is answered when the guest is here; where the VMM is ended before, the connection ends.
    std::thread::spawn(move || {
        answered.send(control::put(&Api::at(&socket, FOREVER), "vm.receive-migration", Some(&body)))
    });
    let deadline = from.within.map(|within| Instant::now() + within);
    let arrived = loop {
        if !matches!(running.process.life(), Ok(Life::Alive | Life::Stopped)) {
            // The record still says that it runs: what it left is cleared up.
            let _ = finish(machine, &running);
            break Err("the virtual machine monitor has ended".to_owned());
        }
        match answer.recv_timeout(LOOK) {
            Ok(Ok(_)) => break here(vmm, machine),
            Ok(Err(ApiError::Refused { said, .. })) => break Err(said),
            // Its process is looked at again.
            Ok(Err(ApiError::Closed(_) | ApiError::Io(_))) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Err(error)) => break Err(chain(&error)),
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK),
        }
        if watch.stopped() {
            break Err("it was stopped".to_owned());
        }
        let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if let Some(within) = from.within.filter(|_| late && !somebody_came(&from.from)) {
            break Err(format!("nothing came within {} s", within.as_secs_f32()));
        }
    };
    let result = arrived.map(|()| running.clone()).map_err(|mut why| {
        let said = said(machine);
        let ends = running.process.life().is_ok_and(|life| life != Life::Dead);
        if ends && kill(machine, END).is_err() {
            why.push_str(", and the virtual machine monitor could not be ended");
        }
        not_arrived(why, said)
    });
    clear(&from.from);
    result
}

/// It says that the guest has come: it goes on here as it was there.
fn here(vmm: &CloudHypervisor, machine: &Stored) -> Result<(), String> {
    let condition = control::look(vmm, machine).map_err(|error| chain(&error))?;
    match condition.state {
        State::Running | State::Paused => Ok(()),
        _ => Err(condition.why),
    }
}
