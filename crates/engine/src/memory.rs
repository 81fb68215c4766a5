//! The journal: what every operation opens and closes with, and what people ask it.

use crate::meaning::Words;
use crate::{Environment, Error, Outcome};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use vmwright_host::redact;
use vmwright_journal::{Filter, Journal, Meaning, Whose};
use vmwright_model::{Entry, EntryId, EntryState, HostIdentity};

/// Which entries are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Which {
    /// Whose.
    pub who: Who,
    /// The project, as the path of its folder; all of them where none is named.
    pub project: Option<PathBuf>,
    /// Only entries with one of these sections: `technical_insights`, `feelings`, ...
    pub sections: Vec<String>,
    /// Only entries that are not older than so many days.
    pub days: Option<u64>,
}

/// Whose entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// Those of the project, and those that belong to none.
    #[default]
    Both,
    /// Those that belong to no project.
    User,
    /// Those of the project.
    Project,
}

impl Which {
    pub(crate) fn filter(&self) -> Filter {
        let whose = match self.who {
            Who::Both => Whose::Both,
            Who::User => Whose::User,
            Who::Project => Whose::Project,
        };
        // More days than there were since the beginning of time are all.
        let hours = self.days.and_then(|days| i64::try_from(days).ok()?.checked_mul(24));
        let since =
            hours.and_then(|hours| Timestamp::now().checked_sub(SignedDuration::from_hours(hours)).ok());
        Filter {
            whose,
            project: self.project.as_ref().map(|path| path.display().to_string()),
            sections: self.sections.clone(),
            since: since.map(written),
        }
    }
}

/// Opens the journal.
pub(crate) fn open(environment: &Environment) -> Result<Journal, Error> {
    if environment.kept().is_none() {
        return Err(Error::NoMemory);
    }
    Journal::open(&environment.journal()).map_err(Error::Journal)
}

/// Writes an entry, without the secrets in what it quotes. Gives its number, and it as it was written.
pub(crate) fn append(entry: Entry, environment: &Environment) -> Result<(EntryId, Entry), Error> {
    let entry = clean(entry);
    let id = open(environment)?.append(&entry).map_err(Error::Journal)?;
    Ok((id, entry))
}

/// What an entry about this host rests on besides its quotes: the kernel that it was seen under, and the programs that run
/// VMs as they were then. Of another host, which was read over SSH, its kernel alone.
pub(crate) fn under(host: &HostIdentity, environment: &Environment) -> Vec<String> {
    let mut under = vec![format!("{KERNEL}{}", host.kernel)];
    if vmwright_host::identity(&environment.state).id == host.id {
        under.push(format!("{PROGRAMS}{}", vmwright_host::programs().join(", ")));
    }
    under
}

const KERNEL: &str = "kernel ";
const PROGRAMS: &str = "programs ";

/// [`append`] of an analysis, which can be made again where the power fails before its entry is safe.
pub(crate) fn append_lightly(entry: Entry, mut journal: Journal) -> Result<(), Error> {
    journal.append_lightly(&clean(entry)).map_err(Error::Journal)?;
    Ok(())
}

/// An entry as it counts now: one of this host that was learned under another kernel, or with other programs, is stale, and
/// said to be so in the journal, until somebody proves it again. `now` is [`under`] of the host.
pub(crate) fn of_now(
    journal: &mut Journal,
    id: EntryId,
    entry: Entry,
    host: &HostIdentity,
    now: &[String],
) -> Result<(EntryId, Entry), Error> {
    let fresh = matches!(entry.state, EntryState::Pending | EntryState::Verified);
    let then = |kind: &str| entry.evidence.iter().rev().find(|one| one.starts_with(kind));
    let changed = |now: &&String| {
        let kind = [KERNEL, PROGRAMS].into_iter().find(|kind| now.starts_with(kind));
        kind.and_then(then).is_some_and(|then| then != *now)
    };
    let changes: Vec<String> = now.iter().filter(changed).map(|one| format!("since then {one}")).collect();
    if host.id.is_empty() || entry.host_id != host.id || !fresh || changes.is_empty() {
        return Ok((id, entry));
    }
    let id = journal.restate(id, EntryState::Stale, &changes, &self::now()).map_err(Error::Journal)?;
    Ok((id, Entry { state: EntryState::Stale, ..entry }))
}

