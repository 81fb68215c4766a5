//! The layout of the file, and how a file is made or recognised.

use crate::error::{Error, Site};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, OnceLock};
use vmwright_model::{Entry, EntryId};

/// Version of the layout, in SQLite's `user_version`.
const VERSION: i64 = 2;

/// `vmwr`, in SQLite's `application_id`: tells a journal from any other SQLite file.
const APPLICATION: i64 = 0x766d_7772;

/// Size of the smallest page that SQLite knows, in bytes.
const HEADER: u64 = 512;

/// `AUTOINCREMENT` keeps the highest number ever given, see `chain::verify`. The trigger before an insert is
/// needed beside the other two because `INSERT OR REPLACE` deletes a row without asking the delete trigger.
pub(crate) const LAYOUT: &str = "
CREATE TABLE entry (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  supersedes INTEGER,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  operation TEXT NOT NULL,
  host_id TEXT NOT NULL,
  rules TEXT NOT NULL,
  evidence TEXT NOT NULL,
  state TEXT NOT NULL,
  written TEXT NOT NULL,
  previous BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX entry_supersedes ON entry (supersedes) WHERE supersedes IS NOT NULL;
CREATE VIRTUAL TABLE entry_text USING fts5(
  title, body, rules, evidence, content='entry', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER entry_follows BEFORE INSERT ON entry
WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM entry)
  OR NEW.previous IS NOT coalesce((SELECT hash FROM entry ORDER BY id DESC LIMIT 1), zeroblob(32))
  OR NEW.supersedes >= NEW.id
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER entry_indexed AFTER INSERT ON entry BEGIN
  INSERT INTO entry_text (rowid, title, body, rules, evidence)
  VALUES (NEW.id, NEW.title, NEW.body, NEW.rules, NEW.evidence);
END;
CREATE TRIGGER entry_never_changes BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER entry_never_goes BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
";

/// What the second version has more: projects, and the signs of [`crate::signs`]. Signs are made of the entries, and
/// can be made of them anew.
const LAYOUT_2: &str = "
ALTER TABLE entry ADD COLUMN project TEXT;
CREATE TABLE sign (sign TEXT NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (sign, entry)) STRICT, WITHOUT ROWID;
";

/// Guards the making of a file. The kernel drops all of a process's locks on a file when any descriptor of it is
/// closed, so no other thread may be past this point, with a lock, while the descriptor made here is open.
static MAKING: Mutex<()> = Mutex::new(());

/// Makes an empty file that only its owner may read, where there is none.
pub(crate) fn make_file(path: &Path) -> Result<(), Error> {
    let _alone = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::StorageFull => {
            Err(Error::Full { path: path.display().to_string() })
        }
        Err(error) => {
            // The state directory may be unwritable and the journal in it readable all the same.
            if absent(path)? { Err(unreadable(path, error)) } else { Ok(()) }
        }
    }
}

/// Whether there is no file yet.
pub(crate) fn absent(path: &Path) -> Result<bool, Error> {
    match fs::metadata(path) {
        // SQLite takes what is shorter than its header for an empty file, and would overwrite it.
        Ok(found) if found.is_file() && (1..HEADER).contains(&found.len()) => {
            Err(Error::Corrupt { path: path.display().to_string(), what: "not an SQLite file".to_owned() })
        }
        Ok(found) if found.is_file() => Ok(false),
        Ok(_) => Err(Error::NotRegular { path: path.display().to_string() }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::Unreadable { path: path.display().to_string(), source }
}

/// An empty journal that no file holds.
pub(crate) fn in_memory() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(LAYOUT)?;
    connection.execute_batch(LAYOUT_2)?;
    Ok(connection)
}

/// An empty journal as the first version had it.
fn first() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(LAYOUT)?;
    Ok(connection)
}

/// Recognises the file, refuses what is not a journal of this version, and lays out an empty one. Writes nothing
/// to a file that it refuses. A file of an older version is brought to this one, unless it may only be read: then false.
pub(crate) fn prepare(connection: &mut Connection, site: &Site) -> Result<bool, Error> {
    guard(connection).map_err(|source| site.error("open", source))?;
    match recognise(connection, site)? {
        0 => {}
        VERSION => return keep(connection).map(|()| true).map_err(|source| site.error("open", source)),
        _ if connection.is_readonly("main").unwrap_or(false) => {
            return keep(connection).map(|()| false).map_err(|source| site.error("open", source));
        }
        _ => {
            keep(connection).map_err(|source| site.error("open", source))?;
            return bring_up(connection).map(|()| true).map_err(|source| site.error("bring up", source));
        }
    }
    let lay_out = |connection: &mut Connection| -> rusqlite::Result<()> {
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Somebody else may have done it while this one waited.
        if change.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))? == 0 {
            change.execute_batch(LAYOUT)?;
            change.execute_batch(LAYOUT_2)?;
            change.pragma_update(None, "application_id", APPLICATION)?;
            change.pragma_update(None, "user_version", VERSION)?;
        }
        change.commit()
    };
    match lay_out(connection).map_err(|source| site.error("open", source)) {
        // An empty file that may not be written is an empty journal to a reader.
        Err(Error::ReadOnly { .. }) if connection.is_readonly("main").unwrap_or(false) => {
            *connection = in_memory().map_err(|source| site.error("open", source))?;
            Ok(true)
        }
        Err(error) => Err(error),
        Ok(()) if recognise(connection, site)? == VERSION => {
            keep(connection).map(|()| true).map_err(|source| site.error("open", source))
        }
        Ok(()) => Err(site.corrupt("it was emptied while it was opened")),
    }
}

