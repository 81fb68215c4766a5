//! The lock that start and stop take, so that no machine is doubled.

use crate::store::{LOCK, StoreError};
use nix::fcntl::{FcntlArg, fcntl};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The lock of a machine's directory: an open file description lock (fcntl(2)), which ends with its holder and
/// which others can see without taking it.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
    /// Unlocks. Closing alone would not: a VMM that another thread is about to execute has a copy of the file.
    fn drop(&mut self) {
        let mut free = whole_file();
        free.l_type = libc::F_UNLCK as libc::c_short;
        // Unlocking what is locked cannot fail.
        let _ = fcntl(self.file.as_fd(), FcntlArg::F_OFD_SETLK(&free));
    }
}

impl Lock {
    /// Takes it; none where another holds it.
    pub(crate) fn take(directory: &Path, machine: &str) -> Result<Option<Self>, StoreError> {
        let path = directory.join(LOCK);
        let fail = |source: io::Error| match source.kind() {
            // The directory was removed, or there never was one.
            io::ErrorKind::NotFound => StoreError::NotFound(machine.to_owned()),
            _ => StoreError::Directory { doing: "lock", path: path.clone(), source },
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600)).map_err(|errno| fail(errno.into()))?;
        let file = File::from(file);
        match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&whole_file())) {
            Ok(_) => {}
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => return Ok(None),
            Err(errno) => return Err(fail(errno.into())),
        }
        // The machine may have been deleted, and even made anew, between opening and locking.
        let (locked, there) = (file.metadata().map_err(fail)?, path.symlink_metadata().map_err(fail)?);
        if (locked.dev(), locked.ino()) != (there.dev(), there.ino()) {
            return Err(StoreError::NotFound(machine.to_owned()));
        }
        Ok(Some(Self { file }))
    }

    /// Takes it, waiting for a holder that is about to be done.
    pub(crate) fn wait(
        directory: &Path,
        machine: &str,
        patience: Duration,
    ) -> Result<Option<Self>, StoreError> {
        let deadline = Instant::now() + patience;
        loop {
            let taken = Self::take(directory, machine)?;
            if taken.is_some() || Instant::now() >= deadline {
                return Ok(taken);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether somebody holds it, this process included. Takes nothing, so it can be asked read-only.
    pub(crate) fn is_taken(directory: &Path) -> Result<bool, StoreError> {
        let path = directory.join(LOCK);
        let fail = |source| StoreError::Directory { doing: "look at", path: path.clone(), source };
        let file =
            match rustix::fs::open(&path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
            {
                Ok(file) => file,
                Err(rustix::io::Errno::NOENT) => return Ok(false),
                Err(errno) => return Err(fail(errno.into())),
            };
        let mut found = whole_file();
        fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut found)).map_err(|errno| fail(errno.into()))?;
        Ok(i32::from(found.l_type) != libc::F_UNLCK)
    }
}

fn whole_file() -> libc::flock {
    // The constants are 0 to 2 on Linux; `l_type` and `l_whence` are narrower than `int`.
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_visible_to_others() {
        let place = tempfile::tempdir().expect("a temporary directory");
        assert!(!Lock::is_taken(place.path()).expect("no file yet"));
        let lock = Lock::take(place.path(), "a").expect("works").expect("free");
        assert!(Lock::is_taken(place.path()).expect("works"));
        assert!(Lock::take(place.path(), "a").expect("works").is_none());
        // As a process between fork and exec has one.
        let copy = lock.file.try_clone().expect("copied");
        drop(lock);
        assert!(!Lock::is_taken(place.path()).expect("works"));
        assert!(Lock::take(place.path(), "a").expect("works").is_some());
        drop(copy);
        let missing = Lock::take(&place.path().join("none"), "a").expect_err("no such machine");
        assert!(matches!(missing, StoreError::NotFound(_)), "{missing}");
    }
}
