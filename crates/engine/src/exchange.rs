//! The journal's entries to Markdown files and back, in the form of private-journal: `YYYY-MM-DD/HH-MM-SS-....md`.

use crate::memory::{self, Which, entry_path};
use crate::{Environment, Error, Exchanged, Outcome};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use vmwright_journal::{ENTRY_LIMIT, Filter, markdown};
use vmwright_model::{Entry, EntryState};

/// Most files that are taken in at once.
const FILES: usize = 100_000;

/// Writes each entry that is wanted into a file of its own below `to`. A file that is there and says the same stays; one
/// that says something else is told and stays too.
pub(crate) fn export(to: &Path, which: &Which, environment: &Environment) -> Result<Outcome, Error> {
    let journal = memory::open(environment)?;
    let mut made = Exchanged { folder: to.to_owned(), ..Exchanged::default() };
    let mut failed = None;
    let each = &mut |id, entry: Entry| {
        let path = to.join(entry_path(id, &entry));
        match write(&path, &markdown::write(&entry, millis(&entry.written).unwrap_or(0))) {
            Ok(true) => made.moved += 1,
            Ok(false) => made.known += 1,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                made.left.push(format!("{}: it says something else, and stays", path.display()));
            }
            Err(source) => failed = Some(Error::File { path, source }),
        }
        failed.is_none()
    };
    journal.each_in(&which.filter(), each).map_err(Error::Journal)?;
    match failed {
        Some(error) => Err(error),
        None => Ok(Outcome::JournalExchanged(made)),
    }
}