/// Writes an entry that has no secrets any more; instead of `old`, where one is named.
pub(crate) fn write(
    entry: &Entry,
    old: Option<EntryId>,
    environment: &Environment,
) -> Result<EntryId, Error> {
    let mut journal = open(environment)?;
    let written = match old {
        Some(old) => journal.supersede(old, entry),
        None => journal.append(entry),
    };
    written.map_err(Error::Journal)
}

/// An entry without the secrets in what it quotes.
pub(crate) fn clean(mut entry: Entry) -> Entry {
    let clean = |text: &str| redact::text_of("journal", text);
    entry.title = clean(&entry.title);
    entry.body = clean(&entry.body);
    entry
}

/// A text without the secrets in it, as the journal and captures keep it.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    redact::text_of("journal", text)
}

/// An entry of now.
pub(crate) fn entry(operation: &str, title: String, body: String, host_id: &str) -> Entry {
    Entry {
        title,
        body,
        operation: operation.to_owned(),
        host_id: host_id.to_owned(),
        rules: Vec::new(),
        evidence: Vec::new(),
        state: EntryState::Pending,
        written: now(),
        project: None,
    }
}

/// Now, RFC 3339, UTC, to the second.
pub(crate) fn now() -> String {
    written(Timestamp::now())
}

pub(crate) fn written(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The path that an entry has among exported ones, and by which agents name it: `2026-01-31/09-15-00-000042.md`.
#[must_use]
pub fn entry_path(id: EntryId, entry: &Entry) -> String {
    let shape = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let day = entry.written.get(..10).filter(|day| shape(day)).unwrap_or("0000-00-00");
    let time = entry.written.get(11..19).map(|time| time.replace(':', "-")).filter(|time| shape(time));
    format!("{day}/{}-{:06}.md", time.as_deref().unwrap_or("00-00-00"), id.0)
}

/// The number of the entry that somebody names: by it, or by its [`entry_path`]. No file is looked at.
#[must_use]
pub fn entry_number(name: &str) -> Option<i64> {
    let digits = match name.rsplit_once('/') {
        None => name,
        Some((day, file)) => {
            let file = file.strip_suffix(".md")?;
            let mut parts = file.split('-');
            let shape = |text: &str, most: usize| {
                !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())
            };
            let day_fits = day.split('-').count() == 3 && day.split('-').all(|part| shape(part, 4));
            let time_fits = (0..3).all(|_| parts.next().is_some_and(|part| shape(part, 2)));
            let number = parts.next().filter(|_| day_fits && time_fits)?;
            if parts.next().is_some() {
                return None;
            }
            number
        }
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten().filter(|number| *number > 0)
}

pub(crate) fn search(
    query: &str,
    limit: usize,
    which: &Which,
    environment: &Environment,
) -> Result<Outcome, Error> {
    let words = Words::of(environment)?;
    let meaning = words.as_ref().map(|words| words as &dyn Meaning);
    let found = open(environment)?.search_meant(query, limit, &which.filter(), meaning);
    Ok(Outcome::Journal { entries: found.map_err(Error::Journal)? })
}

pub(crate) fn list(limit: usize, which: &Which, environment: &Environment) -> Result<Outcome, Error> {
    Ok(Outcome::Journal {
        entries: open(environment)?.list_in(limit, &which.filter()).map_err(Error::Journal)?,
    })
}

pub(crate) fn show(number: i64, environment: &Environment) -> Result<Outcome, Error> {
    let id = EntryId(number);
    let entry = open(environment)?.show(id).map_err(Error::Journal)?.ok_or(Error::NoEntry(number))?;
    Ok(Outcome::Journal { entries: vec![(id, entry)] })
}

pub(crate) fn add(
    title: String,
    body: String,
    project: Option<PathBuf>,
    thought: bool,
    environment: &Environment,
) -> Result<Outcome, Error> {
    let host = vmwright_host::identity(&environment.state).id;
    let mut entry = entry(if thought { "thought" } else { "note" }, title, body, &host);
    entry.project = project.map(|path| path.display().to_string());
    Ok(Outcome::Journal { entries: vec![append(entry, environment)?] })
}

pub(crate) fn verify(environment: &Environment) -> Result<Outcome, Error> {
    Ok(Outcome::JournalVerified { entries: open(environment)?.verify().map_err(Error::Journal)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_under_another_kernel_or_with_other_programs_is_stale() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&folder.path().join("journal.db")).unwrap();
        let host = HostIdentity { id: "0123456789abcdef".to_owned(), ..HostIdentity::default() };
        let with =
            |kernel: &str, programs: &str| vec![format!("{KERNEL}{kernel}"), format!("{PROGRAMS}{programs}")];
        let before = with("6.1.0", "qemu-system-x86_64 100@7");
        let mut one = entry("analyze", "a lock".to_owned(), String::new(), "0123456789abcdef");
        one.evidence = before.clone();
        let id = journal.append(&one).unwrap();
        let (same, kept) = of_now(&mut journal, id, one.clone(), &host, &before).unwrap();
        assert_eq!((same, kept.state), (id, EntryState::Pending));
        let updated = with("6.1.0", "qemu-system-x86_64 101@8");
        let (newer, stale) = of_now(&mut journal, id, one.clone(), &host, &updated).unwrap();
        assert_eq!((newer > id, stale.state), (true, EntryState::Stale));
        let shown = journal.show(newer).unwrap().unwrap();
        assert_eq!((shown.state, shown.evidence.len()), (EntryState::Stale, 3), "one thing has changed");
        // Stale once is stale.
        let again = of_now(&mut journal, newer, shown, &host, &updated).unwrap();
        assert_eq!(again.0, newer);
        // What older entries do not say has not changed.
        let mut old = entry("analyze", "an older one".to_owned(), String::new(), "0123456789abcdef");
        old.evidence = vec![before[0].clone()];
        let id = journal.append(&old).unwrap();
        assert_eq!(
            of_now(&mut journal, id, old.clone(), &host, &updated).unwrap().1.state,
            EntryState::Pending
        );
        let other = with("6.12.0", "qemu-system-x86_64 100@7");
        assert_eq!(of_now(&mut journal, id, old, &host, &other).unwrap().1.state, EntryState::Stale);
        let mut elsewhere = entry("analyze", "elsewhere".to_owned(), String::new(), "ffffffffffffffff");
        elsewhere.evidence = before;
        let id = journal.append(&elsewhere).unwrap();
        assert_eq!(of_now(&mut journal, id, elsewhere, &host, &other).unwrap().1.state, EntryState::Pending);
    }

    #[test]
    fn an_entry_is_named_by_number_or_path_and_by_nothing_else() {
        let mut one = entry("note", String::new(), String::new(), "");
        one.written = "2026-01-31T09:15:00Z".to_owned();
        let path = entry_path(EntryId(42), &one);
        assert_eq!(path, "2026-01-31/09-15-00-000042.md");
        assert_eq!(entry_number(&path), Some(42));
        assert_eq!(entry_number("42"), Some(42));
        assert_eq!(entry_path(EntryId(1_234_567), &one), "2026-01-31/09-15-00-1234567.md");
        for other in [
            "",
            "0",
            "-1",
            "/etc/shadow",
            "../1.md",
            "2026-01-31/../../etc/09-15-00-000042.md",
            "x/1.md",
            "1e3",
            "é",
        ] {
            assert_eq!(entry_number(other), None, "{other}");
        }
    }
}
