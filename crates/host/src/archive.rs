//! An archive that somebody kept: `vmwright capture`'s, a `sos report`, or a tar of loose files. Read in one pass
//! in memory, never unpacked to disk; its names, links, sizes and contents are a stranger's.
//!
//! A sos report holds far more than the rules ask for. Of it these stay: what a rule names, followed through the
//! links of `/proc` and `/sys` as they were on the host; what a view recognises by its content; logs, and what the
//! commands said. Of a tar of loose files everything stays, as from a folder.

mod entries;
pub(crate) mod kinds;
mod leaves;
mod tree;
mod unpack;

use crate::bounded::within;
use crate::capture::{self, INDEX, Index};
use crate::file::{HEAD, end, is_binary, is_log, is_value};
use crate::limits::{Budget, Limits};
use crate::root::CollectError;
use crate::text::escape;
use entries::{Entries, Entry, Stop, What};
use leaves::Leaves;
use rustix::fd::AsRawFd;
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;
use std::time::{Duration, Instant};
use tree::{Node, Tree, normal};
pub(crate) use unpack::Packing;
use vmwright_model::{Kind, Missing, Need, Record, Snapshot};

/// Largest output of a command in a sos report that is kept though nothing recognises it, in bytes: an error
/// message is short.
const SAID: usize = 64 << 10;

/// How much is unpacked at once, in bytes.
const UNPACKED: usize = 64 << 10;

/// Most bytes of all names together.
const NAMES: usize = 64 << 20;

/// Directories of a host's root. An archive whose only top folder has such a name has no folder around it.
const ROOTS: [&str; 17] = [
    "bin", "boot", "dev", "etc", "home", "lib", "lib64", "opt", "proc", "root", "run", "sbin", "srv", "sys",
    "tmp", "usr", "var",
];

/// Whose layout the archive has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Loose,
    Sos,
    Capture,
}

/// Whether there is a file at `path` that holds an archive.
pub(crate) fn is_archive(path: &Path) -> io::Result<bool> {
    let (_, head) = open_archive(path)?;
    Ok(Packing::of(&head).is_some())
}

/// Reads the archive; of a sos report what `needs` name, and what is worth reading besides.
pub(crate) fn collect(path: &Path, needs: &[Need], limits: &Limits) -> Result<Snapshot, CollectError> {
    let failed = |source| CollectError::Archive { path: path.to_owned(), source };
    let (own, needs, limits_there) = (path.to_owned(), needs.to_vec(), limits.clone());
    // On a thread of its own: a dead network file system does not even open.
    let patience = limits.total_time + Duration::from_secs(1);
    let read = within(patience, move || read(&own, &needs, &limits_there));
    match read {
        Ok(Ok(Some(snapshot))) => Ok(snapshot),
        Ok(Ok(None)) => Err(CollectError::NotArchive(path.to_owned())),
        Ok(Err(error)) => Err(failed(error)),
        Err(why) => Err(failed(io::Error::new(io::ErrorKind::TimedOut, why.to_string()))),
    }
}

/// Opens a regular file, without waking a FIFO or a device, and reads its first bytes.
fn open_archive(path: &Path) -> io::Result<(File, Vec<u8>)> {
    let found = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&found)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, Missing::NotRegular.to_string()));
    }
    let again = format!("/proc/self/fd/{}", found.as_raw_fd());
    let mut file = File::from(open(again, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?);
    let mut head = Vec::new();
    (&mut file).take(512).read_to_end(&mut head)?;
    file.rewind()?;
    Ok((file, head))
}

fn read(path: &Path, needs: &[Need], limits: &Limits) -> io::Result<Option<Snapshot>> {
    let (file, head) = open_archive(path)?;
    let Some(packing) = Packing::of(&head) else { return Ok(None) };
    let stream = unpack::unpack(file, packing, limits, Instant::now() + limits.total_time)?;
    let mut reading = Reading::new(needs, limits);
    // Headers and most members are a few hundred bytes: each read of what unpacks costs as much as many of them.
    reading.all(Entries::new(BufReader::with_capacity(UNPACKED, stream)));
    Ok(Some(reading.finish(needs)))
}