/// Writes a file that nobody else may read; false where it is there already and says the same.
fn write(path: &Path, text: &str) -> io::Result<bool> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes())?;
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => match take(path) {
            Ok(there) if there == text => Ok(false),
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// Takes in the files below `from`, oldest first: as pending, whatever they say of themselves, and without secrets. What
/// the journal has already is passed over.
pub(crate) fn import(
    from: &Path,
    project: Option<PathBuf>,
    environment: &Environment,
) -> Result<Outcome, Error> {
    let mut made = Exchanged { folder: from.to_owned(), ..Exchanged::default() };
    let files = files(from).map_err(|source| Error::File { path: from.to_owned(), source })?;
    let mut journal = memory::open(environment)?;
    // Digests: a journal may have a million entries.
    let mut known: HashSet<[u8; 32]> = HashSet::new();
    let key = |entry: &Entry| {
        let digest = Sha256::new_with_prefix(&entry.written).chain_update("\n");
        digest.chain_update(entry.body.trim()).finalize().into()
    };
    let each = &mut |_, entry: Entry| {
        known.insert(key(&entry));
        true
    };
    journal.each_in(&Filter::default(), each).map_err(Error::Journal)?;
    let mut entries = Vec::new();
    for path in files {
        let text = match take(&path) {
            Ok(text) => text,
            Err(error) => {
                made.left.push(format!("{}: {error}", path.display()));
                continue;
            }
        };
        let Some(file) = markdown::read(&text) else {
            made.left.push(format!("{}: it has no head between two lines of `---`", path.display()));
            continue;
        };
        let Some(written) = written(&file, &path) else {
            made.left.push(format!("{}: it does not say when it was written", path.display()));
            continue;
        };
        let entry = memory::clean(Entry {
            title: file.title,
            body: file.body,
            operation: file.operation,
            // Its host may have been another one.
            host_id: String::new(),
            rules: file.rules,
            evidence: Vec::new(),
            state: EntryState::Pending,
            written,
            project: project.as_ref().map(|path| path.display().to_string()),
        });
        match known.insert(key(&entry)) {
            true => entries.push(entry),
            false => made.known += 1,
        }
    }
    made.moved = entries.len();
    journal.append_all(&entries).map_err(Error::Journal)?;
    Ok(Outcome::JournalExchanged(made))
}

/// When a file was written, as entries say it: by its head, or by its path.
fn written(file: &markdown::File, path: &Path) -> Option<String> {
    let by_date = file.date.as_deref().and_then(|date| date.parse::<Timestamp>().ok());
    let by_number = || file.timestamp.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let by_path = || {
        let day = path.parent()?.file_name()?.to_str()?;
        let time = path.file_stem()?.to_str()?.get(..8)?.replace('-', ":");
        format!("{day}T{time}Z").parse::<Timestamp>().ok()
    };
    by_date.or_else(by_number).or_else(by_path).map(memory::written)
}

fn millis(written: &str) -> Option<i64> {
    Some(written.parse::<Timestamp>().ok()?.as_millisecond())
}

/// The Markdown files in a folder and in the folders in it, by their paths. Links are not followed.
fn files(from: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![(from.to_owned(), true)];
    while let Some((folder, deeper)) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let (entry, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
            if kind.is_dir() && deeper {
                folders.push((entry, false));
            } else if kind.is_file() && entry.extension().is_some_and(|end| end == "md") {
                found.push(entry);
            }
            if found.len() > FILES {
                return Err(io::Error::other(format!("more than {FILES} files")));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The text of a regular file that an entry can hold.
fn take(path: &Path) -> io::Result<String> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).expect("open(2) takes an int");
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.size() > ENTRY_LIMIT as u64 {
        return Err(io::Error::other("no file that an entry could hold"));
    }
    let mut text = String::new();
    file.take(ENTRY_LIMIT as u64).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn environment(folder: &Path) -> Environment {
        Environment::new(Some(folder.to_owned()), Arc::default()).unwrap()
    }

    fn made(outcome: Result<Outcome, Error>) -> (usize, usize, usize) {
        match outcome.unwrap() {
            Outcome::JournalExchanged(made) => (made.moved, made.known, made.left.len()),
            other => panic!("{other:?}"),
        }
    }

    fn listed(environment: &Environment) -> Vec<(String, String, EntryState)> {
        let entries = memory::open(environment).unwrap().list(100).unwrap();
        entries.into_iter().map(|(_, entry)| (entry.title, entry.body, entry.state)).collect()
    }

    #[test]
    fn entries_go_to_files_and_come_back_once() {
        let (one, other, folder) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, other) = (environment(one.path()), environment(other.path()));
        for (title, body) in [("first", "## Feelings\n\nfine"), ("second: \"quoted\"", "text\n---\nmore")] {
            memory::add(title.to_owned(), body.to_owned(), None, false, &one).unwrap();
        }
        let to = folder.path().join("out");
        assert_eq!(made(export(&to, &Which::default(), &one)), (2, 0, 0));
        assert_eq!(made(export(&to, &Which::default(), &one)), (0, 2, 0));
        assert_eq!(made(import(&to, None, &other)), (2, 0, 0));
        assert_eq!(made(import(&to, None, &other)), (0, 2, 0), "nothing comes twice");
        let mut back = listed(&other);
        back.sort_by(|a, b| a.0.cmp(&b.0));
        let mut there = listed(&one);
        there.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(back, there);
        memory::open(&other).unwrap().verify().unwrap();
        // What somebody has changed in a file is theirs.
        let file = files(&to).unwrap().remove(0);
        fs::write(&file, "mine").unwrap();
        assert_eq!(made(export(&to, &Which::default(), &one)), (0, 1, 1));
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    }

    #[test]
    fn strange_files_are_told_and_left() {
        let (state, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let environment = environment(state.path());
        let day = folder.path().join("2025-07-04");
        fs::create_dir(&day).unwrap();
        let head = "---\ntitle: \"2:41:52 PM - July 4, 2025\"\ndate: 2025-07-04T21:41:52.123Z\ntimestamp: 1751665312123\n---\n\n";
        fs::write(
            day.join("14-41-52-123456.md"),
            format!("{head}## Technical Insights\n\npassword=hunter2hunter2\n"),
        )
        .unwrap();
        fs::write(day.join("14-41-52-123456.embedding"), "{}").unwrap();
        fs::write(day.join("no-head.md"), "text").unwrap();
        fs::write(day.join("bytes.md"), b"---\n\xff\n---\n").unwrap();
        fs::write(day.join("no-time.md"), "---\ntitle: x\n---\ntext\n").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", day.join("link.md")).unwrap();
        assert_eq!(made(import(folder.path(), None, &environment)), (1, 0, 3));
        let entries = memory::open(&environment).unwrap().list(9).unwrap();
        let (_, entry) = &entries[0];
        assert_eq!((entry.written.as_str(), entry.state), ("2025-07-04T21:41:52Z", EntryState::Pending));
        assert!(!entry.body.contains("hunter2") && !entry.title.contains("hunter2"), "{entry:?}");
        assert!(import(&folder.path().join("nowhere"), None, &environment).is_err());
    }
}
