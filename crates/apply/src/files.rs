//! Opening and replacing files of the host without following symbolic links.
//!
//! A file is replaced, never written in place: the new content is written beside it, made durable, and the two
//! names are exchanged in one step. What was exchanged out is then compared with what was read before, and put
//! back if anybody changed it in between. So no one sees half a file, and nobody's change is lost.

mod attribute;
pub(crate) mod counted;
pub(crate) mod directory;
pub(crate) mod kept;
mod place;

pub(crate) use place::Free;

use crate::actions::ActionError;
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags, StatVfsMountFlags, Statx, StatxAttributes,
    StatxFlags, XattrFlags, fchmod, fchown, fgetxattr, flistxattr, fremovexattr, fsetxattr, fstatvfs, fsync,
    openat, openat2, renameat, renameat_with, statx, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, geteuid};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use vmwright_model::plan::Owner;

/// The largest file that is read or restored, in bytes. Specifications are a few KiB.
pub(crate) const LIMIT: u64 = vmwright_plan::lint::MAX_TEXT as u64;

/// Extended attributes that the kernel computes from the content; copies would be wrong.
const OF_CONTENT: [&[u8]; 2] = [b"security.ima", b"security.evm"];

/// A path that was opened: what it names cannot become another thing any more.
pub(crate) struct Handle {
    /// Opened with `O_PATH`.
    fd: OwnedFd,
    path: String,
    stat: Statx,
}

impl Handle {
    /// Opens a path, no component of which may be a symbolic link.
    pub(crate) fn open(path: &str) -> Result<Self, ActionError> {
        let fd = openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS)
            .map_err(|errno| cannot_open(path, errno))?;
        let stat = stat(&fd, path)?;
        Ok(Self { fd, path: path.to_owned(), stat })
    }

    /// The permission bits when it was opened.
    pub(crate) fn mode(&self) -> u32 {
        u32::from(self.stat.stx_mode) & 0o7777
    }

    /// Owner and group when it was opened.
    pub(crate) fn owner(&self) -> Owner {
        Owner { user: self.stat.stx_uid, group: self.stat.stx_gid }
    }

    /// Gives it to another owner and group.
    pub(crate) fn set_owner(&self, owner: Owner) -> Result<(), ActionError> {
        // As for the mode, by a name that needs no right to read.
        let name = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        rustix::fs::chown(name, Some(Uid::from_raw(owner.user)), Some(Gid::from_raw(owner.group)))
            .map_err(|errno| cannot(&self.path, "set the owner of", errno))
    }

    /// Sets the permission bits.
    pub(crate) fn set_mode(&self, mode: u32) -> Result<(), ActionError> {
        // `fchmod` refuses descriptors of `O_PATH`, and others need the right to read; this name needs neither.
        let name = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        rustix::fs::chmod(name, Mode::from_raw_mode(mode))
            .map_err(|errno| cannot(&self.path, "set the mode of", errno))
    }

    /// Whether the present user may change it, as far as can be told without trying.
    pub(crate) fn may_change(&self) -> Result<(), ActionError> {
        immutable(&self.stat, &self.path)?;
        read_only(&self.fd, &self.path)?;
        if self.is_file() && self.stat.stx_nlink > 1 {
            return Err(ActionError::HardLinks { path: self.path.clone(), names: self.stat.stx_nlink });
        }
        let me = geteuid();
        if !me.is_root() && me.as_raw() != self.stat.stx_uid {
            return Err(ActionError::NotPermitted {
                path: self.path.clone(),
                why: format!("it belongs to user {} and vmwright runs as {}", self.stat.stx_uid, me.as_raw()),
            });
        }
        Ok(())
    }

    /// A name by which other programs of the same user open this very file, whatever its path leads to by then.
    pub(crate) fn name(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.fd.as_raw_fd())
    }

    /// Takes the file away that was opened, and no other that has its name by now.
    pub(crate) fn remove(&self) -> Result<(), ActionError> {
        let (dir, name) = parent(&self.path)?;
        let temp = temp_name(&name);
        sweep_in(&dir, &temp, &self.path)?;
        renameat_with(&dir, &name, &dir, &temp, RenameFlags::NOREPLACE)
            .map_err(|errno| cannot(&self.path, "take away", errno))?;
        let taken = statx(&dir, &temp, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
        if !taken.is_ok_and(|taken| same_file(&taken, &self.stat)) {
            renameat_with(&dir, &temp, &dir, &name, RenameFlags::NOREPLACE).map_err(|errno| {
                cannot(&self.path, "put back (it is kept beside, with the ending .vmwright)", errno)
            })?;
            return Err(ActionError::Drift {
                what: self.path.clone(),
                expected: "the file that was looked at a moment ago".to_owned(),
                found: "another".to_owned(),
            });
        }
        unlinkat(&dir, &temp, AtFlags::empty())
            .and_then(|()| fsync(&dir))
            .map_err(|errno| cannot(&self.path, "take away", errno))
    }

    pub(crate) fn is_directory(&self) -> bool {
        u32::from(self.stat.stx_mode) & 0o170_000 == 0o040_000
    }

    /// How many bytes of the file system it takes.
    pub(crate) fn occupies(&self) -> u64 {
        // st_blocks counts 512 bytes, whatever the file system's own blocks (stat(3type)).
        self.stat.stx_blocks.saturating_mul(512)
    }

    pub(crate) fn is_file(&self) -> bool {
        u32::from(self.stat.stx_mode) & 0o170_000 == 0o100_000
    }
}

