//! The running host.

use crate::asking::Errand;
use crate::bounded::{within, within_each};
use crate::file::{self, Part, kind_of};
use crate::glob::{self, Folders};
use crate::limits::{Budget, Limits};
use crate::probes::{self, Machines};
use crate::root::{CollectError, Subject, escape_path};
use crate::{asking, commands, identity, processes};
use rustix::fs::statfs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;
use vmwright_model::{Kind, Missing, Need, Probe, Record, Snapshot};

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
    processes::look_anew();
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
    let probes = needs.iter().filter_map(|need| match need {
        Need::Probe(probe) if Errand::of(*need).is_none() => Some(*probe),
        _ => None,
    });
    let probes: Vec<Probe> = probes.collect();
    let probe = |beside: &mut Collector<'_>| {
        probes.iter().for_each(|probe| probes::run(*probe, &machines, beside));
    };
    let mut beside = collector.beside();
    let begun = thread::scope(|scope| {
        let begun = thread::Builder::new().spawn_scoped(scope, || probe(&mut beside)).is_ok();
        collector.files(&needs);
        begun
    });
    if !begun {
        probe(&mut beside);
    }
    collector.records.append(&mut beside.records);
    for (words, kind, content) in running {
        collector.push(words.join(" "), Some(kind), content);
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

/// Whether `/sys` and `/proc` are the kernel's own file systems, which hold no file that acts when it is opened.
fn made_by_kernel() -> bool {
    // linux/magic.h
    const OF: [(&str, i64); 2] = [("/sys", 0x6265_6572), ("/proc", 0x9fa0)];
    OF.iter().all(|(path, magic)| statfs(*path).is_ok_and(|found| found.f_type == *magic))
}

/// Largest attribute, in bytes. A page is the rule; lists of reserved regions and statistics are longer.
const ATTRIBUTE: u64 = 64 * 1024;

/// Commands that run at once: they wait for the disk, for the kernel's locks, and some for each other.
const AT_ONCE: usize = 4;

/// A command, what it said, and what that is.
type Said = (&'static [&'static str], Kind, Result<Vec<u8>, Missing>);

/// Something that is read from a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    File(PathBuf),
    /// A file of which nothing is read but whether it is there.
    Exists(&'static str),
    /// A small file that the kernel makes. They come last.
    Attribute(PathBuf),
}

