//! A file of our own in a directory that a guest shares, for as long as somebody looks whether the guest sees it.
//!
//! It lies in a folder with a name that nobody else has, which belongs to whom the directory belongs, as the guest may be
//! nobody else on the host. The guest can do with that folder what it wants: it is held open, no link in it is followed,
//! and nothing else is taken away than the two files and the folder itself. What was left by a process that was killed
//! goes with the next deposit: a folder in use is locked.

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::fs::{fchmod, fchown, flock, fstat, mkdirat, openat, unlinkat};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

/// What the names of the folders begin with.
const PREFIX: &str = ".vmwright-review-";

/// The file for the guest, and the one that it leaves.
const SENT: &str = "sent";
const BACK: &str = "back";

/// Random bytes in a folder's name: two never meet.
const RANDOM: usize = 16;

/// The most names of the directory that are looked through for folders of dead processes.
const NAMES: usize = 4096;

/// The file, until it is dropped.
#[derive(Debug)]
pub struct Deposit {
    directory: OwnedFd,
    name: String,
    folder: OwnedFd,
    /// Permissions of a file in it.
    mode: Mode,
}

impl Deposit {
    /// Lays a file with these bytes into a directory.
    ///
    /// # Errors
    /// The directory cannot be written to.
    pub fn lay(directory: &Path, bytes: &[u8]) -> io::Result<Self> {
        let open = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(directory, open, Mode::empty())?;
        sweep(&directory);
        let owner = fstat(&directory)?;
        let (uid, gid) = (Uid::from_raw(owner.st_uid), Gid::from_raw(owner.st_gid));
        let mode = Mode::from_raw_mode(owner.st_mode & 0o777) | Mode::RWXU;
        let name = format!("{PREFIX}{}", random()?);
        mkdirat(&directory, name.as_str(), Mode::RWXU)?;
        let folder = match openat(&directory, name.as_str(), open | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(folder) => folder,
            Err(errno) => {
                let _ = unlinkat(&directory, name.as_str(), AtFlags::REMOVEDIR);
                return Err(errno.into());
            }
        };
        // From here on it is taken away whatever happens.
        let laid = Self { directory, name, folder, mode: mode & !(Mode::XUSR | Mode::XGRP | Mode::XOTH) };
        flock(&laid.folder, FlockOperation::NonBlockingLockExclusive)?;
        let file = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&laid.folder, SENT, file, laid.mode)?);
        file.write_all(bytes)?;
        file.sync_all()?;
        // What is one's own already needs no rights to be given away.
        if rustix::process::geteuid() != uid {
            fchown(&file, Some(uid), Some(gid))?;
            fchown(&laid.folder, Some(uid), Some(gid))?;
        }
        fchmod(&file, laid.mode)?;
        fchmod(&laid.folder, mode)?;
        Ok(laid)
    }

    /// Where the file lies, below the directory.
    #[must_use]
    pub fn sent(&self) -> String {
        format!("{}/{SENT}", self.name)
    }

    /// Where the guest may leave one, below the directory.
    #[must_use]
    pub fn back(&self) -> String {
        format!("{}/{BACK}", self.name)
    }

    /// What the guest has left there: at most so many bytes of it. None where it has left nothing.
    ///
    /// # Errors
    /// It is no file, or cannot be read.
    pub fn came(&self, most: u64) -> io::Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.folder, BACK, flags, Mode::empty()) {
            Ok(file) => file,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("the guest has left something that is no file"));
        }
        let mut bytes = Vec::new();
        File::from(file).take(most).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

impl Drop for Deposit {
    fn drop(&mut self) {
        clear(&self.directory, &self.name, &self.folder);
    }
}

/// Takes a folder and its files away. What else the guest has put there keeps the folder, and is the guest's own.
fn clear(directory: &OwnedFd, name: &str, folder: &OwnedFd) {
    for file in [SENT, BACK] {
        let _ = unlinkat(folder, file, AtFlags::empty());
    }
    let _ = unlinkat(directory, name, AtFlags::REMOVEDIR);
}

/// Takes away what processes have left that were killed.
fn sweep(directory: &OwnedFd) {
    let Ok(names) = Dir::read_from(directory) else { return };
    for entry in names.take(NAMES).flatten() {
        let Some(name) = entry.file_name().to_str().ok().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(folder) = openat(directory, name, flags, Mode::empty()) else { continue };
        if flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            clear(directory, name, &folder);
        }
    }
}

fn random() -> io::Result<String> {
    let mut bytes = [0; RANDOM];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn names(place: &Path) -> usize {
        fs::read_dir(place).expect("a directory").count()
    }

    #[test]
    fn what_lies_there_goes_with_it_and_nothing_else() {
        let place = tempfile::tempdir().expect("a temporary directory");
        fs::write(place.path().join("own"), "the user's").expect("written");
        let laid = Deposit::lay(place.path(), b"bytes").expect("laid");
        let sent = place.path().join(laid.sent());
        assert_eq!(fs::read(&sent).expect("there"), b"bytes");
        let owner = |path: &Path| fs::metadata(path).map(|meta| (meta.uid(), meta.gid())).expect("there");
        assert_eq!(owner(&sent), owner(place.path()));
        assert_eq!(laid.came(100).expect("readable"), None);
        fs::write(place.path().join(laid.back()), "more bytes").expect("written");
        assert_eq!(laid.came(4).expect("readable"), Some(b"more".to_vec()));
        // Another one at the same time leaves it alone.
        drop(Deposit::lay(place.path(), b"others").expect("laid"));
        assert!(sent.exists());
        drop(laid);
        assert_eq!(names(place.path()), 1);
        assert_eq!(fs::read(place.path().join("own")).expect("there"), b"the user's");
    }

    #[test]
    fn no_link_of_the_guest_is_followed() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let elsewhere = tempfile::tempdir().expect("a temporary directory");
        for name in [SENT, BACK] {
            fs::write(elsewhere.path().join(name), "another's").expect("written");
        }
        let laid = Deposit::lay(place.path(), b"bytes").expect("laid");
        symlink(elsewhere.path().join(BACK), place.path().join(laid.back())).expect("linked");
        assert!(laid.came(100).is_err());
        // The guest puts a link in the place of the folder.
        let folder = place.path().join(&laid.name);
        fs::rename(&folder, place.path().join("away")).expect("renamed");
        symlink(elsewhere.path(), &folder).expect("linked");
        drop(laid);
        assert_eq!(names(elsewhere.path()), 2);
        let again = Deposit::lay(place.path(), b"bytes").expect("laid");
        drop(again);
        assert_eq!(names(elsewhere.path()), 2);
        assert!(Deposit::lay(Path::new("/no/such/directory"), b"").is_err());
    }

    #[test]
    fn what_a_killed_process_left_goes_with_the_next() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let folder = place.path().join(format!("{PREFIX}0123"));
        fs::create_dir(&folder).expect("made");
        fs::write(folder.join(SENT), "left").expect("written");
        drop(Deposit::lay(place.path(), b"bytes").expect("laid"));
        assert_eq!(names(place.path()), 0);
    }
}
