//! Sending a guest elsewhere: to another host, or into a file.

use super::Qemu;
use super::channel::{self, Side};
use super::control::{ask, look, monitor, unusable};
use super::qmp::{Qmp, QmpError};
use super::reach;
use super::schema::Schema;
use crate::place::address;
use crate::request::{Answer, Migrate, Migrated, MigrationProgress, Place, Told, Watch};
use crate::state::State;
use crate::supervise::{kill, note_moved, running, said};
use crate::{Condition, ControlError, Operation, Stored, chain};
use serde_json::{Value, json};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often it is asked how far it is.
const LOOK: Duration = Duration::from_millis(100);
/// How long QEMU may take to end once the guest is elsewhere.
const END: Duration = Duration::from_secs(30);

fn failed(machine: &Stored, why: impl Into<String>) -> ControlError {
    ControlError::Failed { machine: machine.name.clone(), operation: Operation::Migrate, why: why.into() }
}

/// Sends it. Where that fails the guest runs on here.
pub(super) fn migrate(
    qemu: &Qemu,
    machine: &Stored,
    before: &Condition,
    what: &Migrate,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    let migrated = match &what.to {
        Place::File(path) => {
            let part = part(path);
            let sent = send_to_file(qemu, machine, &part, what, watch).and_then(|migrated| {
                std::fs::rename(&part, path).map(|()| migrated).map_err(|source| ControlError::File {
                    doing: "make",
                    path: path.clone(),
                    source,
                })
            });
            sent.inspect_err(|_| {
                // The first error is the one to tell.
                let _ = std::fs::remove_file(&part);
            })
        }
        _ => begin(qemu, machine, what, None).and_then(|()| follow(qemu, machine, what, watch)),
    };
    match migrated {
        Ok(migrated) => {
            note_moved(machine, &what.to.to_string())?;
            kill(machine, END)?;
            Ok(Answer::Migrated(migrated))
        }
        Err(error) => Err(run_on(qemu, machine, before, error)),
    }
}

/// Writes the guest's state into a file that does not exist yet, and leaves the guest standing still.
pub(super) fn send_to_file(
    qemu: &Qemu,
    machine: &Stored,
    path: &Path,
    what: &Migrate,
    watch: &mut dyn Watch,
) -> Result<Migrated, ControlError> {
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    let fail = |source| ControlError::File { doing: "make", path: path.to_owned(), source };
    let file = options.open(path).map_err(fail)?;
    begin(qemu, machine, what, Some(&file))?;
    let migrated = follow(qemu, machine, what, watch)?;
    file.sync_all().map_err(|source| ControlError::File { doing: "write", path: path.to_owned(), source })?;
    Ok(migrated)
}