/// A regular file's text, with what is needed to replace it.
pub(crate) struct Content {
    pub(crate) text: String,
    handle: Handle,
    /// The same file, opened for reading.
    file: File,
    dir: OwnedFd,
    name: String,
}

impl Content {
    /// Reads a text file of at most [`LIMIT`] bytes.
    pub(crate) fn read(path: &str) -> Result<Self, ActionError> {
        let (dir, name) = parent(path)?;
        let handle = Handle::open(path)?;
        if !handle.is_file() {
            return Err(ActionError::NotAFile(path.to_owned()));
        }
        // Through the open descriptor, so that it is the same file, and surely neither a FIFO nor a device.
        let file = rustix::fs::open(
            format!("/proc/self/fd/{}", handle.fd.as_raw_fd()),
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| cannot(path, "read", errno))?;
        let mut file = File::from(file);
        let mut bytes = Vec::new();
        (&mut file).take(LIMIT + 1).read_to_end(&mut bytes).map_err(|source| ActionError::Io {
            path: path.to_owned(),
            what: "read",
            source,
        })?;
        if bytes.len() as u64 > LIMIT {
            return Err(ActionError::TooLarge { path: path.to_owned(), limit: LIMIT });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            ActionError::NotText { path: path.to_owned(), line }
        })?;
        Ok(Self { text, handle, file, dir, name })
    }

    /// Its permission bits.
    pub(crate) fn mode(&self) -> u32 {
        self.handle.mode()
    }

    /// Whether the file could be replaced, as far as can be told without trying.
    pub(crate) fn may_replace(&self) -> Result<(), ActionError> {
        self.handle.may_change()?;
        let above = Path::new(&self.handle.path).parent().unwrap_or(Path::new("/")).to_string_lossy();
        immutable(&stat(&self.dir, &above)?, &above)?;
        rustix::fs::accessat(
            &self.dir,
            ".",
            rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
            AtFlags::EACCESS,
        )
        .map_err(|errno| cannot(&above, "write to directory", errno))
    }

    /// Puts `text` in the place of what was read; owner, mode, ACL and other extended attributes stay.
    pub(crate) fn replace(&self, text: &str) -> Result<(), ActionError> {
        self.replace_at(text, &mut |_| ())
    }

    /// As [`Self::replace`]; `at` is called at the moments where somebody else could get in between.
    fn replace_at(&self, text: &str, at: &mut dyn FnMut(Moment)) -> Result<(), ActionError> {
        let path = &self.handle.path;
        let temp = temp_name(&self.name);
        sweep_in(&self.dir, &temp, path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&self.dir, &temp, flags, Mode::from_raw_mode(0o600))
            .map_err(|errno| cannot(path, "make a new file beside", errno))?;
        let new = File::from(fd);
        let made = self.fill(&new, text).and_then(|()| {
            at(Moment::BeforeExchange);
            self.exchange(&temp, &new, at)
        });
        match made {
            Ok(Swapped::Exchanged) => unlinkat(&self.dir, &temp, AtFlags::empty()),
            Ok(Swapped::Renamed) => Ok(()),
            Err((error, keep)) => {
                if !keep {
                    // The error that led here matters more; recovery sweeps the name again.
                    let _ = unlinkat(&self.dir, &temp, AtFlags::empty());
                }
                return Err(error);
            }
        }
        .and_then(|()| fsync(&self.dir))
        .map_err(|errno| cannot(path, "make durable the new name of", errno))
    }

    fn fill(&self, mut new: &File, text: &str) -> Result<(), (ActionError, bool)> {
        let path = &self.handle.path;
        let io = |what, source: std::io::Error| (ActionError::Io { path: path.clone(), what, source }, false);
        let old = &self.handle.stat;
        new.write_all(text.as_bytes()).map_err(|error| io("write the new content of", error))?;
        let made = stat(new, path).map_err(|error| (error, false))?;
        if (made.stx_uid, made.stx_gid) != (old.stx_uid, old.stx_gid) {
            fchown(new, Some(Uid::from_raw(old.stx_uid)), Some(Gid::from_raw(old.stx_gid)))
                .map_err(|errno| io("keep the owner of", errno.into()))?;
        }
        self.keep_attributes(new).map_err(|error| (error, false))?;
        // After the owner, whose change clears bits, and after the ACL, whose mask is the group's bits.
        fchmod(new, Mode::from_raw_mode(self.handle.mode()))
            .map_err(|errno| io("keep the mode of", errno.into()))?;
        fsync(new).map_err(|errno| io("make durable the new content of", errno.into()))
    }

    /// Gives the new file the extended attributes of the old one (ACLs and security labels among them), and
    /// takes away what it inherited from its directory besides.
    fn keep_attributes(&self, new: &File) -> Result<(), ActionError> {
        let path = &self.handle.path;
        let fail = |name: &CString, errno: Errno| ActionError::Attribute {
            path: path.clone(),
            name: name.to_string_lossy().into_owned(),
            source: errno.into(),
        };
        let list =
            |file: &File| attributes(file).map_err(|errno| cannot(path, "list the attributes of", errno));
        let (old, inherited) = (list(&self.file)?, list(new)?);
        for name in inherited.keys().filter(|name| !old.contains_key(*name)) {
            fremovexattr(new, name).map_err(|errno| fail(name, errno))?;
        }
        for (name, value) in &old {
            if inherited.get(name) != Some(value) {
                fsetxattr(new, name, value, XattrFlags::empty()).map_err(|errno| fail(name, errno))?;
            }
        }
        Ok(())
    }

    /// Exchanges the names. An error comes with whether the temporary name must be kept, because it holds
    /// somebody's only copy.
    fn exchange(
        &self,
        temp: &str,
        new: &File,
        at: &mut dyn FnMut(Moment),
    ) -> Result<Swapped, (ActionError, bool)> {
        let path = &self.handle.path;
        let plain = |error| (error, false);
        let drift = || ActionError::Drift {
            what: format!("content of {path}"),
            expected: "what was read a moment ago".to_owned(),
            found: "another file or content: somebody wrote to it at the same time".to_owned(),
        };
        match renameat_with(&self.dir, temp, &self.dir, &self.name, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS) => {
                // A file system without exchange, such as NFS: compare as late as possible, then rename.
                if !self.is_still(&self.name) {
                    return Err(plain(drift()));
                }
                return renameat(&self.dir, temp, &self.dir, &self.name)
                    .map(|()| Swapped::Renamed)
                    .map_err(|errno| plain(cannot(path, "replace", errno)));
            }
            Err(Errno::NOENT) => return Err(plain(ActionError::Gone(path.clone()))),
            Err(errno) => return Err(plain(cannot(path, "replace", errno))),
        }
        at(Moment::AfterExchange);
        if self.is_still(temp) {
            return Ok(Swapped::Exchanged);
        }
        // Somebody was faster: what was exchanged out is not what was read. Put it back.
        renameat_with(&self.dir, temp, &self.dir, &self.name, RenameFlags::EXCHANGE).map_err(|errno| {
            (cannot(path, "put back (it is kept beside, with the ending .vmwright)", errno), true)
        })?;
        let ours = stat(new, path).map_err(|error| (error, true))?;
        let back = statx(&self.dir, temp, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
        let keep = !back.is_ok_and(|back| same_file(&back, &ours));
        Err((drift(), keep))
    }

    /// Whether `name` is the file that was read, with the content that was read.
    fn is_still(&self, name: &str) -> bool {
        let Ok(now) = statx(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) else {
            return false;
        };
        let mut bytes = vec![0; self.text.len() + 1];
        let mut length = 0;
        while length < bytes.len() {
            match self.file.read_at(&mut bytes[length..], length as u64) {
                Ok(0) => break,
                Ok(n) => length += n,
                Err(_) => return false,
            }
        }
        same_file(&now, &self.handle.stat) && &bytes[..length] == self.text.as_bytes()
    }
}