/// One pass over an archive.
struct Reading<'a> {
    limits: &'a Limits,
    budget: Budget,
    leaves: Leaves,
    layout: Layout,
    tree: Tree,
    /// Size of the logs of which only the end was read, by their paths.
    ends: BTreeMap<String, u64>,
    /// What members are of which that was asked to know whether to keep them, by their paths.
    kinds: HashMap<String, Kind>,
    names: usize,
    members: usize,
    /// What is wrong with the archive as a whole, and members that could not be named.
    notes: Vec<Record>,
    /// The first component that all members share.
    top: Option<String>,
    shared: bool,
}

impl<'a> Reading<'a> {
    fn new(needs: &[Need], limits: &'a Limits) -> Self {
        Self {
            limits,
            budget: Budget::new(limits),
            leaves: Leaves::of(needs),
            layout: Layout::Loose,
            tree: Tree::default(),
            ends: BTreeMap::new(),
            kinds: HashMap::new(),
            names: 0,
            members: 0,
            notes: Vec::new(),
            top: None,
            shared: true,
        }
    }

    fn all<R: Read>(&mut self, mut entries: Entries<R>) {
        loop {
            let step = entries.next().and_then(|entry| {
                self.members += 1;
                if self.members > self.limits.members {
                    return Err(Stop::Broken(format!("it has more than {} members", self.limits.members)));
                }
                if self.names > NAMES {
                    return Err(Stop::Broken("the names of its members have no end".to_owned()));
                }
                self.member(&mut entries, entry)
            });
            match step {
                Ok(()) => {}
                Err(Stop::End) => return,
                Err(Stop::Broken(why)) => {
                    let why = format!("{why}; what comes after {} members was not read", self.members);
                    return self.note(".".to_owned(), Missing::Failed(why));
                }
            }
        }
    }

    fn member<R: Read>(&mut self, entries: &mut Entries<R>, entry: Entry) -> Result<(), Stop> {
        let raw = escape(&entry.name[..entry.name.len().min(4096)]);
        let path = match normal(&raw) {
            Some(path) if entry.name.len() <= 4096 => path,
            Some(_) => {
                self.note(raw, Missing::Failed("its name is longer than 4096 bytes".to_owned()));
                return Ok(());
            }
            None => {
                self.note(raw, Missing::Escapes);
                return Ok(());
            }
        };
        if path.is_empty() {
            return Ok(());
        }
        self.names += path.len();
        self.see(&path, entry.what == What::Directory);
        let node = match entry.what {
            What::Directory => return Ok(()),
            What::Link(target) => Node::Link(escape(&target)),
            What::HardLink(target) => match normal(&escape(&target)) {
                Some(target) => Node::Same(target),
                None => Node::File(Err(Missing::Escapes)),
            },
            What::Sparse => Node::File(Err(Missing::Failed("a file with holes; not read".to_owned()))),
            What::Other => Node::File(Err(Missing::NotRegular)),
            What::File if !self.wants(&path) => return Ok(()),
            What::File => match self.content(entries, &path, entry.size) {
                Ok(content) => {
                    if !self.keeps(&path, &content) {
                        return Ok(());
                    }
                    self.budget.spend(content.as_ref().map_or(0, Vec::len));
                    Node::File(content)
                }
                Err(stop) => {
                    let why = Missing::Failed("the archive ends in the middle of it".to_owned());
                    self.tree.insert(path, Node::File(Err(why)));
                    return Err(stop);
                }
            },
        };
        self.tree.insert(path, node);
        Ok(())
    }

    fn content<R: Read>(
        &mut self,
        entries: &mut Entries<R>,
        path: &str,
        size: u64,
    ) -> Result<Result<Vec<u8>, Missing>, Stop> {
        let wanted = self.limits.record;
        let most = self.budget.bytes(wanted);
        if let Some(bytes) = entries.content(size, most)? {
            return Ok(if is_binary(&bytes) { Err(Missing::Binary) } else { Ok(bytes) });
        }
        // Less than a head is no use to anybody.
        if most >= HEAD as u64 {
            let head = entries.begin(HEAD as u64)?;
            if is_log(path, &head) {
                if is_binary(&head) {
                    return Ok(Err(Missing::Binary));
                }
                let newest = entries.end(size, most, &head)?;
                self.ends.insert(path.to_owned(), size);
                return Ok(Ok(end(newest, size).bytes));
            }
        }
        Ok(Err(match size {
            _ if size > wanted => Missing::TooLarge(size),
            _ => Missing::Failed("not read: the run has read as much as it may".to_owned()),
        }))
    }

