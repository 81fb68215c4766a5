//! The running host.

use crate::asking::Errand;
use crate::bounded::{within, within_each};
use crate::file::{self, Part, kind_of};
use crate::limits::{Budget, Limits};
use crate::probes::{self, Machines};
use crate::root::{CollectError, Subject, escape_path};
use crate::{asking, commands, glob, identity};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;
use vmwright_model::{Kind, Missing, Need, Record, Snapshot};

/// One run over the running host: what it may still read, and what it has.
pub(crate) struct Collector<'a> {
    limits: &'a Limits,
    budget: Budget,
    records: Vec<Record>,
}

/// Reads what `needs` name.
pub(crate) fn collect(needs: &[Need], subject: &Subject, limits: &Limits) -> Result<Snapshot, CollectError> {
    let machines = Machines::of(subject);
    machines.check()?;
    let mut needs = needs.to_vec();
    needs.sort_unstable();
    needs.dedup();
    let mut collector = Collector { limits, budget: Budget::new(limits), records: Vec::new() };
    // Whoever is asked answers while everything else is read.
    let bounds = asking::Bounds { time: limits.asking_time, bytes: limits.command };
    let errands: Vec<Errand> = needs.iter().filter_map(|need| Errand::of(*need)).collect();
    let sent = asking::send(errands, bounds);
    let commands = needs.iter().filter_map(|need| match need {
        Need::Command(words) if Errand::of(*need).is_none() => Some(*words),
        _ => None,
    });
    let running = collector.commands(commands.collect(), &subject.state);
    let mut attributes: Vec<PathBuf> = Vec::new();
    for need in needs.into_iter().filter(|need| Errand::of(*need).is_none()) {
        match need {
            Need::File(path) if is_attribute(path) => attributes.push(path.into()),
            Need::File(path) => collector.file(path.into(), None),
            Need::Exists(path) => collector.exists(path),
            Need::Glob(pattern) => attributes.extend(collector.glob(pattern)),
            // They run meanwhile.
            Need::Command(_) => {}
            Need::Probe(probe) => probes::run(probe, &machines, &mut collector),
        }
    }
    collector.attributes(attributes);
    for (words, content) in running {
        collector.push(words.join(" "), None, content);
    }
    for (source, content) in sent.wait() {
        collector.push(source, None, content);
    }
    Ok(Snapshot {
        host_id: identity(&subject.state).id,
        live: true,
        records: collector.records,
        ..Snapshot::default()
    })
}

/// Whether the VM in question exists.
pub(crate) fn check(subject: &Subject) -> Result<(), CollectError> {
    Machines::of(subject).check()
}

/// What [`collect`] would read.
pub(crate) fn work_list(needs: &[Need], subject: &Subject) -> Vec<String> {
    let machines = Machines::of(subject);
    let mut list = Vec::new();
    for need in needs {
        match need {
            Need::File(path) | Need::Glob(path) => list.push((*path).to_owned()),
            Need::Exists(path) => list.push(format!("whether there is a {path}")),
            Need::Command(words) => list.push(asking::planned(words)),
            Need::Probe(probe) => list.extend(probes::sources(*probe, &machines)),
        }
    }
    // Who the host is.
    for path in ["/etc/machine-id", "/proc/sys/kernel/hostname", "/proc/sys/kernel/osrelease"] {
        list.push(path.to_owned());
    }
    list
}

/// Whether a file is one of the thousands of small ones that the kernel makes: a thread for each would take longer
/// than reading it.
fn is_attribute(path: &str) -> bool {
    path.starts_with("/sys/") || path.starts_with("/proc/sys/")
}

/// Largest attribute, in bytes. A page is the rule; lists of reserved regions and statistics are longer.
const ATTRIBUTE: u64 = 64 * 1024;

/// Commands that run at once: they wait for the disk, for the kernel's locks, and some for each other.
const AT_ONCE: usize = 4;

/// A command and what it said.
type Said = (&'static [&'static str], Result<Vec<u8>, Missing>);

/// Most attributes that one thread reads, so that what they spend is seen in time.
const TOGETHER: usize = 512;

