//! State, stop, pause and resume, counts.

use super::start::LOG;
use super::{Firecracker, NAME};
use crate::http::{Api, ApiError};
use crate::process::Life;
use crate::request::Statistics;
use crate::state::{Operation, State, allow};
use crate::supervise::{self, Trace, finish, kill, now_ms, running, signal, wait_gone};
use crate::vmm_process::{cpus, networks, resident, threads};
use crate::{Condition, ControlError, Ended, Running, Stop, Stored, chain};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{self, Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

/// How long a VMM may take to be gone once it is told to end.
const END: Duration = Duration::from_secs(10);
/// How long until Ctrl+Alt+Del is pressed once more: a guest that is still booting misses it.
const AGAIN: Duration = Duration::from_secs(2);
/// How much of the end of its log is looked at, in bytes.
const LOG_END: u64 = 4096;

pub(super) fn look(firecracker: &Firecracker, machine: &Stored) -> Result<Condition, ControlError> {
    supervise::look(machine, NAME, |running, life| {
        if life == Life::Stopped {
            return Ok(Condition::new(
                State::Stuck,
                format!("process {} is stopped by a signal", running.process.pid),
            ));
        }
        match state(&api(firecracker, running)) {
            Ok(state) => Ok(condition(&state)),
            // It may have ended between the two looks.
            Err(_) if running.process.life().is_ok_and(|life| life == Life::Dead) => {
                Ok(Condition::new(State::Gone, format!("process {} has just ended", running.process.pid)))
            }
            Err(ApiError::Connect { path, source }) if source.kind() == io::ErrorKind::PermissionDenied => {
                Err(unusable(machine, ApiError::Connect { path, source }))
            }
            Err(error) => Ok(Condition::new(State::Stuck, chain(&error))),
        }
    })
}

fn condition(state: &str) -> Condition {
    let known = match state {
        "Running" => return Condition::new(State::Running, ""),
        "Paused" => State::Paused,
        _ => State::Stuck,
    };
    Condition::new(known, format!("Firecracker says `{}`", state.escape_debug()))
}

/// `Not started`, `Running` or `Paused`.
pub(super) fn state(api: &Api) -> Result<String, ApiError> {
    let answer = api.get("/")?;
    let state = answer["state"].as_str().map(|state| state.chars().take(40).collect());
    state.ok_or_else(|| ApiError::NotHttp(answer.to_string().chars().take(80).collect()))
}

pub(super) fn api(firecracker: &Firecracker, running: &Running) -> Api {
    let socket = running.qmp.as_deref().unwrap_or_else(|| std::path::Path::new(""));
    Api::at(socket, firecracker.patience)
}

/// The API of a machine that runs.
pub(super) fn api_of(firecracker: &Firecracker, machine: &Stored) -> Result<Api, ControlError> {
    Ok(api(firecracker, &running(machine)?))
}

pub(super) fn unusable(machine: &Stored, source: ApiError) -> ControlError {
    ControlError::Api { machine: machine.name.clone(), source }
}

/// `Paused` or `Resumed`.
pub(super) fn change(firecracker: &Firecracker, machine: &Stored, state: &str) -> Result<(), ControlError> {
    let answer = api_of(firecracker, machine)?.patch("/vm", &json!({ "state": state }));
    answer.map(drop).map_err(|source| unusable(machine, source))
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
                // It has no request for that; what its guest wrote is with the kernel already.
                signal(machine, Signal::TERM)?;
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

/// Presses Ctrl+Alt+Del until the guest has ended or the time is up; whether it has ended.
fn press(
    firecracker: &Firecracker,
    machine: &Stored,
    running: &Running,
    patience: Duration,
) -> Result<bool, ControlError> {
    let deadline = Instant::now() + patience;
    let left = || deadline.saturating_duration_since(Instant::now());
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
    let pid = running.process.pid;
    let balloon = machine.spec.balloon.as_ref().and_then(|_| balloon(firecracker, machine, &running));
    Ok(Statistics {
        at_ms: now_ms(),
        process_ns: threads(pid),
        resident: resident(pid),
        cpus: cpus(pid, "fc_vcpu "),
        disks: Vec::new(),
        networks: networks(&taps(machine)),
        balloon,
        kvm: Vec::new(),
    })
}

fn taps(machine: &Stored) -> Vec<String> {
    machine.spec.networks.iter().filter_map(|network| network.tap.clone()).collect()
}

/// Bytes that the guest has beside its balloon.
fn balloon(firecracker: &Firecracker, machine: &Stored, running: &Running) -> Option<u64> {
    let told: Value = api(firecracker, running).get("/balloon").ok()?;
    let held = told["amount_mib"].as_u64()?.checked_mul(1 << 20)?;
    let whole = vmwright_formats::machine_spec::parse_size(&machine.spec.memory.size).ok()?;
    Some(whole.saturating_sub(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words_are_states() {
        assert_eq!(condition("Running"), Condition::new(State::Running, ""));
        assert_eq!(condition("Paused").state, State::Paused);
        for other in ["Not started", "", "a\nb"] {
            let found = condition(other);
            assert_eq!(found.state, State::Stuck, "{other}");
            assert!(!found.why.contains('\n'));
        }
    }
}
