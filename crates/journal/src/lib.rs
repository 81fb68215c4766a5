//! What is remembered: every operation's record, append-only, hash-chained and searchable.
//!
//! One SQLite file. Nothing in it is ever changed: a new state of an entry is a new entry that supersedes the
//! old one, and triggers inside the file refuse everything else. Each entry carries the SHA-256 over the entry
//! before it and its own content, so that [`Journal::verify`] finds the first place where the record was
//! altered. The chain shows damage and careless edits; it cannot stop the owner of the file from writing a whole
//! new one, so whoever must prove more keeps [`Journal::head`] elsewhere.
//!
//! The file is kept with a rollback journal and not with a write-ahead log. ANALYSIS writes here while the kernel
//! lets it write to the state directory only and refuses `chmod` and `chown`; a write-ahead log would
//! also need a shared-memory file beside the journal that every mere reader must be able to write.

mod chain;
mod error;
pub mod markdown;
mod meaning;
mod query;
mod schema;
mod search;
mod signs;

pub use error::Error;
pub use meaning::Meaning;
pub use search::{Filter, Whose};

use error::Site;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, TransactionBehavior, params};
use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;
use vmwright_model::{Entry, EntryId, EntryState};

/// How long a writer waits for others before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Largest entry, as canonical JSON, in bytes. A report is a file of its own and is named in the evidence.
pub const ENTRY_LIMIT: usize = 1 << 20;

/// Most entries that one search or listing gives back.
pub const ANSWER_LIMIT: usize = 1000;

/// The record, open.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
    site: Site,
    /// Whether the file has signs and projects: one of the first version that is only read has none.
    signs: bool,
}

