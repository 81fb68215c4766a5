//! The hash chain: what is hashed, and how it is checked.

use crate::error::{Error, Site};
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use sha2::{Digest, Sha256};
use vmwright_model::{Entry, EntryId};

/// SHA-256.
pub(crate) type Hash = [u8; 32];

/// What the first entry has before it.
pub(crate) const ROOT: Hash = [0; 32];

/// The canonical form of an entry: JSON with these fields in this order, without spaces. It is an interface:
/// a change of it breaks every journal that was ever written.
#[derive(Serialize)]
struct Content<'a> {
    schema: &'static str,
    id: EntryId,
    supersedes: Option<EntryId>,
    title: &'a str,
    body: &'a str,
    operation: &'a str,
    host_id: &'a str,
    rules: &'a [String],
    evidence: &'a [String],
    state: &'static str,
    written: &'a str,
    /// Absent where there is none, as before there were projects.
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a str>,
}

pub(crate) fn content(id: EntryId, supersedes: Option<EntryId>, entry: &Entry) -> Vec<u8> {
    let content = Content {
        schema: "vmwright.journal/1",
        id,
        supersedes,
        title: &entry.title,
        body: &entry.body,
        operation: &entry.operation,
        host_id: &entry.host_id,
        rules: &entry.rules,
        evidence: &entry.evidence,
        state: crate::state_name(entry.state),
        written: &entry.written,
        project: entry.project.as_deref(),
    };
    serde_json::to_vec(&content).expect("strings and numbers always have a JSON form")
}

/// SHA-256 over the hash of the entry before and the canonical form of this one.
pub(crate) fn hash(previous: &Hash, content: &[u8]) -> Hash {
    Sha256::new().chain_update(previous).chain_update(content).finalize().into()
}

/// The last entry and its hash.
pub(crate) fn head(connection: &Connection) -> rusqlite::Result<Option<(EntryId, Hash)>> {
    connection
        .query_row("SELECT id, hash FROM entry ORDER BY id DESC LIMIT 1", [], |row| {
            Ok((EntryId(row.get(0)?), row.get(1)?))
        })
        .optional()
}

/// Checks the file's pages, then every link. Gives the number of entries.
pub(crate) fn verify(connection: &Connection, projects: bool, site: &Site) -> Result<u64, Error> {
    let sql = |source| site.error("verify", source);
    // One transaction, so that writers meanwhile neither disturb nor are taken for damage.
    let frozen = connection.unchecked_transaction().map_err(sql)?;
    let pages: String = frozen.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(sql)?;
    if pages != "ok" {
        return Err(site.corrupt(pages));
    }
    let broken = |at, why: &str| Error::Broken { path: site.path(), at, why: why.to_owned() };
    let project = if projects { "project" } else { "NULL" };
    let mut statement = frozen
        .prepare(&format!(
            "SELECT id, title, body, operation, host_id, rules, evidence, state, written, {project}, supersedes, previous, hash \
             FROM entry ORDER BY id"
        ))
        .map_err(sql)?;
    let mut rows = statement.query([]).map_err(sql)?;
    let (mut count, mut last) = (0_i64, ROOT);
    while let Some(row) = rows.next().map_err(sql)? {
        let expected = EntryId(count + 1);
        let id = EntryId(row.get(0).map_err(sql)?);
        if id != expected {
            return Err(broken(expected, "it is gone"));
        }
        // A field that cannot be read was not written here.
        let Ok((_, entry)) = crate::entry(row) else {
            return Err(broken(id, "a field cannot be read"));
        };
        let (Ok(supersedes), Ok(previous), Ok(stored)) =
            (row.get::<_, Option<i64>>(10), row.get::<_, Hash>(11), row.get::<_, Hash>(12))
        else {
            return Err(broken(id, "a field cannot be read"));
        };
        if previous != last {
            return Err(broken(id, "it does not follow the entry before it"));
        }
        if hash(&previous, &content(id, supersedes.map(EntryId), &entry)) != stored {
            return Err(broken(id, "its content does not fit its hash"));
        }
        (count, last) = (count + 1, stored);
    }
    // SQLite remembers the highest number ever given, so entries missing at the end show too.
    let highest: Option<i64> = frozen
        .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'entry'", [], |row| row.get(0))
        .optional()
        .map_err(sql)?;
    if highest.unwrap_or(0) != count {
        return Err(broken(EntryId(count + 1), "it is gone"));
    }
    Ok(u64::try_from(count).expect("counted up from zero"))
}