fn part(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

/// After a failure the guest goes on as it was before.
fn run_on(qemu: &Qemu, machine: &Stored, before: &Condition, error: ControlError) -> ControlError {
    let Ok(now) = look(qemu, machine) else { return error };
    let stands = matches!(now.state, State::Paused) || now.why.contains("postmigrate");
    let on = before.state == State::Running && stands && !now.why.contains("postcopy");
    let gone = match &error {
        ControlError::Failed { why, .. } => why.contains("at the target"),
        _ => false,
    };
    if on && !gone {
        // The first error is the one to tell.
        let _ = ask(qemu, machine, "cont", None);
    }
    let (state, why) = match look(qemu, machine) {
        Ok(now) => (now.state, now.why),
        Err(_) => (now.state, now.why),
    };
    let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
    match error {
        ControlError::Failed { machine, operation, why: told } => {
            ControlError::Failed { machine, operation, why: format!("{told}; here it is {state}{why}") }
        }
        other => other,
    }
}

fn begin(qemu: &Qemu, machine: &Stored, what: &Migrate, file: Option<&File>) -> Result<(), ControlError> {
    let running = running(machine)?;
    let mut qmp = monitor(machine, &running, qemu.patience)?;
    let schema = qmp.schema().map_err(|source| unusable(machine, source))?;
    let words = |error: QmpError| match error {
        QmpError::Refused { description, .. } => failed(machine, description),
        QmpError::Lent { .. } => failed(machine, chain(&error)),
        source => unusable(machine, source),
    };
    let to = |qmp: &mut Qmp| -> Result<String, ControlError> {
        let to = address(&what.to).map_err(|why| failed(machine, why))?;
        let lent = match &what.to {
            Place::Unix(path) => reach::target(qmp, &running, path).map_err(words)?,
            _ => None,
        };
        Ok(lent.unwrap_or(to))
    };
    if what.resume {
        let to = to(&mut qmp)?;
        return qmp.execute("migrate", Some(json!({ "uri": to, "resume": true }))).map(drop).map_err(words);
    }
    channel::prepare(&mut qmp, &running, &schema, &what.channel, what.post_copy, Side::Source)
        .map_err(|why| why.of(machine, Operation::Migrate))?;
    let mut parameters = json!({});
    if what.bandwidth > 0 {
        parameters["max-bandwidth"] = what.bandwidth.into();
    }
    if what.downtime > 0 {
        parameters["downtime-limit"] = what.downtime.into();
    }
    let on = json!([{ "capability": "auto-converge", "state": what.auto_converge }]);
    qmp.execute("migrate-set-capabilities", Some(json!({ "capabilities": on }))).map_err(words)?;
    qmp.execute("migrate-set-parameters", Some(parameters)).map_err(words)?;
    let to = match file {
        None => to(&mut qmp)?,
        Some(file) => lend(&mut qmp, &schema, file).map_err(words)?,
    };
    qmp.execute("migrate", Some(json!({ "uri": to }))).map(drop).map_err(words)
}

/// An open file as an address of a migration.
pub(super) fn lend(qmp: &mut Qmp, schema: &Schema, file: &File) -> Result<String, QmpError> {
    if schema.knows("file", "exec") {
        return qmp.lend(file.as_fd()).map(|path| format!("file:{path}"));
    }
    // Before QEMU 8.2.
    qmp.execute_with("getfd", json!({ "fdname": "vmwright-state" }), file.as_fd())?;
    Ok("fd:vmwright-state".to_owned())
}

fn follow(
    qemu: &Qemu,
    machine: &Stored,
    what: &Migrate,
    watch: &mut dyn Watch,
) -> Result<Migrated, ControlError> {
    let (mut cancelled, mut switched, mut warned) = (false, false, false);
    loop {
        let told = ask(qemu, machine, "query-migrate", None)?;
        let progress = progress(&told);
        let status = progress.status.clone();
        watch.tell(Told::Migration(progress));
        match status.as_str() {
            "completed" => return Ok(migrated(&told)),
            "failed" => {
                let why = told["error-desc"].as_str().unwrap_or("QEMU gives no reason");
                let log = said(machine);
                let log = log.lines().rev().find(|line| !line.trim().is_empty());
                let log =
                    log.map(|line| format!("; its log here says last: {}", line.trim())).unwrap_or_default();
                let log = if log.contains(why) { String::new() } else { log };
                return Err(failed(machine, format!("{why}{log}; what the target says stands in its log")));
            }
            "cancelled" => return Err(failed(machine, "it was cancelled")),
            "postcopy-paused" if !what.resume || warned => {
                return Err(failed(
                    machine,
                    "the connection was lost while the guest ran at the target already: it waits there and can go on, with '--resume' once the target listens again",
                ));
            }
            "postcopy-paused" => warned = true,
            _ => {}
        }
        let moving = status.starts_with("postcopy");
        if watch.stopped() && !cancelled && !moving {
            cancelled = true;
            ask(qemu, machine, "migrate_cancel", None)?;
        }
        if watch.stopped() && moving && !warned {
            warned = true;
            watch
                .tell(Told::Note("it cannot be cancelled any more: the guest runs at the target".to_owned()));
        }
        // After the first round of all memory only what changes is left to fetch.
        let rounds = told["ram"]["dirty-sync-count"].as_u64().unwrap_or(0);
        if what.post_copy && !switched && status == "active" && rounds >= 2 {
            match ask(qemu, machine, "migrate-start-postcopy", None) {
                // It may have ended meanwhile.
                Ok(_) | Err(ControlError::Monitor { source: QmpError::Refused { .. }, .. }) => {
                    switched = true
                }
                Err(error) => return Err(error),
            }
        }
        std::thread::sleep(LOOK);
    }
}

fn progress(told: &Value) -> MigrationProgress {
    let ram = |name: &str| told["ram"][name].as_u64().unwrap_or(0);
    // Megabits, a fraction.
    let megabits =
        told["ram"]["mbps"].as_f64().filter(|rate| rate.is_finite()).unwrap_or(0.0).clamp(0.0, 1e9);
    MigrationProgress {
        status: told["status"].as_str().unwrap_or("none").chars().take(32).collect(),
        sent: ram("transferred"),
        remaining: ram("remaining"),
        total: ram("total"),
        dirty_rate: ram("dirty-pages-rate").saturating_mul(ram("page-size").max(1)),
        throughput: (megabits * 125_000.0) as u64,
        expected_downtime: told["expected-downtime"].as_u64(),
        throttle: told["cpu-throttle-percentage"].as_u64().unwrap_or(0),
    }
}

fn migrated(told: &Value) -> Migrated {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    Migrated {
        total_ms: number(&told["total-time"]),
        downtime_ms: Some(number(&told["downtime"])),
        sent: Some(number(&told["ram"]["transferred"])),
        rounds: Some(number(&told["ram"]["dirty-sync-count"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_qemu_tells_of_a_migration() {
        let told = json!({ "status": "active", "expected-downtime": 30, "cpu-throttle-percentage": 20, "total-time": 9,
            "ram": { "transferred": 10, "remaining": 20, "total": 30, "dirty-pages-rate": 2, "page-size": 4096, "mbps": 8.0, "dirty-sync-count": 3 } });
        let found = progress(&told);
        assert_eq!((found.sent, found.remaining, found.total), (10, 20, 30));
        assert_eq!((found.dirty_rate, found.throughput, found.throttle), (8192, 1_000_000, 20));
        assert_eq!(found.expected_downtime, Some(30));
        assert_eq!(
            migrated(&told),
            Migrated { total_ms: 9, downtime_ms: Some(0), sent: Some(10), rounds: Some(3) }
        );
        assert_eq!(progress(&json!(null)).status, "none");
        assert_eq!(progress(&json!({ "ram": { "mbps": -1.0 } })).throughput, 0);
    }
}
