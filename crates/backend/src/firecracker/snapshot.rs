//! Snapshots: the machine's state and memory, each in a file. Firecracker's images are raw, so that no overlay can keep
//! a disk. Where Firecracker counts what its guest writes, a
//! snapshot after the first one holds the guest up for that alone.

use super::control::change;
use super::start::{Kept, go_on, go_on_beside};
use super::{Firecracker, argv, jail};
use crate::disks::Snapshot;
use crate::microvm::{api_of, done, unusable};
use crate::process::{Identity, user_of};
use crate::store::{read_regular, write_atomically};
use crate::supervise::running;
use crate::whole::{self, Copies, Whole};
use crate::{ControlError, Running, StartError, Stored};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// State and memory of a snapshot.
fn files(machine: &Stored, name: &str) -> Kept {
    Kept { state: Snapshot::file(machine, name, "state"), memory: Snapshot::file(machine, name, "memory") }
}

impl Whole for Firecracker {
    const FORMATS: &'static [&'static str] = &["raw"];

    fn pause(&self, machine: &Stored) -> Result<(), ControlError> {
        change(self, machine, "Paused")
    }

    fn resume(&self, machine: &Stored) -> Result<(), ControlError> {
        change(self, machine, "Resumed")
    }

    fn prepare(&self, machine: &Stored, name: &str) -> Result<(), ControlError> {
        let Room { state, memory: to, .. } = Room::of(machine, name)?;
        for left in [&state, &to] {
            // Of an attempt that failed.
            let _ = std::fs::remove_file(left).or_else(|_| std::fs::remove_dir_all(left));
        }
        let Some(base) = base(self, machine)? else { return Ok(()) };
        let fail = |source| ControlError::File { doing: "make", path: to.clone(), source };
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&to).map_err(fail)?;
        let copied = File::open(&base).and_then(|mut base| io::copy(&mut base, &mut file));
        copied.map(drop).map_err(fail)?;
        let (uid, gid) = user_of(running(machine)?.process.pid).map_err(fail)?;
        std::os::unix::fs::fchown(&file, Some(uid), Some(gid)).map_err(fail)
    }

    fn keep(&self, machine: &Stored, name: &str) -> Result<(), ControlError> {
        let (kept, room) = (files(machine, name), Room::of(machine, name)?);
        let api = api_of(self, machine)?;
        let create = |kind: &str| {
            let (state, memory) = &room.told;
            let body = json!({ "snapshot_type": kind, "snapshot_path": state, "mem_file_path": memory });
            done(machine, api.put("/snapshot/create", Some(&body)))
        };
        let length = || room.memory.symlink_metadata().map(|file| file.len()).ok();
        let before = length();
        // Whatever becomes of it, Firecracker counts anew what the guest writes.
        forget(machine)?;
        match before {
            // What the guest has written since goes into the copy of what was before. A file of another length is
            // begun anew, and then all has to go into it.
            Some(_) => {
                create("Diff").and_then(|()| if length() == before { Ok(()) } else { create("Full") })?
            }
            None => create("Full")?,
        }
        for (from, to) in [(&room.state, &kept.state), (&room.memory, &kept.memory)] {
            if from != to {
                jail::take(from, to).map_err(|source| ControlError::File {
                    doing: "take over",
                    path: from.clone(),
                    source,
                })?;
            }
        }
        remember(machine, name, &running(machine)?)
    }

    fn kept(machine: &Stored, name: &str) -> Vec<PathBuf> {
        let Kept { state, memory } = files(machine, name);
        vec![state, memory]
    }

    fn check(&self, machine: &Stored) -> Result<(), StartError> {
        argv::config(&argv::whole(machine)).map(drop)
    }

    fn go_on(&self, machine: &Stored, name: &str) -> Result<Running, StartError> {
        let running = go_on(self, machine, &files(machine, name))?;
        // Where that cannot be written down, the next snapshot is a whole one.
        let _ = remember(machine, name, &running);
        Ok(running)
    }
}

