//! Files that decide what is done must be writable by nobody else.

use rustix::fs::{Access, access};
use rustix::process::geteuid;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a path cannot be relied on.
#[derive(Debug, Error)]
pub enum Untrusted {
    /// It or something above it belongs to somebody else.
    #[error("{} belongs to user {owner}; it must belong to root or to the user that runs vmwright", path.display())]
    Owner {
        /// The path.
        path: PathBuf,
        /// Numeric user id of its owner.
        owner: u32,
    },
    /// Somebody else may write to it, or replace what lies in it.
    #[error("{} has mode {mode:04o}; its group or others may write to it", path.display())]
    Writable {
        /// The path.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link where none may be.
    #[error("{} is a symbolic link", .0.display())]
    Link(PathBuf),
    /// It cannot be looked at.
    #[error("cannot look at {}", path.display())]
    Look {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Whether nobody but root and the present user may change `path` or put another in its place: owner and mode of
/// it and of every directory above its real place. A sticky directory such as `/tmp` may be writable, because
/// what others own in it cannot be replaced by them.
///
/// # Errors
/// [`Untrusted`], which names the first thing that is wrong, seen from the root.
pub fn check(path: &Path) -> Result<(), Untrusted> {
    let look = |path: &Path, source| Untrusted::Look { path: path.to_owned(), source };
    let own = std::fs::symlink_metadata(path).map_err(|error| look(path, error))?;
    if own.is_symlink() {
        return Err(Untrusted::Link(path.to_owned()));
    }
    let real = std::fs::canonicalize(path).map_err(|error| look(path, error))?;
    let me = geteuid().as_raw();
    let mut above: Vec<&Path> = real.ancestors().collect();
    above.reverse();
    for part in above {
        let found = std::fs::symlink_metadata(part).map_err(|error| look(part, error))?;
        if found.uid() != 0 && found.uid() != me {
            return Err(Untrusted::Owner { path: part.to_owned(), owner: found.uid() });
        }
        let mode = found.mode() & 0o7777;
        let sticky_above = found.is_dir() && mode & 0o1000 != 0 && part != real;
        if mode & 0o022 != 0 && !sticky_above {
            return Err(Untrusted::Writable { path: part.to_owned(), mode });
        }
    }
    Ok(())
}

/// Makes a directory of vmwright's own, mode 0700, where it does not exist, and checks it.
pub(crate) fn private_dir(path: &Path) -> Result<(), Untrusted> {
    use std::os::unix::fs::DirBuilderExt;
    if access(path, Access::EXISTS).is_err() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| Untrusted::Look { path: path.to_owned(), source })?;
    }
    check(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    #[test]
    fn only_what_nobody_else_can_change_is_trusted() {
        let dir = tempfile::tempdir().expect("a directory");
        let (inner, file) = (dir.path().join("inner"), dir.path().join("inner/file"));
        private_dir(&inner).expect("it is private");
        std::fs::write(&file, "x").expect("written");
        chmod(&file, 0o644);
        assert!(check(&file).is_ok());
        chmod(&file, 0o664);
        assert!(matches!(check(&file), Err(Untrusted::Writable { mode: 0o664, .. })));
        chmod(&file, 0o644);
        chmod(&inner, 0o777);
        assert!(matches!(check(&file), Err(Untrusted::Writable { path, .. }) if path.ends_with("inner")));
        chmod(&inner, 0o755);
        // Sticky and writable: fine above the file, not for the place itself.
        chmod(dir.path(), 0o1777);
        assert!(check(&file).is_ok());
        assert!(matches!(check(dir.path()), Err(Untrusted::Writable { .. })));
        symlink(&file, dir.path().join("link")).expect("linked");
        assert!(matches!(check(&dir.path().join("link")), Err(Untrusted::Link(_))));
        assert!(matches!(check(&dir.path().join("none")), Err(Untrusted::Look { .. })));
    }

    #[test]
    fn what_belongs_to_another_is_not_trusted() {
        if !geteuid().is_root() {
            eprintln!("SKIPPED what_belongs_to_another_is_not_trusted: giving a file away needs root");
            return;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "x").expect("written");
        std::os::unix::fs::chown(&file, Some(12345), None).expect("root may");
        assert!(matches!(check(&file), Err(Untrusted::Owner { owner: 12345, .. })));
    }
}
