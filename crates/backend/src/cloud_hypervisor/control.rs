//! State, stop, counts; and one request of the API.

use super::{CloudHypervisor, NAME};
use crate::http::{Api, ApiError};
use crate::process::Life;
use crate::request::{DiskStatistics, Statistics};
use crate::state::{Operation, State, allow};
use crate::supervise::{self, Trace, finish, kill, now_ms, running, wait_gone};
use crate::vmm_process::{cpus, networks, resident, threads};
use crate::{Condition, ControlError, Ended, Running, Stop, Stored, chain};
use serde_json::Value;
use std::io;
use std::time::{Duration, Instant};

/// How long a VMM may take to be gone once it is told to end.
const END: Duration = Duration::from_secs(10);
/// How long until the power button is pressed once more: a guest that is still booting misses it.
const AGAIN: Duration = Duration::from_secs(2);

pub(super) fn look(vmm: &CloudHypervisor, machine: &Stored) -> Result<Condition, ControlError> {
    supervise::look(machine, NAME, |running, life| {
        if life == Life::Stopped {
            let why = format!("process {} is stopped by a signal", running.process.pid);
            return Ok(Condition::new(State::Stuck, why));
        }
        match state(&api(vmm, running)) {
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
        "Paused" | "BreakPoint" => State::Paused,
        _ => State::Stuck,
    };
    Condition::new(known, format!("Cloud Hypervisor says `{}`", state.escape_debug()))
}

/// `Created`, `Running`, `Paused`, `Shutdown` or `BreakPoint`.
pub(super) fn state(api: &Api) -> Result<String, ApiError> {
    let answer = api.get("/api/v1/vm.info")?;
    let state = answer["state"].as_str().map(|state| state.chars().take(40).collect());
    state.ok_or_else(|| ApiError::NotHttp(answer.to_string().chars().take(80).collect()))
}

pub(super) fn put(api: &Api, request: &str, body: Option<&Value>) -> Result<Value, ApiError> {
    api.put(&format!("/api/v1/{request}"), body)
}

pub(super) fn api(vmm: &CloudHypervisor, running: &Running) -> Api {
    let socket = running.qmp.as_deref().unwrap_or_else(|| std::path::Path::new(""));
    Api::at(socket, vmm.patience)
}

pub(super) fn unusable(machine: &Stored, source: ApiError) -> ControlError {
    ControlError::Api { machine: machine.name.clone(), source }
}

/// One request of a machine that runs.
pub(super) fn ask(
    vmm: &CloudHypervisor,
    machine: &Stored,
    request: &str,
    body: Option<&Value>,
) -> Result<Value, ControlError> {
    put(&api(vmm, &running(machine)?), request, body).map_err(|source| unusable(machine, source))
}

pub(super) fn stop(vmm: &CloudHypervisor, machine: &Stored, how: Stop) -> Result<Ended, ControlError> {
    let condition = look(vmm, machine)?;
    match how {
        Stop::Force => {
            allow(&machine.name, &condition, Operation::Kill)?;
            kill(machine, END).map(|()| Ended::Killed)
        }
        Stop::Orderly(patience) => {
            allow(&machine.name, &condition, Operation::Stop)?;
            let running = running(machine)?;
            let ended = orderly(vmm, machine, &running, &condition, patience)?;
            Ok(match finish(machine, &running)? {
                Trace::Orderly => ended,
                Trace::Abrupt => Ended::Killed,
                Trace::Cleared => Ended::Elsewhere,
            })
        }
    }
}

/// Presses the guest's power button until it has ended or the time is up; then Cloud Hypervisor is told to end.
fn orderly(
    vmm: &CloudHypervisor,
    machine: &Stored,
    running: &Running,
    condition: &Condition,
    patience: Duration,
) -> Result<Ended, ControlError> {
    let deadline = Instant::now() + patience;
    let left = || deadline.saturating_duration_since(Instant::now());
    let api = api(vmm, running);
    // Its API goes a moment before its process.
    let gone = || wait_gone(machine, running, Duration::from_secs(1));
    while condition.state == State::Running && !left().is_zero() {
        if let Err(error) = put(&api, "vm.power-button", None) {
            return if gone()? { Ok(Ended::ByItself) } else { Err(unusable(machine, error)) };
        }
        if wait_gone(machine, running, left().min(AGAIN))? {
            return Ok(Ended::ByItself);
        }
    }
    if let Err(error) = put(&api, "vmm.shutdown", None) {
        return if gone()? { Ok(Ended::ByItself) } else { Err(unusable(machine, error)) };
    }
    if wait_gone(machine, running, END)? {
        return Ok(Ended::Quit);
    }
    Err(ControlError::StillThere { machine: machine.name.clone(), pid: running.process.pid, after: END })
}

/// What Cloud Hypervisor counts for its devices, and the kernel for its threads.
pub(super) fn statistics(vmm: &CloudHypervisor, machine: &Stored) -> Result<Statistics, ControlError> {
    let running = running(machine)?;
    let api = api(vmm, &running);
    let counters = api.get("/api/v1/vm.counters").map_err(|source| unusable(machine, source))?;
    let info = api.get("/api/v1/vm.info").map_err(|source| unusable(machine, source))?;
    let pid = running.process.pid;
    let taps: Vec<String> = machine.spec.networks.iter().filter_map(|network| network.tap.clone()).collect();
    let balloon = machine.spec.balloon.as_ref().and_then(|_| info["memory_actual_size"].as_u64());
    Ok(Statistics {
        at_ms: now_ms(),
        process_ns: threads(pid),
        resident: resident(pid),
        cpus: cpus(pid, "vcpu"),
        disks: counters
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, counts)| disk(name, counts))
            .collect(),
        networks: networks(&taps),
        balloon,
        kvm: Vec::new(),
    })
}

/// A device that counts reads is a disk.
fn disk(name: &str, counts: &Value) -> Option<DiskStatistics> {
    let number = |key: &str| counts[key].as_u64().unwrap_or(0);
    counts["read_ops"].as_u64()?;
    Some(DiskStatistics {
        name: name.chars().take(128).collect(),
        read: number("read_bytes"),
        written: number("write_bytes"),
        reads: number("read_ops"),
        writes: number("write_ops"),
        ..DiskStatistics::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn its_words_are_states() {
        assert_eq!(condition("Running"), Condition::new(State::Running, ""));
        assert_eq!(condition("Paused").state, State::Paused);
        for other in ["Created", "Shutdown", "", "a\nb"] {
            assert_eq!(condition(other).state, State::Stuck, "{other}");
        }
    }

    #[test]
    fn only_disks_count_reads() {
        let found = disk("_disk0", &json!({ "read_ops": 3, "write_bytes": 7 })).expect("a disk");
        assert_eq!((found.reads, found.written), (3, 7));
        assert_eq!(disk("_net1", &json!({ "rx_bytes": 1 })), None);
    }
}