/// Where somebody else could get in between.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    BeforeExchange,
    AfterExchange,
}

/// How the new content got its name.
enum Swapped {
    /// The old content has the temporary name now.
    Exchanged,
    /// The old content is gone, and the temporary name with it.
    Renamed,
}

/// Removes what an interrupted replacement of `path` left beside it.
pub(crate) fn sweep(path: &str) -> Result<(), ActionError> {
    let (dir, name) = parent(path)?;
    sweep_in(&dir, &temp_name(&name), path)
}

fn sweep_in(dir: &OwnedFd, temp: &str, path: &str) -> Result<(), ActionError> {
    let found = match statx(dir, temp, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(cannot(path, "look beside", errno)),
    };
    if u32::from(found.stx_mode) & 0o170_000 != 0o100_000 {
        return Err(ActionError::InTheWay { path: path.to_owned(), name: temp.to_owned() });
    }
    unlinkat(dir, temp, AtFlags::empty()).map_err(|errno| cannot(path, "tidy up beside", errno))
}

/// The name under which a new content is prepared. One name for each file, so that it can be found again.
fn temp_name(name: &str) -> String {
    // 255 bytes is the longest name of Linux's file systems; a long one is cut on a character's border.
    let most = 255 - ".".len() - ".vmwright".len();
    let end = (0..=most.min(name.len())).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    format!(".{}.vmwright", &name[..end])
}