impl Copies for Firecracker {
    fn keep_for_copies(&self, machine: &Stored, kept: &Stored) -> Result<u64, ControlError> {
        whole::keep_for_copies(self, machine, kept)
    }

    fn go_on_beside(&self, copy: &Stored, of: &Stored, kept: &Stored) -> Result<Running, StartError> {
        whole::own_disks(copy, of, kept)?;
        let [state, memory] = whole::kept_for_copies::<Self>(kept).try_into().unwrap_or_default();
        go_on_beside(self, copy, of, &Kept { state, memory })
    }
}

/// Where a snapshot that is taken goes: the files as the host sees them, and as Firecracker is told of them.
struct Room {
    state: PathBuf,
    memory: PathBuf,
    told: (PathBuf, PathBuf),
}

impl Room {
    fn of(machine: &Stored, name: &str) -> Result<Self, ControlError> {
        let running = running(machine)?;
        if running.user.is_some() {
            // It may make files where its socket is and nowhere else.
            let socket = running.qmp.unwrap_or_default();
            let seen = |inside: &str| socket.with_file_name(inside.trim_start_matches('/'));
            let (state, memory) = (seen(jail::NEW_STATE), seen(jail::NEW_MEMORY));
            let told = match jail::wanted(&machine.spec) {
                true => (jail::NEW_STATE.into(), jail::NEW_MEMORY.into()),
                false => (state.clone(), memory.clone()),
            };
            return Ok(Self { state, memory, told });
        }
        let Kept { state, memory } = files(machine, name);
        Ok(Self { told: (state.clone(), memory.clone()), state, memory })
    }
}

/// The snapshot since which Firecracker counts what the guest writes, and the process that counts.
#[derive(Serialize, Deserialize)]
struct Since {
    name: String,
    process: Identity,
}

/// Its file beside the snapshots.
const SINCE: &str = "written-since";

/// The memory of the snapshot that a next one can be built on: this very process counts since then what its guest writes
/// (`track_dirty_pages` of its `machine-config`), the snapshot is whole, and Firecracker can merge (since 1.6).
fn base(firecracker: &Firecracker, machine: &Stored) -> Result<Option<PathBuf>, ControlError> {
    if !argv::tracked(&machine.spec) {
        return Ok(None);
    }
    let path = Snapshot::place(machine, SINCE);
    let since = read_regular(&path, SINCE_MAX).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(Since { name, process }) = since else { return Ok(None) };
    let memory = files(machine, &name).memory;
    let whole = Snapshot::read(machine, &name).is_ok_and(|snapshot| snapshot.memory)
        && memory.symlink_metadata().is_ok_and(|file| file.is_file());
    let told = api_of(firecracker, machine)?.get("/version").map_err(|source| unusable(machine, source))?;
    let merges = merges(told["firecracker_version"].as_str().unwrap_or_default());
    Ok((whole && merges && process == running(machine)?.process).then_some(memory))
}

/// Largest of these files, in bytes.
const SINCE_MAX: u64 = 4096;

fn merges(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (1, 6)
}

fn forget(machine: &Stored) -> Result<(), ControlError> {
    let path = Snapshot::place(machine, SINCE);
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(ControlError::File { doing: "remove", path, source })
        }
        _ => Ok(()),
    }
}

fn remember(machine: &Stored, name: &str, running: &Running) -> Result<(), ControlError> {
    if !argv::tracked(&machine.spec) {
        return Ok(());
    }
    let path = Snapshot::place(machine, SINCE);
    let fail = |source| ControlError::File { doing: "write", path: path.clone(), source };
    let since = Since { name: name.to_owned(), process: running.process.clone() };
    let bytes = serde_json::to_vec(&since).map_err(|error| fail(error.into()))?;
    write_atomically(path.parent().unwrap_or(Path::new(".")), SINCE, &bytes).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::merges;

    #[test]
    fn a_version_that_merges_is_known() {
        assert!(merges("1.6.0") && merges("1.17.0-dev") && merges("2.0"));
        assert!(!merges("1.5.1") && !merges("") && !merges("x.y"));
    }
}
