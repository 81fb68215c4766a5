//! State, stop, counts; and one request of the API.

use super::{CloudHypervisor, migrate};
use crate::http::{Api, ApiError};
use crate::microvm::{self, AGAIN, END, MicroVm as _, api, unusable};
use crate::request::{DiskStatistics, Statistics};
use crate::state::{Operation, State, allow};
use crate::store::ARGV;
use crate::supervise::{Trace, finish, kill, running, wait_gone};
use crate::{Condition, ControlError, Ended, Running, Stop, Stored};
use serde_json::Value;
use std::time::{Duration, Instant};

pub(super) fn put(api: &Api, request: &str, body: Option<&Value>) -> Result<Value, ApiError> {
    api.put(&format!("/api/v1/{request}"), body)
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

/// How long a VMM that was started without a machine may take to answer: one that waits for it does not answer at all.
const WAITING: Duration = Duration::from_secs(2);

/// Where it stands.
pub(super) fn look(vmm: &CloudHypervisor, machine: &Stored) -> Result<Condition, ControlError> {
    if !migrate::waits(&machine.file(ARGV)) {
        return microvm::look(vmm, machine);
    }
    let condition = microvm::look(&vmm.clone().with_patience(WAITING), machine)?;
    Ok(match condition.state {
        // What it says itself of a guest that it has is something else.
        State::Stuck if !condition.why.starts_with(CloudHypervisor::CALLED) => {
            Condition::new(State::Receiving, "it waits for its guest")
        }
        _ => condition,
    })
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

/// Asks the guest's agent, or presses its power button until it has ended or the time is up; then Cloud Hypervisor is told to end.
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
    let asked = condition.state == State::Running && microvm::ask_to_end(running, "powerdown", patience);
    if asked && wait_gone(machine, running, left() / 2)? {
        return Ok(Ended::ByItself);
    }
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

/// The version of the VMM that runs, which may be an older one than the installed program.
pub(super) fn version(vmm: &CloudHypervisor, machine: &Stored) -> Result<String, ControlError> {
    let api = api(vmm, &running(machine)?);
    let answer = api.get("/api/v1/vmm.ping").map_err(|source| unusable(machine, source))?;
    Ok(microvm::word(&answer["version"]))
}

/// What Cloud Hypervisor counts for its devices, and the kernel for its threads.
pub(super) fn statistics(vmm: &CloudHypervisor, machine: &Stored) -> Result<Statistics, ControlError> {
    let running = running(machine)?;
    let api = api(vmm, &running);
    let counters = api.get("/api/v1/vm.counters").map_err(|source| unusable(machine, source))?;
    let info = api.get("/api/v1/vm.info").map_err(|source| unusable(machine, source))?;
    let devices = counters.as_object().into_iter().flatten();
    Ok(Statistics {
        disks: devices.filter_map(|(name, counts)| disk(name, counts)).collect(),
        balloon: machine.spec.balloon.as_ref().and_then(|_| info["memory_actual_size"].as_u64()),
        ..microvm::statistics::<CloudHypervisor>(machine, &running)
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
    fn only_disks_count_reads() {
        let found = disk("_disk0", &json!({ "read_ops": 3, "write_bytes": 7 })).expect("a disk");
        assert_eq!((found.reads, found.written), (3, 7));
        assert_eq!(disk("_net1", &json!({ "rx_bytes": 1 })), None);
    }
}
