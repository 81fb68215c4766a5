//! Appends each line of standard input to the journal named by the first argument, and prints the number of each
//! entry once it is on disk. `yes | append_lines PATH` makes a busy writer.

use anyhow::Context as _;
use std::io::{BufRead as _, Write as _};
use vmwright_journal::Journal;
use vmwright_model::{Entry, EntryState};

fn main() -> anyhow::Result<()> {
    let path = std::env::args_os().nth(1).context("usage: append_lines JOURNAL")?;
    let mut journal = Journal::open(path.as_ref())?;
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let id = journal.append(&Entry {
            title: line?,
            body: String::new(),
            operation: "note".to_owned(),
            host_id: String::new(),
            rules: Vec::new(),
            evidence: Vec::new(),
            state: EntryState::Pending,
            written: "2026-01-01T00:00:00Z".to_owned(),
            project: None,
        })?;
        writeln!(out, "{}", id.0)?;
        out.flush()?;
    }
    Ok(())
}
