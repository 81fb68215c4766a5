//! Bytes that a program replaces, kept by their digest in vmwright's own directory until they are put back.
//!
//! `STATE/kept/<sha256>` is a content; `STATE/kept/<id>.after` has the digests of what a program left, where `<id>` is
//! that of the action which takes it back.

use super::{Handle, cannot, parent, read_only, sweep_in, temp_name};
use crate::actions::ActionError;
use crate::trust;
use rustix::fs::{AtFlags, Mode, OFlags, fchmod, fchown, fstatvfs, fsync, openat, renameat, unlinkat};
use rustix::process::{Gid, Uid};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use vmwright_model::Action;
use vmwright_model::plan::{Kept, Output};
use vmwright_plan::canonical::{canonical, is_sha256, sha256};

/// The largest file that is kept, in bytes: an initramfs with all drivers and firmware has some 300 MiB.
const LARGEST: u64 = 2 << 30;

/// Room that a program is known to need besides the file that it replaces, in bytes.
const SPARE: u64 = 1 << 20;

/// The state of a file that a program makes: none where it is absent. Anything but a regular file is an error.
pub(crate) fn look(path: &str) -> Result<Option<Kept>, ActionError> {
    let Some((handle, mut file)) = open(path)? else { return Ok(None) };
    let sha256 = copy(&mut file, &mut io::sink()).map_err(|error| io_error(path, "read", error))?;
    Ok(Some(Kept { sha256, mode: handle.mode(), owner: handle.owner() }))
}

/// How many bytes a file has; none where it is absent.
pub(crate) fn length(path: &str) -> Result<Option<u64>, ActionError> {
    Ok(open(path)?.map(|(handle, _)| handle.stat.stx_size))
}

/// That a new file of the same size fits beside this one.
pub(crate) fn room_beside(path: &str) -> Result<(), ActionError> {
    room_for(path, length(path)?.unwrap_or(0))
}

/// That a file of so many bytes fits where this one lies, or is to lie.
pub(crate) fn room_for(path: &str, bytes: u64) -> Result<(), ActionError> {
    let (dir, _) = parent(path)?;
    read_only(&dir, path)?;
    let found = fstatvfs(&dir).map_err(|errno| cannot(path, "look at the file system of", errno))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let needed = bytes.saturating_add(SPARE);
    if free < needed { Err(ActionError::NoRoom { path: path.to_owned(), needed, free }) } else { Ok(()) }
}

/// Copies a file to where it is kept, durably. What is kept already is left.
pub(crate) fn keep(state: &Path, output: &Output) -> Result<(), ActionError> {
    let Some(was) = &output.was else { return Ok(()) };
    let folder = folder(state)?;
    let place = folder.join(&was.sha256);
    if place.is_file() {
        return is_kept(state, output);
    }
    let fail = |error| io_error(&output.path, "keep a copy of", error);
    let Some((_, mut file)) = open(&output.path)? else { return Err(ActionError::Gone(output.path.clone())) };
    let new = folder.join(format!(".{}.new", was.sha256));
    let mut copied = File::create(&new).map_err(fail)?;
    let digest = copy(&mut file, &mut copied).and_then(|digest| copied.sync_all().map(|()| digest));
    if digest.as_ref().ok() != Some(&was.sha256) {
        // The error that led here matters more.
        let _ = std::fs::remove_file(&new);
        return match digest {
            Err(error) => Err(fail(error)),
            Ok(_) => Err(ActionError::Drift {
                what: format!("content of {}", output.path),
                expected: "what was read a moment ago".to_owned(),
                found: "another: somebody wrote to it at the same time".to_owned(),
            }),
        };
    }
    std::fs::rename(&new, &place).and_then(|()| File::open(&folder)?.sync_all()).map_err(fail)
}

/// Copies a file into another that is open under the name `to`, and gives the SHA-256 of what was copied.
pub(crate) fn copied(from: &str, to: &str) -> Result<String, ActionError> {
    let Some((_, mut file)) = open(from)? else { return Err(ActionError::Gone(from.to_owned())) };
    let mut new = std::fs::OpenOptions::new()
        .write(true)
        .open(to)
        .map_err(|error| io_error(from, "make a copy of", error))?;
    copy(&mut file, &mut new).map_err(|error| io_error(from, "copy", error))
}

/// That the bytes from before are kept, whole.
pub(crate) fn is_kept(state: &Path, output: &Output) -> Result<(), ActionError> {
    let Some(was) = &output.was else { return Ok(()) };
    let lost = |why: String| ActionError::NotKept { path: output.path.clone(), why };
    if look(&output.path)?.as_ref() == Some(was) {
        // They are where they belong; a crash may have come before they were copied.
        return Ok(());
    }
    let mut file =
        File::open(state.join("kept").join(&was.sha256)).map_err(|error| lost(error.to_string()))?;
    let digest = copy(&mut file, &mut io::sink()).map_err(|error| lost(error.to_string()))?;
    if digest == was.sha256 { Ok(()) } else { Err(lost("the copy has another content".to_owned())) }
}

