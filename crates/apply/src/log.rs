//! The write-ahead log of a run: `<state>/runs/<run>.jsonl`, one event a line, each on disk before what it
//! announces happens.

use rustix::fs::{FallocateFlags, FlockOperation, OFlags, fallocate, flock, fsync, ftruncate};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;
use vmwright_model::RunEvent;

/// The largest log that is written or read, in bytes. Each step takes at most a few texts of 1 MiB.
pub const LIMIT: u64 = 256 << 20;

/// What one event takes besides the texts in it, at most, in bytes. Reasons are the longest.
pub(crate) const EVENT: u64 = 4 << 10;

/// Why a log could not be written or read.
#[derive(Debug, Error)]
pub enum LogError {
    /// Another run or undo holds the lock.
    #[error("another apply, undo or recover is at work on this host (it holds {})", .0.display())]
    Locked(PathBuf),
    /// Not the id of a run.
    #[error("`{}` is not the id of a run", .0.escape_debug())]
    BadId(String),
    /// No such run.
    #[error("there is no run {0}")]
    NoRun(String),
    /// The kernel refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Larger than [`LIMIT`].
    #[error("{} would have or has more than {LIMIT} bytes", .0.display())]
    TooLarge(PathBuf),
    /// A line before the last is not an event: somebody edited or cut the log.
    #[error("line {line} of {} is not an event of a run: {why}", path.display())]
    Line {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// It does not begin with the beginning of a run.
    #[error("{} does not begin with the beginning of a run", .0.display())]
    NoBeginning(PathBuf),
}

/// Held while a host is changed. Goes with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that another thread is just making has a copy of the descriptor until
        // it runs its own program. An error here leaves what closing does.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Takes the lock of a state directory, or says at once that somebody has it.
pub(crate) fn lock(state: &Path) -> Result<Lock, LogError> {
    let path = state.join("apply.lock");
    let file =
        open(&path, "open", std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(LogError::Locked(path)),
        Err(errno) => Err(LogError::Io { path, what: "lock", source: errno.into() }),
    }
}

/// A log that is being written.
pub(crate) struct Wal {
    file: File,
    path: PathBuf,
    /// Bytes of whole lines.
    length: u64,
    /// The first failure, after which nothing is written any more.
    failed: Option<String>,
}

impl Wal {
    /// Makes the log of a new run. Its id is the time and the plan's first digits.
    pub(crate) fn create(runs: &Path, stamp: &str, plan_id: &str) -> Result<(Self, String), LogError> {
        let short = plan_id.get(..12).unwrap_or(plan_id);
        for again in 0..1000 {
            let run = match again {
                0 => format!("{stamp}-{short}"),
                n => format!("{stamp}-{short}-{n}"),
            };
            let path = path_of(runs, &run);
            match open(&path, "make", std::fs::OpenOptions::new().read(true).write(true).create_new(true)) {
                Ok(file) => {
                    sync_dir(runs)?;
                    return Ok((Self { file, path, length: 0, failed: None }, run));
                }
                Err(LogError::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(LogError::Io {
            path: runs.to_owned(),
            what: "find a free name in",
            source: std::io::ErrorKind::AlreadyExists.into(),
        })
    }

    /// Goes on with a log that was read; what is cut off at its end is removed.
    pub(crate) fn resume(read: &Log) -> Result<Self, LogError> {
        let file = open(&read.path, "open", std::fs::OpenOptions::new().read(true).write(true))?;
        let io = |what, source| LogError::Io { path: read.path.clone(), what, source };
        ftruncate(&file, read.length).map_err(|errno| io("cut the torn end off", errno.into()))?;
        fsync(&file).map_err(|errno| io("make durable", errno.into()))?;
        let mut wal = Self { file, path: read.path.clone(), length: read.length, failed: None };
        wal.file.seek(SeekFrom::Start(read.length)).map_err(|error| io("write to", error))?;
        Ok(wal)
    }

    /// Sets room aside for `more` bytes, so that a disk which fills up later cannot keep an undo from being
    /// recorded. File systems that cannot do so are let through.
    pub(crate) fn reserve(&self, more: u64) -> Result<(), LogError> {
        if self.length.saturating_add(more) > LIMIT {
            return Err(LogError::TooLarge(self.path.clone()));
        }
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.length, more) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
            Err(errno) => Err(LogError::Io {
                path: self.path.clone(),
                what: "set room aside for",
                source: errno.into(),
            }),
        }
    }

    /// Writes one event and makes it durable. After a failure the log is cut back to its whole lines and takes
    /// nothing more.
    pub(crate) fn append(&mut self, event: &RunEvent) -> Result<(), String> {
        self.append_as(event, None)
    }

    /// As [`Self::append`], with a failure to pretend.
    pub(crate) fn append_as(
        &mut self,
        event: &RunEvent,
        pretend: Option<std::io::Error>,
    ) -> Result<(), String> {
        if let Some(why) = &self.failed {
            return Err(why.clone());
        }
        let mut line = vmwright_plan::canonical(event);
        line.push(b'\n');
        let written = match pretend {
            Some(error) => Err(error),
            None => self.file.write_all(&line).and_then(|()| self.file.sync_data()),
        };
        if let Err(error) = written {
            // Even a full disk lets a file become shorter. If not, the torn line is tolerated when read.
            let _ = ftruncate(&self.file, self.length);
            let _ = self.file.seek(SeekFrom::Start(self.length));
            let why = format!("cannot write {}: {error}", self.path.display());
            self.failed = Some(why.clone());
            return Err(why);
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Why the log lacks its last lines, where it does.
    pub(crate) fn incomplete(&self) -> Option<String> {
        self.failed.clone()
    }

    /// Gives back what was set aside and not used, and makes the end durable.
    pub(crate) fn finish(self) {
        // All events are durable already; this only frees space.
        let _ = ftruncate(&self.file, self.length);
        let _ = fsync(&self.file);
    }

    /// Removes a log in which nothing was announced.
    pub(crate) fn discard(self) {
        // A log that holds no whole beginning is passed over by readers too.
        let _ = std::fs::remove_file(&self.path);
    }

    pub(crate) fn path(&self) -> String {
        self.path.display().to_string()
    }
}

/// A log that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Where it is.
    pub path: PathBuf,
    /// Its events, in order; the first is [`RunEvent::Began`].
    pub events: Vec<RunEvent>,
    /// What was cut off at its end, if anything: which line, and how much of it is there.
    pub torn: Option<String>,
    /// Bytes of whole lines.
    length: u64,
}

impl Log {
    /// Whether the run came to an end, as applied, undone or as far as it could be undone.
    #[must_use]
    pub fn ended(&self) -> bool {
        let afterwards =
            |event: &&RunEvent| matches!(event, RunEvent::Guarded { .. } | RunEvent::Confirmed { .. });
        matches!(self.events.iter().rev().find(|event| !afterwards(event)), Some(RunEvent::Ended { .. }))
    }
}

/// Reads the log of a run. A last line that a crash tore is reported and left out; anything else that is not an
/// event is an error. `None` where a crash came before the run's beginning was on disk: nothing was done then.
///
/// # Errors
/// [`LogError`], which names the line.
pub fn read(state: &Path, run: &str) -> Result<Option<Log>, LogError> {
    if !is_run_id(run) {
        return Err(LogError::BadId(run.chars().take(80).collect()));
    }
    let path = path_of(&state.join("runs"), run);
    let io = |what, source| LogError::Io { path: path.clone(), what, source };
    let mut file = match open(&path, "read", std::fs::OpenOptions::new().read(true)) {
        Err(LogError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(LogError::NoRun(run.to_owned()));
        }
        other => other?,
    };
    if !file.metadata().map_err(|error| io("look at", error))?.is_file() {
        return Err(io("read", std::io::Error::other("not a regular file")));
    }
    let mut bytes = Vec::new();
    (&mut file).take(LIMIT + 1).read_to_end(&mut bytes).map_err(|error| io("read", error))?;
    if bytes.len() as u64 > LIMIT {
        return Err(LogError::TooLarge(path));
    }
    let (mut events, mut torn, mut length) = (Vec::new(), None, 0_u64);
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        let whole = line.ends_with(b"\n");
        let last = lines.peek().is_none();
        match serde_json::from_slice::<RunEvent>(line) {
            Ok(event) if whole => {
                events.push(event);
                length += line.len() as u64;
            }
            // A crash leaves a line without its end, or blocks that never got their content.
            _ if last && (!whole || line.iter().all(|byte| matches!(byte, 0 | b'\n'))) => {
                torn = Some(format!("line {} is cut off after {} bytes", at + 1, line.len()));
            }
            Ok(_) => return Err(LogError::Line { path, line: at + 1, why: "it has no end".to_owned() }),
            Err(error) => {
                let why = error.to_string().chars().take(200).collect::<String>().escape_debug().to_string();
                return Err(LogError::Line { path, line: at + 1, why });
            }
        }
    }
    match events.first() {
        Some(RunEvent::Began { .. }) => Ok(Some(Log { path, events, torn, length })),
        None => Ok(None),
        Some(_) => Err(LogError::NoBeginning(path)),
    }
}

/// The ids of all runs of a state directory, oldest first.
///
/// # Errors
/// If the directory cannot be listed.
pub fn runs(state: &Path) -> Result<Vec<String>, LogError> {
    let dir = state.join("runs");
    let io = |source| LogError::Io { path: dir.clone(), what: "list", source };
    let entries = match std::fs::read_dir(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io)?,
    };
    let mut runs = Vec::new();
    for entry in entries {
        let name = entry.map_err(io)?.file_name();
        let run = name.to_str().and_then(|name| name.strip_suffix(".jsonl")).filter(|run| is_run_id(run));
        runs.extend(run.map(str::to_owned));
    }
    runs.sort();
    Ok(runs)
}

fn is_run_id(run: &str) -> bool {
    (1..=80).contains(&run.len()) && run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn path_of(runs: &Path, run: &str) -> PathBuf {
    runs.join(format!("{run}.jsonl"))
}

fn open(path: &Path, what: &'static str, options: &mut std::fs::OpenOptions) -> Result<File, LogError> {
    let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK).bits();
    options.mode(0o600).custom_flags(flags.cast_signed()).open(path).map_err(|source| LogError::Io {
        path: path.to_owned(),
        what,
        source,
    })
}

fn sync_dir(path: &Path) -> Result<(), LogError> {
    let io = |source| LogError::Io { path: path.to_owned(), what: "make durable", source };
    File::open(path).and_then(|dir| dir.sync_all()).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;
    use vmwright_model::RunState;

    fn began() -> RunEvent {
        RunEvent::Began {
            plan: "p".into(),
            host_id: "h".into(),
            approved_by: "a".into(),
            at: "t".into(),
            assisted_by: "x".into(),
        }
    }

    fn setup() -> (TempDir, PathBuf, String) {
        let dir = tempfile::tempdir().expect("a directory");
        let runs = dir.path().join("runs");
        std::fs::create_dir(&runs).expect("made");
        let (mut wal, run) = Wal::create(&runs, "20250101T000000Z", &"a".repeat(64)).expect("made");
        wal.append(&began()).expect("written");
        wal.append(&RunEvent::Done { step: 0 }).expect("written");
        wal.append(&RunEvent::Ended { state: RunState::Applied }).expect("written");
        wal.finish();
        let path = path_of(&runs, &run);
        (dir, path, run)
    }

    #[test]
    fn what_is_written_is_read() {
        let (dir, _, run) = setup();
        assert_eq!(run, "20250101T000000Z-aaaaaaaaaaaa");
        let log = read(dir.path(), &run).expect("read").expect("begun");
        assert!(log.ended() && log.torn.is_none() && log.events.len() == 3);
        assert_eq!(runs(dir.path()).expect("listed"), [run]);
        let again =
            Wal::create(&dir.path().join("runs"), "20250101T000000Z", &"a".repeat(64)).expect("made").1;
        assert_eq!(again, "20250101T000000Z-aaaaaaaaaaaa-1");
    }

    #[test]
    fn every_cut_is_tolerated_and_can_be_gone_on_from() {
        let (dir, path, run) = setup();
        let whole = std::fs::read(&path).expect("read");
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).expect("written");
            let Some(log) = read(dir.path(), &run).expect("a cut is no error") else {
                assert!(!whole[..end].contains(&b'\n'), "only a log without one whole line has no beginning");
                continue;
            };
            assert_eq!(log.torn.is_some(), whole[end - 1] != b'\n', "{end}");
            let mut wal = Wal::resume(&log).expect("resumed");
            wal.append(&RunEvent::Done { step: 7 }).expect("written");
            let after = read(dir.path(), &run).expect("read").expect("begun");
            assert_eq!(after.torn, None);
            assert_eq!(after.events.len(), log.events.len() + 1);
        }
        let mut zeros = whole.clone();
        zeros.extend([0; 100]);
        std::fs::write(&path, &zeros).expect("written");
        assert!(read(dir.path(), &run).expect("zeros are torn").expect("begun").torn.is_some());
    }

    #[test]
    fn a_broken_line_in_the_middle_is_named() {
        let (dir, path, run) = setup();
        let text = std::fs::read_to_string(&path).expect("read");
        let lines: Vec<&str> = text.lines().collect();
        std::fs::write(&path, format!("{}\n{}\n{}\n", lines[0], &lines[1][..5], lines[2])).expect("written");
        assert!(matches!(read(dir.path(), &run), Err(LogError::Line { line: 2, .. })));
        // A last line with its end was written whole, so it was not torn.
        std::fs::write(&path, format!("{}\n{}\n", lines[0], &lines[1][..5])).expect("written");
        assert!(matches!(read(dir.path(), &run), Err(LogError::Line { line: 2, .. })));
        std::fs::write(&path, format!("{}\n", lines[1])).expect("written");
        assert!(matches!(read(dir.path(), &run), Err(LogError::NoBeginning(_))));
    }

    #[test]
    fn after_a_failure_nothing_more_is_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut wal, run) = {
            std::fs::create_dir(dir.path().join("runs")).expect("made");
            Wal::create(&dir.path().join("runs"), "s", "p").expect("made")
        };
        wal.append(&began()).expect("written");
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert!(wal.append_as(&RunEvent::Done { step: 0 }, Some(full)).is_err());
        assert!(wal.append(&RunEvent::Done { step: 0 }).is_err());
        assert!(wal.incomplete().is_some());
        assert_eq!(read(dir.path(), &run).expect("read").expect("begun").events, [began()]);
    }

    #[test]
    fn ids_are_no_paths() {
        let dir = tempfile::tempdir().expect("a directory");
        for bad in ["", "../x", "a/b", "a.b", &"a".repeat(81)] {
            assert!(matches!(read(dir.path(), bad), Err(LogError::BadId(_))), "{bad}");
        }
        assert!(matches!(read(dir.path(), "none"), Err(LogError::NoRun(_))));
    }

    #[test]
    fn the_lock_is_held_by_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let held = lock(dir.path()).expect("free");
        assert!(matches!(lock(dir.path()), Err(LogError::Locked(_))));
        drop(held);
        assert!(lock(dir.path()).is_ok());
    }
}