/// The directory of a path, and the last component.
fn parent(path: &str) -> Result<(OwnedFd, String), ActionError> {
    let (above, name) = path.rsplit_once('/').ok_or_else(|| ActionError::NotAFile(path.to_owned()))?;
    if name.is_empty() {
        return Err(ActionError::NotAFile(path.to_owned()));
    }
    let above = if above.is_empty() { "/" } else { above };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat2(CWD, above, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
        .map_err(|errno| cannot_open(above, errno))?;
    Ok((dir, name.to_owned()))
}

fn stat(fd: impl AsFd, path: &str) -> Result<Statx, ActionError> {
    statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
        .map_err(|errno| cannot(path, "look at", errno))
}

fn same_file(a: &Statx, b: &Statx) -> bool {
    let id = |stat: &Statx| (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);
    id(a) == id(b)
}

fn immutable(stat: &Statx, path: &str) -> Result<(), ActionError> {
    for (bit, flag) in [(StatxAttributes::IMMUTABLE, 'i'), (StatxAttributes::APPEND, 'a')] {
        if stat.stx_attributes.contains(bit) {
            return Err(ActionError::Immutable { path: path.to_owned(), flag });
        }
    }
    Ok(())
}

fn read_only(fd: impl AsFd, path: &str) -> Result<(), ActionError> {
    let found = fstatvfs(fd).map_err(|errno| cannot(path, "look at the file system of", errno))?;
    if found.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(ActionError::ReadOnly(path.to_owned()));
    }
    Ok(())
}