impl Journal {
    /// Opens the journal at `path` and makes it, readable by its owner alone, where there is none. The folder
    /// must exist.
    ///
    /// # Errors
    /// All of [`Error`]; a file that is refused is left as it was.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_waiting(path, PATIENCE)
    }

    /// As [`Journal::open`], with another patience than [`PATIENCE`].
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_waiting(path: &Path, patience: Duration) -> Result<Self, Error> {
        schema::make_file(path)?;
        Self::connect(path, patience, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    /// Opens the journal for reading. Makes nothing: where there is no journal yet, it is an empty one.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_read_only(path: &Path) -> Result<Self, Error> {
        if schema::absent(path)? {
            let site = Site { path: path.to_owned(), patience: PATIENCE };
            let connection = schema::in_memory().map_err(|source| site.error("prepare", source))?;
            return Ok(Self { connection, site, signs: true });
        }
        Self::connect(path, PATIENCE, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn connect(path: &Path, patience: Duration, access: OpenFlags) -> Result<Self, Error> {
        let site = Site { path: path.to_owned(), patience };
        let mut connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|source| site.error("open", source))?;
        connection.busy_timeout(patience).map_err(|source| site.error("open", source))?;
        let signs = schema::prepare(&mut connection, &site)?;
        Ok(Self { connection, site, signs })
    }

    /// Appends an entry. When this returns, the entry is on disk.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Locked`], [`Error::ReadOnly`], [`Error::TooLarge`] and the others of SQLite; the
    /// journal is then as it was.
    pub fn append(&mut self, entry: &Entry) -> Result<EntryId, Error> {
        self.write(entry.clone(), None)
    }

    /// [`Journal::append`] of an entry that is no loss where the power fails: it waits for the disk three times instead of
    /// five. The journal may end before this entry then. By SQLite's manual (`PRAGMA synchronous`, NORMAL) it can be damaged so
    /// very rarely, on older file systems; its chain tells.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn append_lightly(&mut self, entry: &Entry) -> Result<EntryId, Error> {
        let set = |journal: &Self, forced| {
            schema::force(&journal.connection, forced)
                .map_err(|source| journal.site.error("append to", source))
        };
        set(self, false)?;
        let written = self.append(entry);
        set(self, true)?;
        written
    }

    /// Appends an entry that says better what `old` said. `old`, or the entry that superseded it meanwhile, is
    /// superseded from now on.
    ///
    /// # Errors
    /// As [`Journal::append`], and [`Error::NoSuchEntry`].
    pub fn supersede(&mut self, old: EntryId, entry: &Entry) -> Result<EntryId, Error> {
        self.write(entry.clone(), Some(old))
    }

    /// Gives an entry another state, with what it rests on: appends it once more, in that state, `evidence`
    /// added, and supersedes the old one. `written` is the time of this change, RFC 3339, UTC.
    ///
    /// # Errors
    /// As [`Journal::supersede`].
    pub fn restate(
        &mut self,
        id: EntryId,
        state: EntryState,
        evidence: &[String],
        written: &str,
    ) -> Result<EntryId, Error> {
        let newest = newest(&self.connection, id).map_err(|source| self.site.error("read", source))?;
        let mut entry = self.show(newest)?.ok_or(Error::NoSuchEntry { id })?;
        for one in evidence {
            if !entry.evidence.contains(one) {
                entry.evidence.push(one.clone());
            }
        }
        entry.state = state;
        written.clone_into(&mut entry.written);
        self.write(entry, Some(id))
    }

    /// Appends entries, all or none.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn append_all(&mut self, entries: &[Entry]) -> Result<Vec<EntryId>, Error> {
        let site = &self.site;
        let begin = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let change = begin.map_err(|source| site.error("append to", source))?;
        let ids =
            entries.iter().map(|entry| insert(&change, entry, None, site)).collect::<Result<Vec<_>, _>>()?;
        change.commit().map_err(|source| site.error("append to", source))?;
        Ok(ids)
    }

    fn write(&mut self, entry: Entry, old: Option<EntryId>) -> Result<EntryId, Error> {
        let site = &self.site;
        let begin = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let change = begin.map_err(|source| site.error("append to", source))?;
        let supersedes = match old {
            Some(old) => {
                let newest = newest(&change, old).map_err(|source| site.error("append to", source))?;
                entry_at(&change, newest, site)?.ok_or(Error::NoSuchEntry { id: old })?;
                Some(newest)
            }
            None => None,
        };
        let id = insert(&change, &entry, supersedes, site)?;
        change.commit().map_err(|source| site.error("append to", source))?;
        Ok(id)
    }

    /// One entry, in its present state.
    ///
    /// # Errors
    /// As [`Journal::search`].
    pub fn show(&self, id: EntryId) -> Result<Option<Entry>, Error> {
        let found = self.entry_with(query::SHOW, id.0).map_err(|source| self.site.error("read", source))?;
        Ok(found.map(|(_, entry)| entry))
    }

    /// An entry, or the one that supersedes it now, with its number.
    ///
    /// # Errors
    /// As [`Journal::search`].
    pub fn current(&self, id: EntryId) -> Result<Option<(EntryId, Entry)>, Error> {
        let newest = newest(&self.connection, id).map_err(|source| self.site.error("read", source))?;
        self.entry_with(query::SHOW, newest.0).map_err(|source| self.site.error("read", source))
    }

    /// Checks the file and the whole chain and gives the number of entries.
    ///
    /// # Errors
    /// [`Error::Broken`] names the first entry that is not as it was written; [`Error::Corrupt`] a damaged file.
    pub fn verify(&self) -> Result<u64, Error> {
        chain::verify(&self.connection, self.signs, &self.site)
    }

    /// The newest entry and its hash, 64 hexadecimal digits: kept elsewhere, it proves all that was written up to
    /// it. None where the journal is empty.
    ///
    /// # Errors
    /// As [`Journal::search`].
    pub fn head(&self) -> Result<Option<(EntryId, String)>, Error> {
        let head = chain::head(&self.connection).map_err(|source| self.site.error("read", source))?;
        Ok(head.map(|(id, hash)| (id, hash.iter().map(|byte| format!("{byte:02x}")).collect())))
    }

    /// One entry, by one of [`query`]'s texts.
    fn entry_with(&self, sql: &str, id: i64) -> rusqlite::Result<Option<(EntryId, Entry)>> {
        self.connection.prepare(&self.fitting(sql))?.query_row([id], entry).optional()
    }

    /// A query as the file's version has it.
    fn fitting<'s>(&self, sql: &'s str) -> Cow<'s, str> {
        if self.signs { Cow::Borrowed(sql) } else { Cow::Owned(sql.replace("e.project", "NULL")) }
    }
}