    /// Learns from a name what archive this is.
    fn see(&mut self, path: &str, directory: bool) {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        if rest.is_empty() && !directory {
            self.shared = false;
        }
        match &self.top {
            None => self.top = Some(first.to_owned()),
            Some(top) if top != first => self.shared = false,
            Some(_) => {}
        }
        if self.layout == Layout::Loose {
            if rest == INDEX || path == INDEX {
                self.layout = Layout::Capture;
            } else if first.starts_with("sosreport-")
                || ["sos_commands", "sos_reports"].iter().any(|name| rest.starts_with(name) || first == *name)
            {
                self.layout = Layout::Sos;
            }
        }
    }

    /// Whether a member of this name can be worth reading at all.
    fn wants(&self, path: &str) -> bool {
        self.layout != Layout::Sos || !is_of_sos(path) && (self.leaves.name(path) || !is_noise(path))
    }

    /// Whether a member that was read is worth keeping.
    fn keeps(&mut self, path: &str, content: &Result<Vec<u8>, Missing>) -> bool {
        if self.layout != Layout::Sos || self.leaves.name(path) {
            return true;
        }
        let inner = path.split_once('/').map_or(path, |(_, rest)| rest);
        let is_log = inner.starts_with("var/log/") || path.starts_with("var/log/") || path.ends_with(".log");
        match content {
            Err(_) => is_log,
            Ok(bytes) => {
                is_log
                    || bytes.len() <= SAID && inner.starts_with("sos_commands/")
                    || self.kind(path, bytes) != Kind::TEXT
            }
        }
    }

    /// What a member is. Asked once more when it becomes a record.
    fn kind(&mut self, path: &str, bytes: &[u8]) -> Kind {
        let kind = kinds::of(path, bytes);
        // Of a name with blanks it matters what stands before it, which a record leaves away.
        if !path.contains(' ') {
            self.kinds.insert(path.to_owned(), kind.clone());
        }
        kind
    }

    fn note(&mut self, source: String, why: Missing) {
        // A million names that lead out are told by a few.
        if self.notes.len() < self.limits.records || source == "." {
            self.notes.push(Record::missing(source, Kind::TEXT, why));
        }
    }

    /// The records.
    fn finish(mut self, needs: &[Need]) -> Snapshot {
        let top = match &self.top {
            Some(top) if self.shared && !ROOTS.contains(&top.as_str()) && !top.starts_with("sos_") => {
                top.clone()
            }
            _ => String::new(),
        };
        if self.layout == Layout::Capture
            && let Some(index) = self.index(&top)
        {
            let mut notes = std::mem::take(&mut self.notes);
            let prefix = if top.is_empty() { String::new() } else { format!("{top}/") };
            let mut nodes = self.tree.into_nodes();
            let mut snapshot =
                capture::restore(index, &mut |file| match nodes.remove(&format!("{prefix}{file}")) {
                    Some(Node::File(content)) => Some(content),
                    _ => None,
                });
            snapshot.records.append(&mut notes);
            return snapshot;
        }
        let mut records = std::mem::take(&mut self.notes);
        let most = self.limits.records;
        let mut named = BTreeSet::new();
        if self.layout == Layout::Sos {
            named = self.alias(&top, needs, &mut records);
        }
        let (ends, mut kinds) = (std::mem::take(&mut self.ends), std::mem::take(&mut self.kinds));
        for (path, node) in std::mem::take(&mut self.tree).into_nodes() {
            if self.layout == Layout::Sos && is_noise(&path) && !named.contains(&path) {
                continue;
            }
            let source = path.strip_prefix(&top).map_or(path.as_str(), |rest| rest.trim_start_matches('/'));
            let content = match node {
                Node::File(content) => content,
                Node::Link(_) | Node::Same(_) if self.layout == Layout::Sos => continue,
                Node::Link(target) if self.leads_out(&path, &target) => Err(Missing::Escapes),
                // What it leads to is read under its own name.
                Node::Link(_) | Node::Same(_) => continue,
            };
            if records.len() >= most {
                let why = format!("more than {most} files; the rest was not read");
                records.push(Record::missing(".", Kind::TEXT, Missing::Failed(why)));
                break;
            }
            let known = kinds.remove(&path);
            records.push(Record { end_of: ends.get(&path).copied(), ..record(source, content, known) });
        }
        Snapshot { records, ..Snapshot::default() }
    }

