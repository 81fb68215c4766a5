//! Snapshots of VMMs that write a guest's state into files of their own: beside them stand whole copies of the disks that
//! the guest may write to, made while it stands still.

use crate::apart::Apart;
use crate::disks::{self, Kept, SCHEMA, Snapshot, failed, writable};
use crate::request::{Answer, Told, Watch};
use crate::state::State;
use crate::supervise::{kill, now_ms};
use crate::{Condition, ControlError, Operation, Running, StartError, Stored, chain};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of what copies go on from.
const COPIES: &str = "copies";

/// A VMM of which a second one can go on from a guest's state, beside the first.
pub trait Copies {
    /// Writes state, memory and disks of a guest that runs into the directory of `kept`, another machine of the same
    /// specification. The guest stands still meanwhile, and then goes on in any case. Gives the bytes of state and memory.
    ///
    /// # Errors
    /// [`ControlError`].
    fn keep_for_copies(&self, machine: &Stored, kept: &Stored) -> Result<u64, ControlError>;

    /// Starts a VMM whose guest goes on from what was kept of the machine `of`. `copy` is a machine of that specification
    /// whose disks that can be written have paths of their own. The VMM sees these where those of `of` are, and the
    /// directory of `copy` as that of `of`; its network is its own, and leads nowhere. It takes root.
    ///
    /// # Errors
    /// [`StartError`].
    fn go_on_beside(&self, copy: &Stored, of: &Stored, kept: &Stored) -> Result<Running, StartError>;
}

pub(crate) fn keep_for_copies<W: Whole>(
    vmm: &W,
    machine: &Stored,
    kept: &Stored,
) -> Result<u64, ControlError> {
    let _lock = disks::lock(machine)?;
    Snapshot::name(machine, COPIES)?;
    Snapshot::name(kept, COPIES)?;
    let disks = match machine.spec.disks.iter().any(|disk| !disk.readonly) {
        true => writable(machine, Operation::Snapshot)?,
        false => Vec::new(),
    };
    vmm.prepare(machine, COPIES)?;
    vmm.pause(machine)?;
    let taken = vmm.keep(machine, COPIES).and_then(|()| {
        disks
            .iter()
            .try_for_each(|(at, path, _)| copy(path, &Snapshot::file(kept, COPIES, &format!("disk{at}"))))
    });
    let goes_on = vmm.resume(machine);
    let pairs = W::kept(machine, COPIES).into_iter().zip(W::kept(kept, COPIES));
    let mut bytes = 0;
    let moved = pairs.map(|(from, to)| {
        std::fs::rename(&from, &to).map_err(|source| ControlError::File {
            doing: "move",
            path: from,
            source,
        })?;
        bytes += size(&to);
        Ok(())
    });
    // All of them, so that nothing stays with the machine.
    let moved: Vec<Result<(), ControlError>> = moved.collect();
    if let Some(folder) = Snapshot::place(machine, COPIES).parent() {
        // It stays where there are snapshots.
        let _ = std::fs::remove_dir(folder);
    }
    taken?;
    goes_on?;
    moved.into_iter().collect::<Result<(), _>>().map(|()| bytes)
}

/// Bytes of a file, or of the files of a directory.
fn size(path: &Path) -> u64 {
    match std::fs::read_dir(path) {
        Ok(entries) => {
            entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
        }
        Err(_) => path.metadata().map_or(0, |file| file.len()),
    }
}

/// The snapshot that a copy goes on from.
pub(crate) fn kept_for_copies<W: Whole>(kept: &Stored) -> Vec<PathBuf> {
    W::kept(kept, COPIES)
}

/// Gives a copy disks of its own, as they were kept.
pub(crate) fn own_disks(machine: &Stored, of: &Stored, kept: &Stored) -> Result<(), StartError> {
    for (at, own, theirs) in own(machine, of) {
        let fail = |source| StartError::Write { path: own.clone(), source };
        std::fs::copy(Snapshot::file(kept, COPIES, &format!("disk{at}")), &own).map_err(fail)?;
        let meta = theirs.metadata().map_err(fail)?;
        std::os::unix::fs::chown(&own, Some(meta.uid()), Some(meta.gid())).map_err(fail)?;
    }
    Ok(())
}

/// What a copy's VMM sees in the place of the machine's own.
pub(crate) fn apart(machine: &Stored, of: &Stored) -> Result<Apart, StartError> {
    let mut apart = Apart::default();
    apart.own_network();
    let (here, there) = (machine.directory(), of.directory());
    let fail = |path: &Path| {
        let path = path.to_owned();
        |source| StartError::Write { path, source }
    };
    // Sockets are made anew there.
    apart.show(&here, &there, false).map_err(fail(&here))?;
    for (_, own, theirs) in own(machine, of) {
        if let Ok(inside) = theirs.strip_prefix(&there) {
            // Its own is hidden, and a mount needs something that it covers.
            let covered = here.join(inside);
            covered.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(fail(&covered))?;
            std::fs::File::create(&covered).map(drop).map_err(fail(&covered))?;
        }
        apart.show(&own, &theirs, false).map_err(fail(&own))?;
    }
    Ok(apart)
}

/// The disks that a copy writes: their places, its own, and those of the machine.
fn own(machine: &Stored, of: &Stored) -> Vec<(usize, PathBuf, PathBuf)> {
    let disks = machine.spec.disks.iter().zip(&of.spec.disks).enumerate();
    let written = disks.filter(|(_, (_, theirs))| !theirs.readonly);
    written
        .filter_map(|(at, (own, theirs))| Some((at, own.path.as_ref()?.into(), theirs.path.as_ref()?.into())))
        .collect()
}

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
