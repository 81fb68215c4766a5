//! Following QEMU by its own trace events. They are switched on by name over the monitor, come as lines in
//! `qemu.log` (the `log` trace backend, which distributions build), and are switched off again at the end.

use super::Qemu;
use super::control::{ask, look};
use crate::request::{Answer, Told, Watch};
use crate::store::LOG;
use crate::{ControlError, Operation, Stored};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often it is asked whether the machine still runs.
const ALIVE: Duration = Duration::from_secs(2);
/// Longest line that is taken, and the most of a log that is read at once, in bytes.
const PIECE: usize = 1 << 20;

pub(super) fn trace(
    qemu: &Qemu,
    machine: &Stored,
    patterns: &[String],
    limit: Option<Duration>,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    let failed = |why: String| ControlError::Failed {
        machine: machine.name.clone(),
        operation: Operation::Trace,
        why,
    };
    let mut log = File::open(machine.file(LOG)).map_err(|source| ControlError::File {
        doing: "read",
        path: machine.file(LOG),
        source,
    })?;
    let mut begun = BTreeSet::new();
    let mut switched = Vec::new();
    for pattern in patterns {
        for (event, on) in events(qemu, machine, pattern)? {
            begun.insert(event.clone());
            // What was on already stays on afterwards.
            if !on && !switched.contains(&event) {
                switched.push(event);
            }
        }
    }
    if begun.is_empty() {
        return Err(failed(format!("no event of this QEMU is named {}", patterns.join(" or "))));
    }
    // From here on everything is switched off again, whatever fails.
    let traced = switch(qemu, machine, &switched, true).and_then(|()| {
        watch.tell(Told::Note(format!(
            "{} events are on; Ctrl-C ends the trace and switches them off",
            begun.len()
        )));
        log.seek(SeekFrom::End(0)).map_err(|source| ControlError::File {
            doing: "read",
            path: machine.file(LOG),
            source,
        })?;
        follow(qemu, machine, &mut log, &begun, limit, watch)
    });
    let off = switch(qemu, machine, &switched, false);
    let counts = traced?;
    match off {
        Err(_) if !look(qemu, machine)?.state.alive() => {}
        off => off?,
    }
    Ok(Answer::Traced(counts.into_iter().collect()))
}

/// Events that a pattern names, with whether they are on.
fn events(qemu: &Qemu, machine: &Stored, pattern: &str) -> Result<Vec<(String, bool)>, ControlError> {
    let told = ask(qemu, machine, "trace-event-get-state", Some(json!({ "name": pattern })));
    let told = match told {
        // An event that does not exist.
        Err(ControlError::Monitor { source: super::qmp::QmpError::Refused { .. }, .. }) => Value::Null,
        told => told?,
    };
    let one = |event: &Value| {
        let state = event["state"].as_str()?;
        (state != "unavailable").then(|| Some((event["name"].as_str()?.to_owned(), state == "enabled")))?
    };
    Ok(told.as_array().into_iter().flatten().filter_map(one).collect())
}

fn switch(qemu: &Qemu, machine: &Stored, events: &[String], on: bool) -> Result<(), ControlError> {
    let mut first = Ok(());
    for event in events {
        let switched =
            ask(qemu, machine, "trace-event-set-state", Some(json!({ "name": event, "enable": on })));
        // One that fails is no reason to leave the others on.
        if first.is_ok() {
            first = switched.map(drop);
        }
    }
    first
}

fn follow(
    qemu: &Qemu,
    machine: &Stored,
    log: &mut File,
    events: &BTreeSet<String>,
    limit: Option<Duration>,
    watch: &mut dyn Watch,
) -> Result<BTreeMap<String, u64>, ControlError> {
    let fail = |source| ControlError::File { doing: "read", path: machine.file(LOG), source };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let (begin, mut looked, mut pending) = (Instant::now(), Instant::now(), Vec::new());
    loop {
        let over = watch.stopped() || limit.is_some_and(|limit| begin.elapsed() >= limit);
        let read = log.by_ref().take(PIECE as u64).read_to_end(&mut pending).map_err(fail)?;
        let whole = pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in pending.drain(..whole).collect::<Vec<u8>>().split(|byte| *byte == b'\n') {
            if let Some((event, text)) = decode(&String::from_utf8_lossy(line), events) {
                *counts.entry(event.to_owned()).or_default() += 1;
                watch.tell(Told::Traced { event: event.to_owned(), text: text.to_owned() });
            }
        }
        if pending.len() >= PIECE {
            pending.clear();
        }
        if over {
            return Ok(counts);
        }
        if looked.elapsed() >= ALIVE {
            looked = Instant::now();
            if !look(qemu, machine)?.state.alive() {
                watch.tell(Told::Note("the machine has ended".to_owned()));
                return Ok(counts);
            }
        }
        if read < PIECE {
            std::thread::sleep(LOOK);
        }
    }
}

/// An event's line: its name and what it says, perhaps after `PID@SECONDS.MICROSECONDS:` (`-msg timestamp=on`).
fn decode<'l>(line: &'l str, events: &BTreeSet<String>) -> Option<(&'l str, &'l str)> {
    let line = match line.split_once(':') {
        Some((stamp, rest)) if stamp.contains('@') && !stamp.contains(' ') => rest,
        _ => line,
    };
    let (name, text) = line.split_once(' ').unwrap_or((line, ""));
    events.contains(name).then_some((name, text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_events_are_told_from_others() {
        let events: BTreeSet<String> = ["serial_write".to_owned()].into();
        assert_eq!(
            decode("serial_write write addr 0x00 val 0x41 ", &events),
            Some(("serial_write", "write addr 0x00 val 0x41"))
        );
        assert_eq!(decode("12@1700000000.000001:serial_write x", &events), Some(("serial_write", "x")));
        assert_eq!(decode("serial_write", &events), Some(("serial_write", "")));
        for other in ["qemu: serial_write", "", "serial_read x", "a@b c:serial_write x"] {
            assert_eq!(decode(other, &events), None, "{other}");
        }
    }
}