/// The extended attributes of a file, without those that follow from its content.
fn attributes(file: &File) -> Result<BTreeMap<CString, Vec<u8>>, Errno> {
    // 64 KiB is the kernel's own limit for the list and for one value: XATTR_LIST_MAX, XATTR_SIZE_MAX.
    let mut names = vec![0_u8; 64 << 10];
    let length = match flistxattr(file, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => return Ok(BTreeMap::new()),
        Err(errno) => return Err(errno),
    };
    let mut found = BTreeMap::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if OF_CONTENT.contains(&name) {
            continue;
        }
        let name = CString::new(name).map_err(|_| Errno::INVAL)?;
        let mut value = vec![0_u8; 64 << 10];
        let length = fgetxattr(file, &name, &mut value[..])?;
        value.truncate(length);
        found.insert(name, value);
    }
    Ok(found)
}

fn cannot_open(path: &str, errno: Errno) -> ActionError {
    match errno {
        Errno::NOENT | Errno::NOTDIR => ActionError::Gone(path.to_owned()),
        Errno::LOOP => {
            let link = Path::new(path)
                .ancestors()
                .filter(|part| std::fs::symlink_metadata(part).is_ok_and(|found| found.is_symlink()))
                .last();
            let link = link.unwrap_or(Path::new(path)).to_string_lossy().into_owned();
            ActionError::Symlink { path: path.to_owned(), link }
        }
        errno => cannot(path, "open", errno),
    }
}

