//! Snapshots of VMMs that write a guest's state into files of their own: beside them stand whole copies of the disks that
//! the guest may write to, made while it stands still.

use crate::disks::{self, Kept, SCHEMA, Snapshot, failed, writable};
use crate::request::{Answer, Told, Watch};
use crate::state::State;
use crate::supervise::{kill, now_ms};
use crate::{Condition, ControlError, Operation, Running, StartError, Stored, chain};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a killed VMM may take to be gone.
const END: Duration = Duration::from_secs(10);

/// A VMM that does so.
pub(crate) trait Whole {
    /// Formats of images that it runs: `raw`, `qcow2`.
    const FORMATS: &'static [&'static str];

    /// Makes ready what [`Self::keep`] needs, while the guest still runs.
    fn prepare(&self, _: &Stored, _: &str) -> Result<(), ControlError> {
        Ok(())
    }

    /// Makes the guest stand still.
    fn pause(&self, machine: &Stored) -> Result<(), ControlError>;

    /// Lets it go on.
    fn resume(&self, machine: &Stored) -> Result<(), ControlError>;

    /// Writes state and memory of a guest that stands still.
    fn keep(&self, machine: &Stored, name: &str) -> Result<(), ControlError>;

    /// What [`Self::keep`] writes.
    fn kept(machine: &Stored, name: &str) -> Vec<PathBuf>;

    /// Whether a start could succeed.
    fn check(&self, machine: &Stored) -> Result<(), StartError>;

    /// Starts a VMM whose guest goes on from there.
    fn go_on(&self, machine: &Stored, name: &str) -> Result<Running, StartError>;
}

pub(crate) fn snapshot<W: Whole>(
    vmm: &W,
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
            if !W::FORMATS.contains(&format) {
                return Err(failed(machine, Operation::Snapshot, format!("disk {at} is no raw image")));
            }
            let image = Snapshot::file(machine, name, &format!("disk{at}"));
            kept.push(Kept { at, image, format: format.to_owned(), inside: false });
        }
    }
    let prepared = if alive { vmm.prepare(machine, name) } else { Ok(()) };
    let mut go_on = Ok(());
    let taken = prepared.and_then(|()| {
        if before.state == State::Running {
            vmm.pause(machine)?;
        }
        let taken = take(vmm, machine, alive, name, &kept, watch);
        if before.state == State::Running {
            // Also where it could not be kept.
            go_on = vmm.resume(machine);
        }
        taken
    });
    let written = taken.and_then(|()| {
        let (schema, name) = (SCHEMA.to_owned(), name.to_owned());
        Snapshot { schema, name, taken_ms: now_ms(), memory: alive, disks: kept.clone() }.write(machine)
    });
    if let Err(error) = written {
        // The first error is the one to tell.
        for path in kept.into_iter().map(|kept| kept.image).chain(W::kept(machine, name)) {
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
        }
        return Err(error);
    }
    go_on.map(|()| Answer::Done)
}

fn take<W: Whole>(
    vmm: &W,
    machine: &Stored,
    alive: bool,
    name: &str,
    kept: &[Kept],
    watch: &mut dyn Watch,
) -> Result<(), ControlError> {
    if alive {
        vmm.keep(machine, name)?;
    }
    for disk in kept {
        watch.tell(Told::Note(format!("disk {} is copied", disk.at)));
        let from = machine.spec.disks.get(disk.at).and_then(|disk| disk.path.clone()).unwrap_or_default();
        copy(Path::new(&from), &disk.image)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), ControlError> {
    // The kernel shares the blocks where the file system can.
    let fail = |source| ControlError::File { doing: "copy", path: from.to_owned(), source };
    std::fs::copy(from, to).map(drop).map_err(fail)
}

pub(crate) fn restore<W: Whole>(
    vmm: &W,
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
    vmm.check(machine).map_err(|error| refuse(chain(&error)))?;
    if alive {
        kill(machine, END)?;
    }
    {
        let _lock = disks::lock(machine)?;
        for disk in &snapshot.disks {
            let to = machine.spec.disks.get(disk.at).and_then(|disk| disk.path.clone());
            let to = to.ok_or_else(|| refuse(format!("it has no disk {} any more", disk.at)))?;
            copy(&disk.image, Path::new(&to))?;
        }
    }
    if alive {
        vmm.go_on(machine, name)
            .map_err(|error| refuse(format!("its disks are back, its memory is not: {}", chain(&error))))?;
    }
    Ok(Answer::Done)
}
