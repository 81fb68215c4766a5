//! Directories: made empty, and taken away while they are.

use super::{cannot, parent};
use crate::actions::ActionError;
use rustix::fs::{AtFlags, Mode, OFlags, fchmod, fsync, mkdirat, openat, unlinkat};
use rustix::io::Errno;

/// The mode that a directory has before it is given its own.
pub(crate) const AT_FIRST: u32 = 0o700;

/// Makes a directory where there is nothing.
pub(crate) fn make(path: &str, mode: u32) -> Result<(), ActionError> {
    let (dir, name) = parent(path)?;
    mkdirat(&dir, &name, Mode::from_raw_mode(AT_FIRST)).map_err(|errno| cannot(path, "make", errno))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = openat(&dir, &name, flags, Mode::empty()).map_err(|errno| cannot(path, "open", errno))?;
    fchmod(&made, Mode::from_raw_mode(mode)).map_err(|errno| cannot(path, "set the mode of", errno))?;
    fsync(&made).and_then(|()| fsync(&dir)).map_err(|errno| cannot(path, "make durable", errno))
}

/// Takes an empty directory away.
pub(crate) fn remove(path: &str) -> Result<(), ActionError> {
    let (dir, name) = parent(path)?;
    unlinkat(&dir, &name, AtFlags::REMOVEDIR).map_err(|errno| match errno {
        Errno::NOTEMPTY | Errno::EXIST => not_empty(path, "something"),
        errno => cannot(path, "take away", errno),
    })?;
    fsync(&dir).map_err(|errno| cannot(path, "make durable that there is no", errno))
}

/// That nothing lies in it.
pub(crate) fn must_be_empty(path: &str) -> Result<(), ActionError> {
    let fail = |source| ActionError::Io { path: path.to_owned(), what: "list", source };
    match std::fs::read_dir(path).map_err(fail)?.next() {
        None => Ok(()),
        Some(entry) => Err(not_empty(path, &entry.map_err(fail)?.file_name().to_string_lossy())),
    }
}

fn not_empty(path: &str, found: &str) -> ActionError {
    ActionError::Drift {
        what: format!("directory {path}"),
        expected: "empty".to_owned(),
        found: format!("not: it has {}", found.escape_debug()),
    }
}
