//! Snapshots: the machine's state and memory as Firecracker writes them, and copies of the disks that the guest may
//! write to, made while it stands still. Firecracker's images are raw, so that no overlay can keep them.

use super::control::{api_of, change, unusable};
use super::start::{Kept as Files, go_on};
use super::{Firecracker, argv};
use crate::disks::{self, Kept, SCHEMA, Snapshot, failed, writable};
use crate::request::{Answer, Told, Watch};
use crate::state::State;
use crate::supervise::{kill, now_ms};
use crate::{Condition, ControlError, Operation, Stored, chain};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// How long a killed VMM may take to be gone.
const END: Duration = Duration::from_secs(10);

/// State and memory of a snapshot.
fn files(machine: &Stored, name: &str) -> Files {
    Files { state: Snapshot::file(machine, name, "state"), memory: Snapshot::file(machine, name, "memory") }
}

pub(super) fn snapshot(
    firecracker: &Firecracker,
    machine: &Stored,
    before: &Condition,
    name: &str,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    let _lock = disks::lock(machine)?;
    Snapshot::name(machine, name)?;
    let alive = before.state.alive();
    let mut kept = Vec::new();
    if machine.spec.disks.iter().any(|disk| !disk.readonly) {
        for (at, _, format) in writable(machine, Operation::Snapshot)? {
            if format != "raw" {
                return Err(failed(machine, Operation::Snapshot, format!("disk {at} is no raw image")));
            }
            let image = Snapshot::file(machine, name, &format!("disk{at}.raw"));
            kept.push(Kept { at, image, format: format.to_owned(), inside: false });
        }
    }
    if before.state == State::Running {
        change(firecracker, machine, "Paused")?;
    }
    let taken = take(firecracker, machine, alive, name, &kept, watch);
    let go_on = match before.state {
        // Also where it could not be kept.
        State::Running => change(firecracker, machine, "Resumed"),
        _ => Ok(()),
    };
    let written = taken.and_then(|()| {
        let (schema, name) = (SCHEMA.to_owned(), name.to_owned());
        Snapshot { schema, name, taken_ms: now_ms(), memory: alive, disks: kept.clone() }.write(machine)
    });
    if let Err(error) = written {
        // The first error is the one to tell.
        let Files { state, memory } = files(machine, name);
        for path in kept.iter().map(|kept| &kept.image).chain([&state, &memory]) {
            let _ = std::fs::remove_file(path);
        }
        return Err(error);
    }
    go_on.map(|()| Answer::Done)
}

fn take(
    firecracker: &Firecracker,
    machine: &Stored,
    alive: bool,
    name: &str,
    kept: &[Kept],
    watch: &mut dyn Watch,
) -> Result<(), ControlError> {
    if alive {
        let Files { state, memory } = files(machine, name);
        let body = json!({ "snapshot_type": "Full", "snapshot_path": state, "mem_file_path": memory });
        let answer = api_of(firecracker, machine)?.put("/snapshot/create", Some(&body));
        answer.map_err(|source| unusable(machine, source))?;
    }
    for disk in kept {
        watch.tell(Told::Note(format!("disk {} is copied", disk.at)));
        let from = machine.spec.disks.get(disk.at).and_then(|disk| disk.path.clone()).unwrap_or_default();
        copy(PathBuf::from(from), disk.image.clone())?;
    }
    Ok(())
}

fn copy(from: PathBuf, to: PathBuf) -> Result<(), ControlError> {
    // The kernel shares the blocks where the file system can.
    std::fs::copy(&from, &to).map(drop).map_err(|source| ControlError::File {
        doing: "copy",
        path: from,
        source,
    })
}

pub(super) fn restore(
    firecracker: &Firecracker,
    machine: &Stored,
    before: &Condition,
    name: &str,
) -> Result<Answer, ControlError> {
    let snapshot = Snapshot::read(machine, name)?;
    let refuse = |why: String| failed(machine, Operation::Restore, why);
    let alive = before.state.alive();
    if alive && !snapshot.memory {
        return Err(refuse(
            "it has no memory in it; stop the machine first, and its disks go back".to_owned(),
        ));
    }
    argv::config(&argv::whole(machine)).map_err(|error| refuse(chain(&error)))?;
    if alive {
        kill(machine, END)?;
    }
    {
        let _lock = disks::lock(machine)?;
        for disk in &snapshot.disks {
            let to = machine.spec.disks.get(disk.at).and_then(|disk| disk.path.clone());
            let to = to.ok_or_else(|| refuse(format!("it has no disk {} any more", disk.at)))?;
            copy(disk.image.clone(), PathBuf::from(to))?;
        }
    }
    if alive {
        go_on(firecracker, machine, &files(machine, name))
            .map_err(|error| refuse(format!("its disks are back, its memory is not: {}", chain(&error))))?;
    }
    Ok(Answer::Done)
}
