//! Names where there is no file yet, and names that a file is taken away from.

use super::{Content, Handle, LIMIT, cannot, parent, sweep_in, temp_name};
use crate::actions::ActionError;
use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, StatxFlags, fchmod, fsync, openat, renameat_with, statx, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};

/// A name in a directory that nothing has.
pub(crate) struct Free {
    dir: OwnedFd,
    name: String,
    path: String,
}

impl Free {
    /// That nothing has this path, while its directory is there.
    pub(crate) fn look(path: &str) -> Result<Self, ActionError> {
        let (dir, name) = parent(path)?;
        match statx(&dir, &name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) {
            Err(Errno::NOENT) => Ok(Self { dir, name, path: path.to_owned() }),
            Err(errno) => Err(cannot(path, "look at", errno)),
            Ok(_) => Err(taken(path)),
        }
    }

    /// Makes the file: whole and durable, or not at all.
    pub(crate) fn create(&self, text: &str, mode: u32) -> Result<(), ActionError> {
        let temp = temp_name(&self.name);
        sweep_in(&self.dir, &temp, &self.path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&self.dir, &temp, flags, Mode::from_raw_mode(0o600))
            .map_err(|errno| cannot(&self.path, "make", errno))?;
        let made = self.fill(File::from(fd), text, mode).and_then(|()| {
            let named = renameat_with(&self.dir, &temp, &self.dir, &self.name, RenameFlags::NOREPLACE);
            named.map_err(|errno| match errno {
                Errno::EXIST => taken(&self.path),
                errno => cannot(&self.path, "name", errno),
            })
        });
        if let Err(error) = made {
            // The error that led here matters more; recovery sweeps the name again.
            let _ = unlinkat(&self.dir, &temp, AtFlags::empty());
            return Err(error);
        }
        fsync(&self.dir).map_err(|errno| cannot(&self.path, "make durable the name of", errno))
    }

    /// Makes a disk image of these bytes, mode 0600, and gives it a length where one is named: whole, or not at all.
    pub(crate) fn create_image(&self, bytes: &[u8], length: Option<u64>) -> Result<(), ActionError> {
        self.create_filled(bytes, length, |_| Ok(()))
    }

    /// The same, and has a program fill it, which is told a name of the file, before it gets its own.
    pub(crate) fn create_filled(
        &self,
        bytes: &[u8],
        length: Option<u64>,
        fill: impl FnOnce(&str) -> Result<(), ActionError>,
    ) -> Result<(), ActionError> {
        let temp = temp_name(&self.name);
        sweep_in(&self.dir, &temp, &self.path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&self.dir, &temp, flags, Mode::from_raw_mode(0o600))
            .map_err(|errno| cannot(&self.path, "make", errno))?;
        let mut file = File::from(fd);
        let filled =
            file.write_all(bytes).and_then(|()| length.map_or(Ok(()), |length| file.set_len(length)));
        let fail = |source| ActionError::Io { path: self.path.clone(), what: "write", source };
        let own = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        let made = filled
            .map_err(fail)
            .and_then(|()| fill(&own))
            .and_then(|()| file.sync_all().map_err(fail))
            .and_then(|()| {
                renameat_with(&self.dir, &temp, &self.dir, &self.name, RenameFlags::NOREPLACE).map_err(
                    |errno| match errno {
                        Errno::EXIST => taken(&self.path),
                        errno => cannot(&self.path, "name", errno),
                    },
                )
            });
        if let Err(error) = made {
            // The error that led here matters more; recovery sweeps the name again.
            let _ = unlinkat(&self.dir, &temp, AtFlags::empty());
            return Err(error);
        }
        fsync(&self.dir).map_err(|errno| cannot(&self.path, "make durable the name of", errno))
    }

    fn fill(&self, mut file: File, text: &str, mode: u32) -> Result<(), ActionError> {
        let fail = |what, source| ActionError::Io { path: self.path.clone(), what, source };
        if text.len() as u64 > LIMIT {
            return Err(ActionError::TooLarge { path: self.path.clone(), limit: LIMIT });
        }
        file.write_all(text.as_bytes()).map_err(|error| fail("write", error))?;
        fchmod(&file, Mode::from_raw_mode(mode)).map_err(|errno| fail("set the mode of", errno.into()))?;
        file.sync_all().map_err(|error| fail("make durable", error))
    }
}