impl Collector<'_> {
    /// One that reads at the same time, within the same bounds.
    fn beside(&self) -> Self {
        Self { limits: self.limits, budget: self.budget.clone(), records: Vec::new() }
    }

    /// Reads all files that are needed, one after the other on another thread: to hand each over would take longer
    /// than to read it.
    fn files(&mut self, needs: &[Need]) {
        let mut items = Vec::new();
        let mut patterns = self.expand(needs).into_iter();
        for need in needs {
            match *need {
                Need::File(path) => items.push(item(path.into())),
                Need::Exists(path) => items.push(Item::Exists(path)),
                Need::Glob(_) => items.extend(patterns.next().into_iter().flatten().map(item)),
                Need::Command(_) | Need::Probe(_) => {}
            }
        }
        items.sort_by_key(|item| matches!(item, Item::Attribute(_)));
        let files = items.partition_point(|item| !matches!(item, Item::Attribute(_)));
        items[files..].sort_unstable();
        items.dedup();
        let (limits, budget, made) = (self.limits.clone(), self.budget.clone(), made_by_kernel());
        let read = move |item: &Item| {
            let content = match item {
                Item::File(path) => text(path, &limits, &budget, file::read_newest),
                Item::Exists(path) => exists(path).map(Part::whole),
                Item::Attribute(path) if made => {
                    file::read_made(path, budget.bytes(ATTRIBUTE)).map(Part::whole)
                }
                Item::Attribute(path) => file::read(path, budget.bytes(ATTRIBUTE)).map(Part::whole),
            };
            budget.spend(content.as_ref().map_or(0, |part| part.bytes.len()));
            content
        };
        let (time, limit) = (self.budget.clone(), self.limits.read_time);
        within_each(
            || time.time(limit),
            &items,
            read,
            |item, content| {
                let content = content.and_then(|content| content);
                match item {
                    Item::File(path) | Item::Attribute(path) => self.keep(escape_path(path), None, content),
                    Item::Exists(path) => self.keep((*path).to_owned(), Some(Kind::TEXT), content),
                }
            },
        );
    }

    /// The files of all patterns, in their order. A pattern itself becomes a record where the files alone do not tell
    /// all.
    fn expand(&mut self, needs: &[Need]) -> Vec<Vec<PathBuf>> {
        let patterns = needs.iter().filter_map(|need| match *need {
            Need::Glob(pattern) => Some(pattern),
            _ => None,
        });
        let patterns: Vec<&'static str> = patterns.collect();
        let most = self.limits.matches;
        let (time, limit) = (self.budget.clone(), self.limits.read_time);
        let mut all = Vec::new();
        let folders = Folders::default();
        let expand = move |pattern: &&'static str| glob::expand_in(&folders, pattern, most);
        within_each(
            || time.time(limit),
            &patterns,
            expand,
            |pattern, found| {
                let why = match &found {
                    Err(why) => Some(why.clone()),
                    Ok(found) if found.denied => Some(Missing::Denied),
                    Ok(found) if found.more => {
                        Some(Missing::Failed(format!("more than {most} files match; the rest was not read")))
                    }
                    Ok(found) if found.paths.is_empty() => Some(Missing::Absent),
                    Ok(_) => None,
                };
                if let Some(why) = why {
                    self.push((*pattern).to_owned(), None, Err(why));
                }
                all.push(found.map(|found| found.paths).unwrap_or_default());
            },
        );
        all
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
        let (limits, budget) = (self.limits.clone(), self.budget.clone());
        let content = self.within(move || text(&path, &limits, &budget, read)).and_then(|content| content);
        self.budget.spend(content.as_ref().map_or(0, |part| part.bytes.len()));
        self.keep(source, kind, content);
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
                    let content = time.and_then(run);
                    let kind = kind_of(&words.join(" "), content.as_deref().unwrap_or_default());
                    if sender.send((words, kind, content)).is_err() {
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

    /// How long one of many readings of a probe may take, at most `most`; `Err` once the run is over.
    pub(crate) fn time(&self, most: Duration) -> Result<Duration, Missing> {
        self.budget.time(most.min(self.limits.read_time))
    }

    /// Keeps one record and takes it from what may still be read; its kind is told from the text where none is given.
    pub(crate) fn push(&mut self, source: String, kind: Option<Kind>, content: Result<Vec<u8>, Missing>) {
        self.budget.spend(content.as_ref().map_or(0, Vec::len));
        self.keep(source, kind, content.map(Part::whole));
    }

    fn keep(&mut self, source: String, kind: Option<Kind>, content: Result<Part, Missing>) {
        let end_of = content.as_ref().ok().and_then(|part| part.end_of);
        let content = content.map(|part| part.bytes);
        let kind = kind.unwrap_or_else(|| kind_of(&source, content.as_deref().unwrap_or_default()));
        self.records.push(Record { source, kind, content, end_of });
    }

    /// Largest file of this name that may be read.
    pub(crate) fn most_of(&self, path: &Path) -> u64 {
        self.budget.bytes(self.limits.of_live_file(&escape_path(path)))
    }
}

/// What a path stands for, by its place.
fn item(path: PathBuf) -> Item {
    if is_attribute(&path.to_string_lossy()) { Item::Attribute(path) } else { Item::File(path) }
}

/// Reads one file within its limit.
fn text(
    path: &Path,
    limits: &Limits,
    budget: &Budget,
    read: impl FnOnce(&Path, u64) -> Result<Part, Missing>,
) -> Result<Part, Missing> {
    let wanted = limits.of_live_file(&escape_path(path));
    read(path, budget.bytes(wanted)).map_err(|why| match why {
        Missing::TooLarge(size) if size <= wanted => {
            Missing::Failed("not read: the run has read as much as it may".to_owned())
        }
        other => other,
    })
}

/// Whether a file is there: an empty text where it is.
fn exists(path: &str) -> Result<Vec<u8>, Missing> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(Vec::new()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Missing::Absent),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(Missing::Denied),
        Err(error) => Err(Missing::Failed(error.to_string())),
    }
}