/// Makes a file of the first version one of the second.
fn bring_up(connection: &mut Connection) -> rusqlite::Result<()> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Somebody else may have done it while this one waited.
    if change.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? == 1 {
        change.execute_batch(LAYOUT_2)?;
        let mut all = change.prepare(crate::query::LIST)?;
        for row in all.query_map([], crate::entry)? {
            let (id, entry) = row?;
            index(&change, id, &entry)?;
        }
        drop(all);
        change.pragma_update(None, "user_version", VERSION)?;
    }
    change.commit()
}

/// Keeps the signs of an entry.
pub(crate) fn index(connection: &Connection, id: EntryId, entry: &Entry) -> rusqlite::Result<()> {
    let mut put = connection.prepare("INSERT OR IGNORE INTO sign (sign, entry) VALUES (?1, ?2)")?;
    for sign in crate::signs::of_entry(entry) {
        put.execute((sign, id.0))?;
    }
    Ok(())
}

/// Settings that change nothing in the file, whatever file it is.
fn guard(connection: &Connection) -> rusqlite::Result<()> {
    // The file may come from a stranger: nothing in its layout may call anything or touch its own pages.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // The only folder that may be written is the journal's own, so nothing goes to /tmp.
    connection.pragma_update(None, "temp_store", "memory")
}

/// How a journal is written.
fn keep(connection: &Connection) -> rusqlite::Result<()> {
    // 16 MiB instead of 2: an entry's signs lie all over a tree that grows with the journal.
    connection.pragma_update(None, "cache_size", -16_384)?;
    // Overwrites the rollback journal instead of deleting it: one file less to make for each entry.
    connection.pragma_update(None, "journal_mode", "truncate")?;
    force(connection, true)
}

/// Whether a change is on disk when it is made, whatever happens. Without that it is there too, but while the rollback journal
/// still says otherwise, which takes it back where the power fails within some seconds.
pub(crate) fn force(connection: &Connection, forced: bool) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", if forced { "full" } else { "normal" })
}

/// The version of the journal; 0 where it is still empty.
fn recognise(connection: &Connection, site: &Site) -> Result<i64, Error> {
    let sql = |source| site.error("open", source);
    // One transaction: another process may be laying the file out at this moment.
    let frozen = connection.unchecked_transaction().map_err(sql)?;
    let number = |name| frozen.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(sql);
    let (application, version) = (number("application_id")?, number("user_version")?);
    let found = layout(&frozen).map_err(sql)?;
    if application == 0 && version == 0 && found.is_empty() {
        return Ok(0);
    }
    if application != APPLICATION {
        return Err(Error::NotAJournal { path: site.path() });
    }
    if version > VERSION {
        return Err(Error::Newer { path: site.path(), found: version, known: VERSION });
    }
    let same = match version {
        1 => found == layout(&first().map_err(sql)?).map_err(sql)?,
        _ => digest(&found) == LAYOUT_DIGEST || found == *of_this_version().map_err(sql)?,
    };
    if !same {
        return Err(site.corrupt("its layout, or a trigger that keeps it append-only, was changed"));
    }
    Ok(version)
}

/// What [`digest`] gives of a file of this version: to lay out another and compare the two takes longer than all else
/// that opening one takes.
const LAYOUT_DIGEST: &str = "7ea894eb98e404a1f446a43ac5f997b9bfbd4bcc4f4bf69950e2df335599e524";

/// SHA-256 of all definitions.
fn digest(layout: &Layout) -> String {
    let mut hash = Sha256::new();
    for (name, sql) in layout {
        for part in [name, sql.as_deref().unwrap_or("")] {
            hash.update(part);
            hash.update([0]);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The definitions of a file of this version, as another SQLite may write them. They are made once: an operation opens
/// the journal when it begins and when it ends.
fn of_this_version() -> rusqlite::Result<&'static Layout> {
    static KNOWN: OnceLock<Layout> = OnceLock::new();
    match KNOWN.get() {
        Some(known) => Ok(known),
        None => layout(&in_memory()?).map(|known| KNOWN.get_or_init(|| known)),
    }
}

/// Names and definitions.
type Layout = Vec<(String, Option<String>)>;

/// The definitions of all that the file has.
fn layout(connection: &Connection) -> rusqlite::Result<Layout> {
    connection
        .prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_layout() {
        let mut found = layout(&in_memory().unwrap()).unwrap();
        assert_eq!(digest(&found), LAYOUT_DIGEST);
        found.last_mut().unwrap().0.push('x');
        assert_ne!(digest(&found), LAYOUT_DIGEST);
    }
}