impl Collector<'_> {
    /// Reads files of `/sys` and `/proc/sys`.
    fn attributes(&mut self, mut paths: Vec<PathBuf>) {
        paths.sort_unstable();
        paths.dedup();
        for paths in paths.chunks(TOGETHER) {
            let most = self.budget.bytes(ATTRIBUTE);
            let answers = match self.budget.time(self.limits.read_time) {
                Ok(time) => within_each(time, paths, move |path: &PathBuf| file::read(path, most)),
                Err(why) => vec![Err(why); paths.len()],
            };
            for (path, answer) in paths.iter().zip(answers) {
                self.push(escape_path(path), None, answer.and_then(|content| content));
            }
        }
    }

    /// Reads one file; `kind` where it is known from its place.
    pub(crate) fn file(&mut self, path: PathBuf, kind: Option<Kind>) {
        self.text(path, kind, file::read_newest);
    }

    /// Reads one file that a process of this user names; root may name any, everybody else only what is theirs.
    pub(crate) fn file_of(&mut self, path: PathBuf, kind: Option<Kind>, user: u32) {
        if user == 0 {
            return self.file(path, kind);
        }
        self.text(path, kind, move |path, most| file::read_of(path, most, user));
    }

    fn text(
        &mut self,
        path: PathBuf,
        kind: Option<Kind>,
        read: impl FnOnce(&Path, u64) -> Result<Part, Missing> + Send + 'static,
    ) {
        let source = escape_path(&path);
        let wanted = self.limits.of_live_file(&source);
        let most = self.budget.bytes(wanted);
        let content = self.within(move || read(&path, most)).and_then(|content| content);
        let content = content.map_err(|why| match why {
            Missing::TooLarge(size) if size <= wanted => {
                Missing::Failed("not read: the run has read as much as it may".to_owned())
            }
            other => other,
        });
        let end_of = content.as_ref().ok().and_then(|part| part.end_of);
        self.push(source, kind, content.map(|part| part.bytes));
        if let Some(record) = self.records.last_mut() {
            record.end_of = end_of;
        }
    }

    fn exists(&mut self, path: &'static str) {
        let found = self.within(move || std::fs::metadata(path).map(drop));
        let content = found.and_then(|found| match found {
            Ok(()) => Ok(Vec::new()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Missing::Absent),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(Missing::Denied),
            Err(error) => Err(Missing::Failed(error.to_string())),
        });
        self.push(path.to_owned(), Some(Kind::TEXT), content);
    }

    /// Reads the files of a pattern; gives those that are attributes, which are read together.
    fn glob(&mut self, pattern: &'static str) -> Vec<PathBuf> {
        let most = self.limits.matches;
        let found = match self.within(move || glob::expand(pattern, most)) {
            Ok(found) => found,
            Err(why) => {
                self.push(pattern.to_owned(), None, Err(why));
                return Vec::new();
            }
        };
        // The pattern itself becomes a record where the files alone do not tell all.
        if found.denied {
            self.push(pattern.to_owned(), None, Err(Missing::Denied));
        } else if found.more {
            let why = format!("more than {most} files match; the rest was not read");
            self.push(pattern.to_owned(), None, Err(Missing::Failed(why)));
        } else if found.paths.is_empty() {
            self.push(pattern.to_owned(), None, Err(Missing::Absent));
        }
        if is_attribute(pattern) {
            return found.paths;
        }
        for path in found.paths {
            self.file(path, None);
        }
        Vec::new()
    }

    /// Runs commands beside what is read here, a few at once; each gives its answer when it has one. What stays the
    /// same is kept beneath `state`.
    fn commands(&self, all: Vec<&'static [&'static str]>, state: &Path) -> mpsc::IntoIter<Said> {
        let (sender, said) = mpsc::channel();
        let all = Arc::new(Mutex::new(all.into_iter()));
        for _ in 0..AT_ONCE {
            let (all, sender) = (Arc::clone(&all), sender.clone());
            let (budget, limits, state) = (self.budget.clone(), self.limits.clone(), state.to_owned());
            let run = move || {
                let next = || all.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some(words) = next() {
                    let time = budget.time(limits.command_time);
                    let most = budget.bytes(limits.command);
                    let run = |time| commands::say(words, &state, time, most);
                    if sender.send((words, time.and_then(run))).is_err() {
                        return;
                    }
                }
            };
            // Where there can be no more threads, the commands that nobody took are run here.
            if let Err(run) = thread::Builder::new().spawn(run.clone()).map_err(|_| run) {
                run();
            }
        }
        said.into_iter()
    }

    /// Does one reading of a probe within its time.
    pub(crate) fn within<T: Send + 'static>(
        &self,
        reading: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Missing> {
        within(self.budget.time(self.limits.read_time)?, reading)
    }

    /// How long one reading of a probe may take; nothing once the run is over.
    pub(crate) fn patience(&self) -> Duration {
        self.budget.time(self.limits.read_time).unwrap_or_default()
    }

    /// Keeps one record; its kind is told from the text where none is given.
    pub(crate) fn push(&mut self, source: String, kind: Option<Kind>, content: Result<Vec<u8>, Missing>) {
        self.budget.spend(&content);
        let text = content.as_deref().unwrap_or_default();
        let kind = kind.unwrap_or_else(|| kind_of(&source, text));
        self.records.push(Record { source, kind, content, end_of: None });
    }

    /// Largest file of this name that may be read.
    pub(crate) fn most_of(&self, path: &Path) -> u64 {
        self.budget.bytes(self.limits.of_live_file(&escape_path(path)))
    }
}
