//! Entries of the journal.

use super::shown;
use std::fmt::Write as _;
use vmwright_engine::Exchanged;
use vmwright_model::{Entry, EntryId, EntryState};

pub(crate) fn exchanged(made: &Exchanged) -> String {
    let folder = shown(&made.folder.display().to_string());
    let mut out = match (made.moved, made.known) {
        (1, 0) => format!("1 entry; {folder}\n"),
        (moved, 0) => format!("{moved} entries; {folder}\n"),
        (moved, known) => format!("{moved} new entries, {known} that were there already; {folder}\n"),
    };
    for left in &made.left {
        let _ = writeln!(out, "left alone: {}", shown(left));
    }
    out
}

pub(crate) fn entries(entries: &[(EntryId, Entry)]) -> String {
    if entries.is_empty() {
        return "no entry\n".to_owned();
    }
    let mut out = String::new();
    for (id, entry) in entries {
        let state = match entry.state {
            EntryState::Pending => "pending",
            EntryState::Verified => "verified",
            EntryState::Superseded => "superseded",
            EntryState::Stale => "stale",
        };
        let _ =
            writeln!(out, "{} {} {} [{state}] {}", id.0, entry.written, entry.operation, shown(&entry.title));
        for line in entry.body.lines() {
            let _ = writeln!(out, "    {}", shown(line));
        }
        for evidence in &entry.evidence {
            let _ = writeln!(out, "    evidence: {}", shown(evidence));
        }
    }
    out
}
