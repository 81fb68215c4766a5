//! State, stop, pause and resume, by signals.

use super::Fake;
use crate::process::Life;
use crate::state::{Operation, State, allow};
use crate::supervise::{Trace, finish, kill, running, signal, wait_gone};
use crate::{Backend, Condition, ControlError, Ended, Stop, Stored};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// How long a process may take to end or to stand still.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn look(fake: &Fake, machine: &Stored) -> Result<Condition, ControlError> {
    crate::supervise::look(machine, fake.name(), |_, life| {
        let state = if life == Life::Stopped { State::Paused } else { State::Running };
        Ok(Condition::new(state, ""))
    })
}

pub(super) fn stop(fake: &Fake, machine: &Stored, how: Stop) -> Result<Ended, ControlError> {
    let condition = look(fake, machine)?;
    if how == Stop::Force {
        allow(&machine.name, &condition, Operation::Kill)?;
        return kill(machine, PATIENCE).map(|()| Ended::Killed);
    }
    allow(&machine.name, &condition, Operation::Stop)?;
    let running = running(machine)?;
    signal(machine, Signal::TERM)?;
    if !wait_gone(machine, &running, PATIENCE)? {
        let pid = running.process.pid;
        return Err(ControlError::StillThere { machine: machine.name.clone(), pid, after: PATIENCE });
    }
    Ok(match finish(machine, &running)? {
        Trace::Orderly | Trace::Abrupt => Ended::ByItself,
        Trace::Cleared => Ended::Elsewhere,
    })
}

pub(super) fn pause(fake: &Fake, machine: &Stored) -> Result<(), ControlError> {
    change(fake, machine, Signal::STOP, State::Paused)
}

pub(super) fn resume(fake: &Fake, machine: &Stored) -> Result<(), ControlError> {
    change(fake, machine, Signal::CONT, State::Running)
}

/// Signals and waits until the state is the wanted one: the kernel takes a moment.
fn change(fake: &Fake, machine: &Stored, how: Signal, wanted: State) -> Result<(), ControlError> {
    signal(machine, how)?;
    let deadline = Instant::now() + PATIENCE;
    while look(fake, machine)?.state != wanted {
        if Instant::now() >= deadline {
            let pid = running(machine)?.process.pid;
            return Err(ControlError::StillThere { machine: machine.name.clone(), pid, after: PATIENCE });
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