fn taken(path: &str) -> ActionError {
    ActionError::Drift {
        what: path.to_owned(),
        expected: "absent".to_owned(),
        found: match Handle::open(path) {
            Ok(handle) if handle.is_file() => "a file".to_owned(),
            _ => "there".to_owned(),
        },
    }
}

impl Content {
    /// Whether the file would come back as it is from its text and mode: it belongs to whoever carries the plan out,
    /// and has no ACL and no attribute besides the label that every file gets.
    pub(crate) fn is_plain(&self) -> Result<(), ActionError> {
        let no = |why: String| Err(ActionError::NotPermitted { path: self.handle.path.clone(), why });
        if self.handle.owner().user != geteuid().as_raw() {
            return no(format!(
                "it belongs to user {}, and would come back as another's",
                self.handle.owner().user
            ));
        }
        let attributes = super::attributes(&self.file)
            .map_err(|errno| cannot(&self.handle.path, "list the attributes of", errno))?;
        match attributes.keys().find(|name| name.as_bytes() != b"security.selinux") {
            Some(name) => {
                no(format!("it has the attribute {}, and would come back without", name.to_string_lossy()))
            }
            None => Ok(()),
        }
    }

    /// Takes the file away, if it is still what was read.
    pub(crate) fn remove(&self) -> Result<(), ActionError> {
        let path = &self.handle.path;
        let temp = temp_name(&self.name);
        sweep_in(&self.dir, &temp, path)?;
        renameat_with(&self.dir, &self.name, &self.dir, &temp, RenameFlags::NOREPLACE)
            .map_err(|errno| cannot(path, "take away", errno))?;
        if !self.is_still(&temp) {
            // Somebody was faster: what was taken is not what was read. Put it back.
            renameat_with(&self.dir, &temp, &self.dir, &self.name, RenameFlags::NOREPLACE).map_err(
                |errno| cannot(path, "put back (it is kept beside, with the ending .vmwright)", errno),
            )?;
            return Err(ActionError::Drift {
                what: format!("content of {path}"),
                expected: "what was read a moment ago".to_owned(),
                found: "another file or content: somebody wrote to it at the same time".to_owned(),
            });
        }
        unlinkat(&self.dir, &temp, AtFlags::empty())
            .and_then(|()| fsync(&self.dir))
            .map_err(|errno| cannot(path, "take away", errno))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn at(name: &str) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(name).to_str().expect("UTF-8").to_owned();
        (dir, path)
    }

    fn names(dir: &tempfile::TempDir) -> usize {
        std::fs::read_dir(dir.path()).expect("listed").count()
    }

    #[test]
    fn a_file_is_made_whole_and_taken_away_again() {
        let (dir, path) = at("x.conf");
        Free::look(&path).expect("free").create("a = 1\n", 0o640).expect("made");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode() & 0o7777;
        assert_eq!((std::fs::read_to_string(&path).expect("there").as_str(), mode), ("a = 1\n", 0o640));
        assert!(matches!(Free::look(&path), Err(ActionError::Drift { .. })));
        let content = Content::read(&path).expect("read");
        content.is_plain().expect("ours");
        content.remove().expect("gone");
        assert_eq!(names(&dir), 0);
    }

    #[test]
    fn what_somebody_made_or_wrote_in_between_stays() {
        let (dir, path) = at("x.conf");
        let free = Free::look(&path).expect("free");
        std::fs::write(&path, "theirs").expect("written");
        assert!(matches!(free.create("ours", 0o644), Err(ActionError::Drift { .. })));
        let content = Content::read(&path).expect("read");
        std::fs::write(&path, "newer").expect("written");
        assert!(matches!(content.remove(), Err(ActionError::Drift { .. })));
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "newer");
        assert_eq!(names(&dir), 1);
    }

    #[test]
    fn neither_a_link_nor_a_missing_directory_is_made_up_for() {
        let (dir, path) = at("link");
        std::os::unix::fs::symlink("/nowhere", &path).expect("linked");
        assert!(Free::look(&path).is_err(), "a link that leads nowhere is there all the same");
        let below = dir.path().join("no/x");
        assert!(matches!(Free::look(below.to_str().expect("UTF-8")), Err(ActionError::Gone(_))));
    }
}