/// Puts an entry at the end of the chain.
fn insert(
    change: &Connection,
    entry: &Entry,
    supersedes: Option<EntryId>,
    site: &Site,
) -> Result<EntryId, Error> {
    let last = chain::head(change).map_err(|source| site.error("append to", source))?;
    let (id, previous) = match last {
        Some((id, hash)) => (EntryId(id.0 + 1), hash),
        None => (EntryId(1), chain::ROOT),
    };
    let content = chain::content(id, supersedes, entry);
    if content.len() > ENTRY_LIMIT {
        return Err(Error::TooLarge { bytes: content.len(), limit: ENTRY_LIMIT });
    }
    let put = || -> rusqlite::Result<()> {
        change
            .prepare(
                "INSERT INTO entry (id, supersedes, title, body, operation, host_id, rules, evidence, state, written, \
                 previous, hash, project) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                id.0,
                supersedes.map(|old| old.0),
                entry.title,
                entry.body,
                entry.operation,
                entry.host_id,
                list_to_text(&entry.rules),
                list_to_text(&entry.evidence),
                state_name(entry.state),
                entry.written,
                previous,
                chain::hash(&previous, &content),
                entry.project,
            ])?;
        schema::index(change, id, entry)
    };
    put().map_err(|source| site.error("append to", source))?;
    Ok(id)
}

/// The version of an entry that nothing supersedes.
fn newest(connection: &Connection, id: EntryId) -> rusqlite::Result<EntryId> {
    let mut id = id;
    let mut next = connection.prepare("SELECT id FROM entry WHERE supersedes = ?1 AND id > ?1")?;
    // Ends: a version has a greater number than the one that it supersedes.
    while let Some(newer) = next.query_row([id.0], |row| row.get(0)).optional()? {
        id = EntryId(newer);
    }
    Ok(id)
}

fn entry_at(connection: &Connection, id: EntryId, site: &Site) -> Result<Option<Entry>, Error> {
    let found = connection.query_row(query::SHOW, [id.0], entry).optional();
    Ok(found.map_err(|source| site.error("read", source))?.map(|(_, entry)| entry))
}

/// Reads the columns that every query in [`query`] gives, in their order.
fn entry(row: &Row<'_>) -> rusqlite::Result<(EntryId, Entry)> {
    let entry = Entry {
        title: row.get(1)?,
        body: row.get(2)?,
        operation: row.get(3)?,
        host_id: row.get(4)?,
        rules: list_from_text(row, 5)?,
        evidence: list_from_text(row, 6)?,
        state: state_from_name(row, 7)?,
        written: row.get(8)?,
        project: row.get(9)?,
    };
    Ok((EntryId(row.get(0)?), entry))
}

fn list_to_text(list: &[String]) -> String {
    serde_json::to_string(list).expect("strings always have a JSON form")
}

fn list_from_text(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<String>> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|source| unreadable(column, Box::new(source)))
}

fn state_name(state: EntryState) -> &'static str {
    match state {
        EntryState::Pending => "pending",
        EntryState::Verified => "verified",
        EntryState::Superseded => "superseded",
        EntryState::Stale => "stale",
    }
}

fn state_from_name(row: &Row<'_>, column: usize) -> rusqlite::Result<EntryState> {
    let name: String = row.get(column)?;
    [EntryState::Pending, EntryState::Verified, EntryState::Superseded, EntryState::Stale]
        .into_iter()
        .find(|state| state_name(*state) == name)
        .ok_or_else(|| unreadable(column, format!("unknown state `{name}`").into()))
}

fn unreadable(column: usize, source: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, source)
}

#[cfg(test)]
mod tests;