fn cannot(path: &str, what: &'static str, errno: Errno) -> ActionError {
    match errno {
        Errno::ROFS => ActionError::ReadOnly(path.to_owned()),
        errno => ActionError::Io { path: path.to_owned(), what, source: errno.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use tempfile::TempDir;

    fn setup(text: &str) -> (TempDir, String) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("m.toml").to_str().expect("UTF-8").to_owned();
        std::fs::write(&path, text).expect("written");
        (dir, path)
    }

    fn names(dir: &TempDir) -> Vec<String> {
        let entries = std::fs::read_dir(dir.path()).expect("listed");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_replaced_file_keeps_owner_mode_and_attributes() {
        let (dir, path) = setup("a");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).expect("ours");
        let file = File::open(&path).expect("there");
        let attribute = fsetxattr(&file, "user.note", b"mine", XattrFlags::empty()).is_ok();
        if geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(1234), Some(4321)).expect("root may");
        }
        let before = std::fs::metadata(&path).expect("there");
        Content::read(&path).expect("read").replace("b").expect("replaced");
        let after = std::fs::metadata(&path).expect("there");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "b");
        assert_eq!((before.uid(), before.gid(), before.mode()), (after.uid(), after.gid(), after.mode()));
        if attribute {
            let mut value = [0_u8; 16];
            let length =
                fgetxattr(File::open(&path).expect("there"), "user.note", &mut value[..]).expect("kept");
            assert_eq!(&value[..length], b"mine");
        } else {
            eprintln!("SKIPPED user attributes: the file system of the temporary directory has none");
        }
        assert_eq!(names(&dir), ["m.toml"]);
    }

    #[test]
    fn an_acl_is_kept_and_an_inherited_one_is_not_taken_on() {
        let (dir, path) = setup("a");
        // Version 2; user::rw-, user:1000:r--, group::r--, mask::r--, other::---.
        let mut acl = 2_u32.to_le_bytes().to_vec();
        for (tag, bits, id) in
            [(1_u16, 6_u16, u32::MAX), (2, 4, 1000), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)]
        {
            acl.extend(tag.to_le_bytes().into_iter().chain(bits.to_le_bytes()).chain(id.to_le_bytes()));
        }
        let file = File::open(&path).expect("there");
        if let Err(errno) = fsetxattr(&file, "system.posix_acl_access", &acl, XattrFlags::empty()) {
            eprintln!("SKIPPED an_acl_is_kept: the temporary directory has no ACLs ({errno})");
            return;
        }
        let read = |path: &str| attributes(&File::open(path).expect("there")).expect("listed");
        let before = read(&path);
        assert!(before.contains_key(c"system.posix_acl_access"));
        Content::read(&path).expect("read").replace("b").expect("replaced");
        assert_eq!(read(&path), before);
        assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o777, 0o640);

        let other = dir.path().join("other").to_str().expect("UTF-8").to_owned();
        std::fs::write(&other, "a").expect("written");
        let above = File::open(dir.path()).expect("there");
        fsetxattr(&above, "system.posix_acl_default", &acl, XattrFlags::empty()).expect("as above");
        Content::read(&other).expect("read").replace("b").expect("replaced");
        assert!(read(&other).is_empty(), "the directory's default ACL is not taken on");
    }

    #[test]
    fn symbolic_links_are_refused_wherever_they_stand() {
        let (dir, path) = setup("a");
        let link = dir.path().join("link").to_str().expect("UTF-8").to_owned();
        symlink(&path, &link).expect("linked");
        assert!(
            matches!(Content::read(&link), Err(ActionError::Symlink { link: found, .. }) if found == link)
        );
        assert!(matches!(Handle::open(&link), Err(ActionError::Symlink { .. })));
        std::fs::create_dir(dir.path().join("real")).expect("made");
        symlink("real", dir.path().join("way")).expect("linked");
        let through = dir.path().join("way/x").to_str().expect("UTF-8").to_owned();
        assert!(
            matches!(Content::read(&through), Err(ActionError::Symlink { link, .. }) if link.ends_with("/way"))
        );
    }

    #[test]
    fn what_cannot_be_edited_says_why() {
        let (dir, path) = setup("a");
        let at = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
        let refused = |path: &str| match Content::read(path).and_then(|content| content.may_replace()) {
            Ok(()) => panic!("{path} was accepted"),
            Err(error) => error,
        };
        assert!(matches!(refused(&at("none")), ActionError::Gone(_)));
        assert!(matches!(refused(dir.path().to_str().expect("UTF-8")), ActionError::NotAFile(_)));
        rustix::fs::mknodat(CWD, at("fifo"), rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .expect("made");
        assert!(matches!(refused(&at("fifo")), ActionError::NotAFile(_)));
        std::fs::write(at("binary"), b"ok\n\xff\xfe").expect("written");
        assert!(matches!(refused(&at("binary")), ActionError::NotText { line: 2, .. }));
        File::create(at("sparse")).and_then(|file| file.set_len(2 << 30)).expect("made");
        assert!(matches!(refused(&at("sparse")), ActionError::TooLarge { .. }));
        std::fs::hard_link(&path, at("second")).expect("linked");
        assert!(matches!(refused(&path), ActionError::HardLinks { names: 2, .. }));
    }

    #[test]
    fn an_immutable_file_says_so() {
        let (_dir, path) = setup("a");
        let chattr = |flag: &str| std::process::Command::new("chattr").args([flag, &path]).output();
        if !chattr("+i").is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED an_immutable_file_says_so: chattr +i does not work here");
            return;
        }
        let seen = Content::read(&path).and_then(|content| content.may_replace());
        let mode = Handle::open(&path).and_then(|handle| handle.may_change());
        assert!(chattr("-i").expect("it ran before").status.success());
        assert!(matches!(seen, Err(ActionError::Immutable { flag: 'i', .. })), "{seen:?}");
        assert!(matches!(mode, Err(ActionError::Immutable { .. })));
    }

    #[test]
    fn a_file_replaced_between_reading_and_writing_is_not_lost() {
        let (dir, path) = setup("a");
        let rival = dir.path().join("rival");
        std::fs::write(&rival, "theirs").expect("written");
        let content = Content::read(&path).expect("read");
        let error = content
            .replace_at("ours", &mut |moment| {
                if moment == Moment::BeforeExchange {
                    std::fs::rename(&rival, &path).expect("renamed");
                }
            })
            .expect_err("it changed");
        assert!(matches!(error, ActionError::Drift { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "theirs");
        assert_eq!(names(&dir), ["m.toml"]);
    }

    #[test]
    fn a_link_slipped_in_between_is_neither_followed_nor_lost() {
        let (dir, path) = setup("a");
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "secret").expect("written");
        let content = Content::read(&path).expect("read");
        let error = content
            .replace_at("ours", &mut |moment| {
                if moment == Moment::BeforeExchange {
                    std::fs::remove_file(&path).expect("removed");
                    symlink(&victim, &path).expect("linked");
                }
            })
            .expect_err("it changed");
        assert!(matches!(error, ActionError::Drift { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&victim).expect("read"), "secret");
        assert!(std::fs::symlink_metadata(&path).expect("there").is_symlink());
        assert_eq!(names(&dir), ["m.toml", "victim"]);
    }

    #[test]
    fn a_write_in_place_between_reading_and_exchanging_is_not_lost() {
        let (dir, path) = setup("a");
        let content = Content::read(&path).expect("read");
        let error = content
            .replace_at("ours", &mut |moment| {
                if moment == Moment::BeforeExchange {
                    std::fs::write(&path, "theirs").expect("written");
                }
            })
            .expect_err("it changed");
        assert!(matches!(error, ActionError::Drift { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "theirs");
        assert_eq!(names(&dir), ["m.toml"]);
    }

    #[test]
    fn a_write_through_an_open_descriptor_while_exchanging_is_not_lost() {
        let (dir, path) = setup("a");
        let content = Content::read(&path).expect("read");
        let open = std::fs::OpenOptions::new().write(true).open(&path).expect("there");
        let error = content
            .replace_at("ours", &mut |moment| {
                if moment == Moment::AfterExchange {
                    open.write_all_at(b"theirs", 0).expect("written");
                }
            })
            .expect_err("it changed");
        assert!(matches!(error, ActionError::Drift { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "theirs");
        assert_eq!(names(&dir), ["m.toml"]);
    }

    #[test]
    fn a_vanished_file_is_not_made_again() {
        let (dir, path) = setup("a");
        let content = Content::read(&path).expect("read");
        std::fs::remove_file(&path).expect("removed");
        assert!(matches!(content.replace("ours"), Err(ActionError::Gone(_))));
        assert!(names(&dir).is_empty());
    }

    #[test]
    fn what_a_crash_left_beside_is_swept() {
        let (dir, path) = setup("a");
        let left = dir.path().join(".m.toml.vmwright");
        std::fs::write(&left, "half").expect("written");
        Content::read(&path).expect("read").replace("b").expect("replaced");
        assert_eq!(names(&dir), ["m.toml"]);
        std::fs::write(&left, "half").expect("written");
        sweep(&path).expect("swept");
        assert_eq!(names(&dir), ["m.toml"]);
        std::fs::create_dir(&left).expect("made");
        assert!(matches!(sweep(&path), Err(ActionError::InTheWay { .. })));
    }

    #[test]
    fn long_names_are_cut_on_a_border() {
        assert_eq!(temp_name("a"), ".a.vmwright");
        let long = "\u{e9}".repeat(127);
        assert!(temp_name(&long).len() <= 255);
    }
}
