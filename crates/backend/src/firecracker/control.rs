//! State, stop, pause and resume, counts.

use super::Firecracker;
use super::start::LOG;
use crate::http::ApiError;
use crate::microvm::{self, AGAIN, END, api, api_of, done, look, unusable};
use crate::request::Statistics;
use crate::state::{Operation, State, allow};
use crate::supervise::{Trace, finish, kill, running, signal, wait_gone};
use crate::{ControlError, Ended, Running, Stop, Stored};
use rustix::process::Signal;
use serde_json::json;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

/// How much of the end of its log is looked at, in bytes.
const LOG_END: u64 = 4096;

/// `Paused` or `Resumed`.
pub(super) fn change(firecracker: &Firecracker, machine: &Stored, state: &str) -> Result<(), ControlError> {
    done(machine, api_of(firecracker, machine)?.patch("/vm", &json!({ "state": state })))
}

pub(super) fn stop(firecracker: &Firecracker, machine: &Stored, how: Stop) -> Result<Ended, ControlError> {
    let condition = look(firecracker, machine)?;
    match how {
        Stop::Force => {
            allow(&machine.name, &condition, Operation::Kill)?;
            kill(machine, END).map(|()| Ended::Killed)
        }
        Stop::Orderly(patience) => {
            allow(&machine.name, &condition, Operation::Stop)?;
            let running = running(machine)?;
            let quit = condition.state == State::Running && !press(firecracker, machine, &running, patience)?;
            if quit || condition.state != State::Running {
                // It has no request for that; what its guest wrote is with the kernel already. The first process of a
                // PID namespace, which it is as another user, is ended by nothing less than this (pid_namespaces(7)).
                signal(machine, if running.user.is_some() { Signal::KILL } else { Signal::TERM })?;
                if !wait_gone(machine, &running, END)? {
                    let (machine, pid) = (machine.name.clone(), running.process.pid);
                    return Err(ControlError::StillThere { machine, pid, after: END });
                }
            }
            let by_itself = ended_in_order(machine);
            Ok(match finish(machine, &running)? {
                Trace::Cleared => Ended::Elsewhere,
                Trace::Orderly | Trace::Abrupt if by_itself => Ended::ByItself,
                Trace::Orderly | Trace::Abrupt if quit => Ended::Quit,
                Trace::Orderly | Trace::Abrupt => Ended::Killed,
            })
        }
    }
}

/// Asks the guest's agent for a restart, by which Firecracker ends (it has nothing that a guest could power off by), or
/// presses Ctrl+Alt+Del until the guest has ended or the time is up; whether it has ended.
fn press(
    firecracker: &Firecracker,
    machine: &Stored,
    running: &Running,
    patience: Duration,
) -> Result<bool, ControlError> {
    let deadline = Instant::now() + patience;
    let left = || deadline.saturating_duration_since(Instant::now());
    if microvm::ask_to_end(running, "reboot", patience) && wait_gone(machine, running, left() / 2)? {
        return Ok(true);
    }
    let api = api(firecracker, running);
    while !left().is_zero() {
        match api.put("/actions", Some(&json!({ "action_type": "SendCtrlAltDel" }))) {
            // A guest that takes no keys fills the keyboard's buffer.
            Ok(_) | Err(ApiError::Refused { .. }) => {}
            // Its API goes a moment before its process.
            Err(error) => {
                let gone = wait_gone(machine, running, Duration::from_secs(1))?;
                return if gone { Ok(true) } else { Err(unusable(machine, error)) };
            }
        }
        if wait_gone(machine, running, left().min(AGAIN))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether Firecracker's own log ends with its good-bye: then its guest has ended, and nobody killed it.
fn ended_in_order(machine: &Stored) -> bool {
    let read = || -> io::Result<String> {
        let mut file = std::fs::File::open(machine.file(LOG))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_END)))?;
        let mut bytes = Vec::new();
        file.take(LOG_END).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().is_ok_and(|text| text.lines().last().is_some_and(|line| line.contains("exiting successfully")))
}

/// What the kernel counts for its threads. Firecracker's own counters start anew whenever somebody reads them.
pub(super) fn statistics(firecracker: &Firecracker, machine: &Stored) -> Result<Statistics, ControlError> {
    let running = running(machine)?;
    let balloon = machine.spec.balloon.as_ref().and_then(|_| balloon(firecracker, machine, &running));
    Ok(Statistics { balloon, ..microvm::statistics::<Firecracker>(machine, &running) })
}

/// Bytes that the guest has beside its balloon: what the balloon holds where Firecracker counts that (`statistics` of the
/// balloon), else what it shall hold.
pub(super) fn balloon(firecracker: &Firecracker, machine: &Stored, running: &Running) -> Option<u64> {
    let api = api(firecracker, running);
    let counted = machine.spec.balloon.as_ref().and_then(|balloon| balloon.statistics);
    let actual = counted.and_then(|_| api.get("/balloon/statistics").ok()?["actual_mib"].as_u64());
    let held = actual.or_else(|| api.get("/balloon").ok()?["amount_mib"].as_u64())?.checked_mul(1 << 20)?;
    let whole = vmwright_formats::machine_spec::parse_size(&machine.spec.memory.size).ok()?;
    Some(whole.saturating_sub(held))
}
