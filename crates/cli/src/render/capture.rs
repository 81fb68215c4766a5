//! A capture, and what one would read.

use super::shown;
use std::fmt::Write as _;
use vmwright_engine::{Captured, PlannedSource};

pub(crate) fn made(captured: &Captured) -> String {
    let mut out = format!("{}\n", shown(&captured.path.display().to_string()));
    for (source, why) in &captured.unread {
        // Writing into a String cannot fail.
        let _ = writeln!(out, "not read: {}: {}", shown(source), shown(why));
    }
    for lacking in &captured.sandbox.lacking {
        let _ = writeln!(out, "sandbox: {lacking}");
    }
    let secrets: usize = captured.redacted.values().sum();
    let taken = match secrets {
        0 => "no secret was seen".to_owned(),
        1 => "1 secret was taken out".to_owned(),
        n => format!("{n} secrets were taken out"),
    };
    let kinds: Vec<String> = captured.redacted.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let names = if captured.anonymized { "; names and addresses stand for others" } else { "" };
    let _ = writeln!(
        out,
        "{} texts of {} sources, {} bytes; {taken}{kinds}{names}\nnext: vmwright analyze --from {}",
        captured.texts,
        captured.sources,
        captured.bytes,
        shown(&captured.path.display().to_string())
    );
    out
}

pub(crate) fn planned(sources: &[PlannedSource]) -> String {
    let width = sources.iter().map(|one| one.source.chars().count()).max().unwrap_or(0).min(60);
    sources.iter().map(|one| format!("{:width$}  {}\n", shown(&one.source), shown(&one.privilege))).collect()
}