    /// Copies what the rules name from where links lead to where the rules look for it. Gives the paths of what
    /// lies there without any link.
    fn alias(&mut self, top: &str, needs: &[Need], records: &mut Vec<Record>) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        for need in needs {
            let (Need::File(pattern) | Need::Glob(pattern)) = need else { continue };
            for (shown, real) in self.tree.expand(top, pattern, self.limits.matches) {
                if records.len() >= self.limits.records {
                    return named;
                }
                let end_of = real.as_ref().ok().and_then(|real| self.ends.get(real)).copied();
                let content = match real {
                    Ok(real)
                        if real
                            .strip_prefix(top)
                            .is_some_and(|real| real == shown || real == &shown[1..]) =>
                    {
                        named.insert(real);
                        continue;
                    }
                    Ok(real) => match self.tree.get(&real) {
                        Some(Node::File(content)) => content.clone(),
                        _ => continue,
                    },
                    Err(why) => Err(why),
                };
                let size = content.as_ref().map_or(0, |bytes: &Vec<u8>| bytes.len() as u64);
                if self.budget.bytes(size) < size {
                    continue;
                }
                self.budget.spend(content.as_ref().map_or(0, Vec::len));
                records.push(Record { end_of, ..record(shown.trim_start_matches('/'), content, None) });
            }
        }
        named
    }

    fn leads_out(&self, path: &str, target: &str) -> bool {
        let above = path.matches('/').count();
        let mut depth = above;
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." if depth == 0 => return true,
                ".." => depth -= 1,
                _ => depth += 1,
            }
        }
        target.starts_with('/')
    }

    fn index(&self, top: &str) -> Option<Index> {
        let path = if top.is_empty() { INDEX.to_owned() } else { format!("{top}/{INDEX}") };
        match self.tree.get(&path) {
            Some(Node::File(Ok(bytes))) => Index::read(bytes),
            _ => None,
        }
    }
}

/// Whether a part of a path in a sos report begins so, with or without the folder around everything.
fn lies_in(path: &str, folders: &[&str]) -> bool {
    let inner = path.split_once('/').map_or(path, |(_, rest)| rest);
    folders.iter().any(|folder| inner.starts_with(folder) || path.starts_with(folder))
}

/// What sos says of its own work.
fn is_of_sos(path: &str) -> bool {
    lies_in(path, &["sos_logs/", "sos_reports/", "sos_strings/"])
}

/// Thousands of single values, and what every process has: nothing, unless a rule names it.
fn is_noise(path: &str) -> bool {
    const NOISE: [&str; 11] = [
        "sys/",
        "proc/irq/",
        "proc/1",
        "proc/2",
        "proc/3",
        "proc/4",
        "proc/5",
        "proc/6",
        "proc/7",
        "proc/8",
        "proc/9",
    ];
    lies_in(path, &NOISE)
}

/// A record; `known` is what its text is, if that was asked before.
fn record(source: &str, content: Result<Vec<u8>, Missing>, known: Option<Kind>) -> Record {
    // Values of sysfs are told from others by where they lie on a host.
    let place = format!("/{source}");
    let kind = match known {
        Some(kind) if !is_value(&place) => kind,
        _ => kinds::of(&place, content.as_deref().unwrap_or_default()),
    };
    Record { source: source.to_owned(), kind, content, end_of: None }
}