/// Puts a file back as it was, in one moment.
pub(crate) fn put_back(state: &Path, output: &Output) -> Result<(), ActionError> {
    let path = output.path.as_str();
    if look(path)? == output.was {
        return Ok(());
    }
    let (dir, name) = parent(path)?;
    let Some(was) = &output.was else {
        unlinkat(&dir, &name, AtFlags::empty()).map_err(|errno| cannot(path, "take away", errno))?;
        return fsync(&dir).map_err(|errno| cannot(path, "take away", errno));
    };
    is_kept(state, output)?;
    let temp = temp_name(&name);
    sweep_in(&dir, &temp, path)?;
    let fail = |what| move |error: io::Error| io_error(path, what, error);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(&dir, &temp, flags, Mode::from_raw_mode(0o600))
        .map_err(|errno| cannot(path, "make a new file beside", errno))?;
    let mut new = File::from(fd);
    let fill = || -> Result<(), ActionError> {
        let mut old =
            File::open(state.join("kept").join(&was.sha256)).map_err(fail("read what was kept of"))?;
        copy(&mut old, &mut new).map_err(fail("write the old content of"))?;
        let (made, owner) = (super::stat(&new, path)?, was.owner);
        if (made.stx_uid, made.stx_gid) != (owner.user, owner.group) {
            fchown(&new, Some(Uid::from_raw(owner.user)), Some(Gid::from_raw(owner.group)))
                .map_err(|errno| cannot(path, "set the owner of", errno))?;
        }
        // A file system without modes, as that of UEFI, gives every file the same and refuses another.
        if u32::from(made.stx_mode) & 0o7777 != was.mode {
            fchmod(&new, Mode::from_raw_mode(was.mode))
                .map_err(|errno| cannot(path, "set the mode of", errno))?;
        }
        new.sync_all().map_err(fail("make durable the old content of"))?;
        renameat(&dir, &temp, &dir, &name).map_err(|errno| cannot(path, "replace", errno))
    };
    let mut fill = fill;
    if let Err(error) = fill() {
        // The error that led here matters more; recovery sweeps the name again.
        let _ = unlinkat(&dir, &temp, AtFlags::empty());
        return Err(error);
    }
    fsync(&dir).map_err(|errno| cannot(path, "make durable the old name of", errno))
}

/// Writes down what a program left.
pub(crate) fn note_after(state: &Path, undo: &Action, outputs: &[String]) -> Result<(), ActionError> {
    let mut left = Vec::new();
    for path in outputs {
        left.push(look(path)?.map(|found| found.sha256));
    }
    let place = folder(state)?.join(format!("{}.after", id(undo)));
    let write = || -> io::Result<()> {
        let mut file = File::create(&place)?;
        file.write_all(&canonical(&left))?;
        file.sync_all()
    };
    write().map_err(|error| io_error(&place.display().to_string(), "write", error))
}

/// What a program left, as far as that was noted; digests in the order of the files.
pub(crate) fn after(state: &Path, undo: &Action) -> Result<Option<Vec<Option<String>>>, ActionError> {
    let place = state.join("kept").join(format!("{}.after", id(undo)));
    match std::fs::read(&place) {
        // A crash while it was written leaves a part, which tells nothing.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error(&place.display().to_string(), "read", error)),
    }
}

/// Removes what was kept for an undo that is done.
pub(crate) fn forget(state: &Path, undo: &Action, outputs: &[Output]) -> Result<(), ActionError> {
    let folder = state.join("kept");
    let kept = outputs.iter().filter_map(|output| output.was.as_ref()).map(|was| was.sha256.clone());
    for name in kept.filter(|name| is_sha256(name)).chain([format!("{}.after", id(undo))]) {
        match std::fs::remove_file(folder.join(&name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error(&folder.join(name).display().to_string(), "remove", error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A name in vmwright's own directory for what a program makes on the way to `path`; nothing is there.
pub(crate) fn scratch(state: &Path, path: &str) -> Result<String, ActionError> {
    let place = folder(state)?.join(format!(".{}.made", sha256(path.as_bytes())));
    match std::fs::remove_file(&place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error(&place.display().to_string(), "tidy up", error))
        }
        _ => Ok(place.display().to_string()),
    }
}

/// What a program made there, which is taken away.
pub(crate) fn take(place: &str) -> Result<Vec<u8>, ActionError> {
    let bytes = std::fs::read(place).map_err(|error| io_error(place, "read", error))?;
    std::fs::remove_file(place).map_err(|error| io_error(place, "tidy up", error))?;
    Ok(bytes)
}

fn id(undo: &Action) -> String {
    sha256(&canonical(undo))
}

fn folder(state: &Path) -> Result<PathBuf, ActionError> {
    let folder = state.join("kept");
    trust::private_dir(&folder).map_err(|error| ActionError::NotPermitted {
        path: folder.display().to_string(),
        why: error.to_string(),
    })?;
    Ok(folder)
}

/// A regular file, or none.
fn open(path: &str) -> Result<Option<(Handle, File)>, ActionError> {
    let (dir, name) = parent(path)?;
    let absent =
        rustix::fs::statx(&dir, &name, AtFlags::SYMLINK_NOFOLLOW, rustix::fs::StatxFlags::BASIC_STATS);
    if absent.is_err_and(|errno| errno == rustix::io::Errno::NOENT) {
        return Ok(None);
    }
    let handle = Handle::open(path)?;
    if !handle.is_file() {
        return Err(ActionError::NotAFile(path.to_owned()));
    }
    let fd = rustix::fs::open(
        format!("/proc/self/fd/{}", handle.fd.as_raw_fd()),
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| cannot(path, "read", errno))?;
    Ok(Some((handle, File::from(fd))))
}

/// Copies to the end, and gives the SHA-256 of what was copied.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<String> {
    let (mut digest, mut total, mut buffer) = (Sha256::new(), 0_u64, vec![0; 256 << 10]);
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        total += length as u64;
        if total > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        digest.update(&buffer[..length]);
        to.write_all(&buffer[..length])?;
    }
}

fn io_error(path: &str, what: &'static str, source: io::Error) -> ActionError {
    ActionError::Io { path: path.to_owned(), what, source }
}
