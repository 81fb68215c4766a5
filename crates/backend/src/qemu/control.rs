//! State and stop, over the monitor.

use super::Qemu;
use super::agent::{Agent, AgentError};
use super::qmp::{Qmp, QmpError};
use crate::process::Life;
use crate::state::{Operation, State, allow};
use crate::supervise::{Trace, finish, kill, running, wait_gone};
use crate::{Backend, Condition, ControlError, Ended, Running, Stop, Stored, chain};
use serde_json::{Value, json};
use std::io;
use std::time::{Duration, Instant};

/// How long the monitor may take to tell the state. It serves one client at a time, so another vmwright's
/// question may come first.
const LOOK: Duration = Duration::from_secs(5);
/// How long the guest agent may take to take a request to power off.
const AGENT: Duration = Duration::from_secs(3);
/// How long after a press of the power button it is pressed again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long QEMU may take to end once it has to: it writes back what is not on disk yet.
const END: Duration = Duration::from_secs(30);

pub(super) fn look(qemu: &Qemu, machine: &Stored) -> Result<Condition, ControlError> {
    crate::supervise::look(machine, qemu.name(), |running, life| {
        // A VMM stopped by a signal answers nothing.
        if life == Life::Stopped {
            return Ok(Condition::new(
                State::Stuck,
                format!("process {} is stopped by a signal", running.process.pid),
            ));
        }
        let asked = monitor(machine, running, LOOK.min(qemu.patience));
        let status = asked.and_then(|mut qmp| {
            qmp.execute("query-status", None).map_err(|source| unusable(machine, source))
        });
        match status {
            Ok(status) => Ok(condition(status["status"].as_str().unwrap_or_default())),
            // It may have ended while it was asked.
            Err(_) if running.process.life().is_ok_and(|life| life == Life::Dead) => {
                Ok(Condition::new(State::Gone, format!("process {} has just ended", running.process.pid)))
            }
            // Not allowed to ask is not the VMM's fault.
            Err(ControlError::Monitor { source: QmpError::Connect { source, path }, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Err(unusable(machine, QmpError::Connect { source, path }))
            }
            Err(error) => Ok(Condition::new(State::Stuck, chain(&error))),
        }
    })
}

/// What a run state of QEMU (`qapi/run-state.json`) is here.
fn condition(status: &str) -> Condition {
    let state = match status {
        "running" => return Condition::new(State::Running, ""),
        "paused" => return Condition::new(State::Paused, ""),
        // The guest sleeps; it wakes up by itself or by its power button.
        "suspended" => State::Running,
        "inmigrate" => State::Receiving,
        // It can go on, in the last case once there is room on disk.
        "prelaunch" | "debug" | "watchdog" | "io-error" | "save-vm" | "restore-vm" => State::Paused,
        // The last moments of a migration that may still fail: it runs on here then.
        "finish-migrate" | "colo" => State::Running,
        _ => State::Stuck,
    };
    Condition::new(state, format!("QEMU says `{}`", status.escape_debug()))
}

/// One command over a connection of its own: a connection that is kept would shut everybody else out.
pub(super) fn ask(
    qemu: &Qemu,
    machine: &Stored,
    command: &str,
    arguments: Option<Value>,
) -> Result<Value, ControlError> {
    let mut qmp = monitor(machine, &running(machine)?, qemu.patience)?;
    qmp.execute(command, arguments).map_err(|source| unusable(machine, source))
}

pub(super) fn stop(qemu: &Qemu, machine: &Stored, how: Stop) -> Result<Ended, ControlError> {
    let condition = look(qemu, machine)?;
    match how {
        Stop::Force => {
            allow(&machine.name, &condition, Operation::Kill)?;
            kill(machine, END).map(|()| Ended::Killed)
        }
        Stop::Orderly(patience) => {
            allow(&machine.name, &condition, Operation::Stop)?;
            let running = running(machine)?;
            let ended = orderly(qemu, machine, &running, &condition, patience)?;
            Ok(match finish(machine, &running)? {
                Trace::Orderly => ended,
                Trace::Abrupt => Ended::Killed,
                Trace::Cleared => Ended::Elsewhere,
            })
        }
    }
}

/// Asks the guest's agent, then presses its power button until it reacts, then asks QEMU. The machine's lock is not held meanwhile, so that a
/// kill can come between.
fn orderly(
    qemu: &Qemu,
    machine: &Stored,
    running: &Running,
    condition: &Condition,
    patience: Duration,
) -> Result<Ended, ControlError> {
    let deadline = Instant::now() + patience;
    let left = || deadline.saturating_duration_since(Instant::now());
    if condition.state == State::Running {
        // An agent that takes the request may still fail to carry it out: half the time is the button's.
        let mut asked = ask_agent(qemu, machine, running, patience);
        if asked && wait_gone(machine, running, left() / 2)? {
            return Ok(Ended::ByItself);
        }
        // A guest that is still booting misses the button, and has no agent yet: both are tried again.
        while !left().is_zero() {
            if let Err(error) = press_button(qemu, machine, running) {
                return if has_gone(machine, running)? { Ok(Ended::ByItself) } else { Err(error) };
            }
            if wait_gone(machine, running, left().min(AGAIN))? {
                return Ok(Ended::ByItself);
            }
            asked = asked || ask_agent(qemu, machine, running, left());
        }
    }
    let told = monitor(machine, running, qemu.patience).and_then(|mut qmp| match qmp.execute("quit", None) {
        Ok(_) | Err(QmpError::Closed(_)) => Ok(()),
        Err(source) => Err(unusable(machine, source)),
    });
    if let Err(error) = told {
        return if has_gone(machine, running)? { Ok(Ended::ByItself) } else { Err(error) };
    }
    if wait_gone(machine, running, END)? {
        return Ok(Ended::Quit);
    }
    Err(ControlError::StillThere { machine: machine.name.clone(), pid: running.process.pid, after: END })
}

/// Whether a VMM whose monitor fails is about to be gone: its monitor goes a moment before it.
fn has_gone(machine: &Stored, running: &Running) -> Result<bool, ControlError> {
    wait_gone(machine, running, Duration::from_secs(1))
}

/// Asks the guest's agent to power off; false where none answers.
fn ask_agent(qemu: &Qemu, machine: &Stored, running: &Running, patience: Duration) -> bool {
    if running.agent.is_none() || !port_is_open(qemu, machine, running).unwrap_or(false) {
        return false;
    }
    let patience = AGENT.min(patience / 4).max(Duration::from_millis(100));
    let told = agent(machine, running, patience)
        .map(|mut agent| agent.tell("guest-shutdown", Some(json!({ "mode": "powerdown" }))));
    matches!(told, Ok(Ok(())))
}

/// Whether a program in the guest has the agent's port open, as QEMU sees it.
fn port_is_open(qemu: &Qemu, machine: &Stored, running: &Running) -> Result<bool, ControlError> {
    let mut qmp = monitor(machine, running, qemu.patience)?;
    let devices = qmp.execute("query-chardev", None).map_err(|source| unusable(machine, source))?;
    let ours = devices.as_array().into_iter().flatten().find(|device| device["label"] == "agent");
    Ok(ours.is_some_and(|device| device["frontend-open"] == json!(true)))
}

/// Presses the guest's power button (ACPI).
fn press_button(qemu: &Qemu, machine: &Stored, running: &Running) -> Result<(), ControlError> {
    let mut qmp = monitor(machine, running, qemu.patience)?;
    match qmp.execute("system_powerdown", None) {
        Ok(_) | Err(QmpError::Closed(_)) => Ok(()),
        Err(source) => Err(unusable(machine, source)),
    }
}

pub(super) fn monitor(machine: &Stored, running: &Running, patience: Duration) -> Result<Qmp, ControlError> {
    let path = running.qmp.as_deref().unwrap_or_else(|| std::path::Path::new(""));
    Qmp::connect(path, patience).map_err(|source| unusable(machine, source))
}

pub(super) fn agent(machine: &Stored, running: &Running, patience: Duration) -> Result<Agent, ControlError> {
    let path = running.agent.as_deref().ok_or_else(|| ControlError::NoAgent(machine.name.clone()))?;
    Agent::connect(path, patience)
        .map_err(|source: AgentError| ControlError::Agent { machine: machine.name.clone(), source })
}

pub(super) fn unusable(machine: &Stored, source: QmpError) -> ControlError {
    ControlError::Monitor { machine: machine.name.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_states() {
        assert_eq!(condition("running"), Condition::new(State::Running, ""));
        assert_eq!(condition("io-error"), Condition::new(State::Paused, "QEMU says `io-error`"));
        for stuck in ["internal-error", "guest-panicked", "shutdown", "", "a\nnew one"] {
            let found = condition(stuck);
            assert_eq!(found.state, State::Stuck, "{stuck}");
            assert!(!found.why.contains('\n'));
        }
    }
}
