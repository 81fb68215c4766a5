//! A folder of records that somebody kept. Its names, links and contents are a stranger's.

use crate::bounded::within;
use crate::capture::{self, INDEX, Index};
use crate::file::{self, Part, is_binary, kind_of, missing, words};
use crate::limits::{Budget, Limits};
use crate::root::CollectError;
use crate::text::escape;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Dir, FileType, Mode, OFlags, fstat, open, openat, readlinkat};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use vmwright_model::{Kind, Missing, Record, Snapshot};

/// Most names that are looked at in one directory.
const NAMES: usize = 65_536;

/// Most symbolic links on the way to one file: `MAXSYMLINKS` of the kernel.
const LINKS: usize = 40;

/// Opening a directory to list it.
const LIST: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// Opening anything to look at it, without following or waking it.
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

struct Walk<'a> {
    root: Arc<OwnedFd>,
    limits: &'a Limits,
    budget: Budget,
    records: Vec<Record>,
    names: BTreeSet<String>,
    files: usize,
}

/// Reads every regular file beneath the folder.
pub(crate) fn collect(path: &Path, limits: &Limits) -> Result<Snapshot, CollectError> {
    let own = path.to_owned();
    // The folder itself may be named through a link.
    let opened = within(limits.read_time, move || {
        open(&own, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    });
    let failed = |source| CollectError::Folder { path: path.to_owned(), source };
    let root = match opened {
        Ok(Ok(root)) => Arc::new(root),
        Ok(Err(Errno::NOTDIR)) => return Err(CollectError::NotFolder(path.to_owned())),
        Ok(Err(error)) => return Err(failed(error.into())),
        Err(why) => return Err(failed(io::Error::new(io::ErrorKind::TimedOut, why.to_string()))),
    };
    let mut walk = Walk {
        root: Arc::clone(&root),
        limits,
        budget: Budget::new(limits),
        records: Vec::new(),
        names: BTreeSet::new(),
        files: 0,
    };
    walk.directory(&root, c".", &mut Vec::new());
    Ok(captured(walk.records))
}

/// The records, or, where they are a capture of ours that somebody unpacked, the snapshot that it holds. The folder
/// around everything may be there or not.
fn captured(records: Vec<Record>) -> Snapshot {
    let name = |record: &Record| record.source == INDEX || record.source.ends_with(&format!("/{INDEX}"));
    let mut found = records.iter().filter(|record| name(record) && record.source.matches('/').count() <= 1);
    let index = match (found.next(), found.next()) {
        (Some(Record { source, content: Ok(bytes), .. }), None) => {
            Index::read(bytes).map(|index| (index, source.strip_suffix(INDEX).unwrap_or("").to_owned()))
        }
        _ => None,
    };
    let Some((index, top)) = index else { return Snapshot { records, ..Snapshot::default() } };
    let mut contents: BTreeMap<String, Result<Vec<u8>, Missing>> =
        records.into_iter().map(|record| (record.source, record.content)).collect();
    capture::restore(index, &mut |file| contents.remove(&format!("{top}{file}")))
}

impl Walk<'_> {
    /// Reads the directory `name` of another one, `at` being the names that lead to it.
    fn directory(&mut self, above: &Arc<OwnedFd>, name: &CStr, at: &mut Vec<CString>) {
        let (above, name) = (Arc::clone(above), name.to_owned());
        let listed = self.within(move || {
            let directory = openat(&above, &*name, LIST, Mode::empty())?;
            let (names, more) = list(&directory)?;
            Ok((Arc::new(directory), names, more))
        });
        let (directory, names) = match listed {
            Ok((directory, names, false)) => (directory, names),
            Ok((directory, names, true)) => {
                self.note(at, format!("more than {NAMES} names; the rest was not read"));
                (directory, names)
            }
            Err(why) => return self.keep(at, Err(why)),
        };
        for name in names {
            at.push(name);
            self.entry(&directory, at);
            at.pop();
            if self.files > self.limits.records {
                return;
            }
        }
    }

    fn entry(&mut self, directory: &Arc<OwnedFd>, at: &mut Vec<CString>) {
        let name = at.last().cloned().unwrap_or_default();
        let (above, wanted) = (Arc::clone(directory), name.clone());
        let looked = self.within(move || {
            let found = openat(&above, &*wanted, LOOK, Mode::empty())?;
            let stat = fstat(&found)?;
            Ok((found, FileType::from_raw_mode(stat.st_mode)))
        });
        match looked {
            Ok((_, FileType::Directory)) if at.len() >= self.limits.depth => {
                let why = format!("deeper than {} directories; not read", self.limits.depth);
                self.keep(at, Err(Missing::Failed(why)));
            }
            Ok((_, FileType::Directory)) => self.directory(directory, &name, at),
            Ok((found, FileType::RegularFile)) => self.file(at, move || Ok(found)),
            Ok((_, FileType::Symlink)) => {
                let (root, path) = (Arc::clone(&self.root), at.clone());
                self.file(at, move || open_beneath(root.as_fd(), &path));
            }
            Ok(_) => self.keep(at, Err(Missing::NotRegular)),
            Err(why) => self.keep(at, Err(why)),
        }
    }

    /// Asks the file system something within its time: that of a dead server does not even say what there is.
    fn within<T: Send + 'static>(
        &self,
        looking: impl FnOnce() -> Result<T, Errno> + Send + 'static,
    ) -> Result<T, Missing> {
        within(self.budget.time(self.limits.read_time)?, looking)?.map_err(missing)
    }

    fn file(&mut self, at: &[CString], opening: impl FnOnce() -> Result<OwnedFd, Missing> + Send + 'static) {
        let wanted = self.limits.record;
        let most = self.budget.bytes(wanted);
        let name = shown(at);
        let content = self.budget.time(self.limits.read_time).and_then(|time| {
            within(time, move || file::read_part(&opening()?, &name, most)).and_then(|content| content)
        });
        self.keep(
            at,
            content.map_err(|why| match why {
                Missing::TooLarge(size) if size <= wanted => {
                    Missing::Failed("not read: the run has read as much as it may".to_owned())
                }
                other => other,
            }),
        );
    }

    fn keep(&mut self, at: &[CString], content: Result<Part, Missing>) {
        self.files += 1;
        if self.files > self.limits.records {
            let why = format!("more than {} files; the rest was not read", self.limits.records);
            return self.note(&[], why);
        }
        let end_of = content.as_ref().ok().and_then(|part| part.end_of);
        let content = content.map(|part| part.bytes);
        debug_assert!(content.as_deref().map_or(true, |bytes| !is_binary(bytes)), "read_text refuses binary");
        let source = self.name_or_root(at);
        self.budget.spend(content.as_ref().map_or(0, Vec::len));
        let kind = kind_of(&source, content.as_deref().unwrap_or_default());
        self.records.push(Record { source, kind, content, end_of });
    }

    /// Says of a directory that it was not read to its end.
    fn note(&mut self, at: &[CString], why: String) {
        let source = self.name_or_root(at);
        self.records.push(Record::missing(source, Kind::TEXT, Missing::Failed(why)));
    }

    fn name_or_root(&mut self, at: &[CString]) -> String {
        if at.is_empty() { ".".to_owned() } else { self.name(at) }
    }

    /// The name that evidence quotes. Two names that only differ in bytes that cannot be shown stay two.
    fn name(&mut self, at: &[CString]) -> String {
        let plain = shown(at);
        let mut name = plain.clone();
        let mut copy = 1;
        while !self.names.insert(name.clone()) {
            copy += 1;
            name = format!("{plain}~{copy}");
        }
        name
    }
}

