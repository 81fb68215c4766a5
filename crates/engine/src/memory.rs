//! The journal: what every operation opens and closes with, and what people ask it.

use crate::{Environment, Error, Outcome};
use jiff::Timestamp;
use vmwright_journal::Journal;
use vmwright_model::{Entry, EntryId, EntryState};

/// Opens the journal.
pub(crate) fn open(environment: &Environment) -> Result<Journal, Error> {
    if environment.kept().is_none() {
        return Err(Error::NoMemory);
    }
    Journal::open(&environment.journal()).map_err(Error::Journal)
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
    }
}

/// Now, RFC 3339, UTC, to the second.
pub(crate) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(crate) fn search(query: &str, limit: usize, environment: &Environment) -> Result<Outcome, Error> {
    Ok(Outcome::Journal { entries: open(environment)?.search(query, limit).map_err(Error::Journal)? })
}

pub(crate) fn list(limit: usize, environment: &Environment) -> Result<Outcome, Error> {
    Ok(Outcome::Journal { entries: open(environment)?.list(limit).map_err(Error::Journal)? })
}

pub(crate) fn show(number: i64, environment: &Environment) -> Result<Outcome, Error> {
    let id = EntryId(number);
    let entry = open(environment)?.show(id).map_err(Error::Journal)?.ok_or(Error::NoEntry(number))?;
    Ok(Outcome::Journal { entries: vec![(id, entry)] })
}

pub(crate) fn add(title: String, body: String, environment: &Environment) -> Result<Outcome, Error> {
    let host = vmwright_host::identity(&environment.state).id;
    let entry = entry("note", title, body, &host);
    let id = open(environment)?.append(&entry).map_err(Error::Journal)?;
    Ok(Outcome::Journal { entries: vec![(id, entry)] })
}

pub(crate) fn verify(environment: &Environment) -> Result<Outcome, Error> {
    Ok(Outcome::JournalVerified { entries: open(environment)?.verify().map_err(Error::Journal)? })
}