/// A path as text of one line.
fn shown(at: &[CString]) -> String {
    at.iter().map(|name| escape(name.as_bytes())).collect::<Vec<_>>().join("/")
}

/// The names in a directory, sorted, and whether there are more than were read.
fn list(directory: &OwnedFd) -> Result<(Vec<CString>, bool), Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() == b"." || name.as_bytes() == b".." {
            continue;
        }
        if names.len() == NAMES {
            return Ok((names, true));
        }
        names.push(name);
    }
    names.sort();
    Ok((names, false))
}

/// Opens what a path beneath `root` leads to, through symbolic links that stay beneath it. Each component is
/// opened without following, so that nobody who renames and relinks meanwhile can lead outside. (`openat2` does
/// the same in one call, but the sandbox refuses it: no filter can see its flags.)
fn open_beneath(root: BorrowedFd<'_>, path: &[CString]) -> Result<OwnedFd, Missing> {
    let mut above: Vec<OwnedFd> = Vec::new();
    let mut left: VecDeque<CString> = path.iter().cloned().collect();
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        match name.as_bytes() {
            b"" | b"." => continue,
            b".." => {
                if above.pop().is_none() {
                    return Err(Missing::Escapes);
                }
                continue;
            }
            _ => {}
        }
        let here = above.last().map_or(root, |directory| directory.as_fd());
        let found = openat(here, &*name, LOOK, Mode::empty()).map_err(missing)?;
        match FileType::from_raw_mode(fstat(&found).map_err(missing)?.st_mode) {
            FileType::Symlink => {
                links += 1;
                if links > LINKS {
                    return Err(Missing::Failed(words(Errno::LOOP)));
                }
                let target = readlinkat(&found, c"", Vec::new()).map_err(missing)?;
                if target.as_bytes().starts_with(b"/") {
                    return Err(Missing::Escapes);
                }
                push_front(&mut left, &target);
            }
            FileType::Directory => above.push(found),
            _ if left.is_empty() => return Ok(found),
            _ => return Err(Missing::Absent),
        }
    }
    above.pop().ok_or(Missing::NotRegular)
}

fn push_front(left: &mut VecDeque<CString>, target: &CStr) {
    let names = std::ffi::OsStr::from_bytes(target.to_bytes());
    for name in names.as_bytes().split(|byte| *byte == b'/').rev() {
        if let Ok(name) = CString::new(name) {
            left.push_front(name);
        }
    }
}
