//! Snapshots of a guest that is there: its disks and its memory as of one moment.
//!
//! Where all its disks are qcow2, both go into them (`snapshot-save`). Else each disk gets an overlay and stays as it
//! is from then on, and memory goes into a file.

use super::Qemu;
use super::control::{ask, monitor, unusable};
use super::qmp::QmpError;
use super::reach::{self, path_of};
use super::{jobs, migrate};
use crate::disks::{self, Kept, SCHEMA, Snapshot, failed, use_images, writable};
use crate::image::{self, beside};
use crate::request::{Answer, Migrate, Place, Receive, Unwatched, Watch};
use crate::state::State;
use crate::supervise::{now_ms, running};
use crate::{Condition, ControlError, Operation, Stop, Stored, chain};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A disk of the specification with the node that QEMU has for it.
struct Live {
    at: usize,
    path: PathBuf,
    format: &'static str,
    node: String,
}

pub(super) fn snapshot(
    qemu: &Qemu,
    machine: &Stored,
    before: &Condition,
    name: &str,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    let _lock = disks::lock(machine)?;
    Snapshot::name(machine, name)?;
    let live = live(qemu, machine)?;
    let inside =
        live.iter().all(|disk| disk.format == "qcow2") && understands(qemu, machine, "snapshot-save")?;
    let kept =
        |disk: &Live| Kept { at: disk.at, image: disk.path.clone(), format: disk.format.to_owned(), inside };
    let snapshot = Snapshot {
        schema: SCHEMA.to_owned(),
        name: name.to_owned(),
        taken_ms: now_ms(),
        memory: true,
        disks: live.iter().map(kept).collect(),
    };
    if inside {
        internal(qemu, machine, "snapshot-save", name, &live, watch)?
            .map_err(|why| failed(machine, Operation::Snapshot, why))?;
        // A job lets the guest go on where it ran.
        snapshot.write(machine)?;
        return Ok(Answer::Done);
    }
    if before.state == State::Running {
        ask(qemu, machine, "stop", None)?;
    }
    let taken = external(qemu, machine, name, &live, &snapshot, watch);
    let go_on = match before.state {
        // Also where only its memory could not be kept.
        State::Running => ask(qemu, machine, "cont", None).map(drop),
        _ => Ok(()),
    };
    taken?;
    go_on.map(|()| Answer::Done)
}

fn understands(qemu: &Qemu, machine: &Stored, command: &str) -> Result<bool, ControlError> {
    let mut qmp = monitor(machine, &running(machine)?, qemu.patience)?;
    qmp.schema().map(|schema| schema.has(command)).map_err(|source| unusable(machine, source))
}

/// The disks that the guest may write to, as QEMU has them.
fn live(qemu: &Qemu, machine: &Stored) -> Result<Vec<Live>, ControlError> {
    let blocks = ask(qemu, machine, "query-block", None)?;
    let lent = ask(qemu, machine, "query-fdsets", None)?;
    let node = |path: &PathBuf| {
        let found = blocks.as_array().into_iter().flatten().find(|block| {
            let file = block["inserted"]["file"].as_str().unwrap_or_default();
            path == std::path::Path::new(&path_of(&lent, file))
        });
        found.and_then(|block| block["inserted"]["node-name"].as_str().map(str::to_owned))
    };
    let disks = writable(machine, Operation::Snapshot)?.into_iter().map(|(at, path, format)| {
        let node = node(&path).ok_or_else(|| {
            failed(machine, Operation::Snapshot, format!("QEMU has no disk on `{}`", path.display()))
        })?;
        Ok(Live { at, path, format, node })
    });
    disks.collect()
}

/// A job over all disks; the outer error is the monitor's.
fn internal(
    qemu: &Qemu,
    machine: &Stored,
    command: &str,
    name: &str,
    live: &[Live],
    watch: &mut dyn Watch,
) -> Result<Result<(), String>, ControlError> {
    let nodes: Vec<&str> = live.iter().map(|disk| disk.node.as_str()).collect();
    jobs::run(
        qemu,
        machine,
        command,
        json!({ "tag": name, "vmstate": nodes.first(), "devices": nodes }),
        watch,
    )
}

/// Overlays for the disks, in one go for all; then memory into a file. The guest stands still.
fn external(
    qemu: &Qemu,
    machine: &Stored,
    name: &str,
    live: &[Live],
    snapshot: &Snapshot,
    watch: &mut dyn Watch,
) -> Result<(), ControlError> {
    let refuse = |why: String| failed(machine, Operation::Snapshot, why);
    let mut moves = Vec::new();
    let remove = |moves: &[(usize, PathBuf)]| {
        for (_, overlay) in moves {
            // The first error is the one to tell.
            let _ = std::fs::remove_file(overlay);
        }
    };
    let running = running(machine)?;
    // One connection for all: what is lent over it goes with it where nothing has it open.
    let mut qmp = monitor(machine, &running, qemu.patience)?;
    let mut actions = Vec::new();
    for disk in live {
        let overlay = beside(&disk.path, name);
        if let Err(why) = image::overlay(&disk.path, disk.format, &overlay) {
            remove(&moves);
            return Err(refuse(why));
        }
        moves.push((disk.at, overlay.clone()));
        match reach::image(&mut qmp, &running, &overlay, false) {
            Ok(file) => actions.push(json!({ "type": "blockdev-snapshot-sync", "data": {
                "node-name": disk.node, "snapshot-file": file, "format": "qcow2", "mode": "existing",
                "snapshot-node-name": format!("{}.{}", disk.node.chars().take(12).collect::<String>(), now_ms() % 1_000_000_000),
            } })),
            Err(error) => {
                remove(&moves);
                return Err(refuse(chain(&error)));
            }
        }
    }
    if let Err(error) = qmp.execute("transaction", Some(json!({ "actions": actions }))) {
        remove(&moves);
        return Err(match error {
            QmpError::Refused { description, .. } => refuse(description),
            other => unusable(machine, other),
        });
    }
    drop(qmp);
    // From here on the guest writes to the overlays, whatever becomes of the rest.
    use_images(machine, Operation::Snapshot, &moves)?;
    let memory = Snapshot::file(machine, name, "memory");
    let what = Migrate::to(Place::File(memory.clone()));
    let sent = migrate::send_to_file(qemu, machine, &memory, &what, watch);
    if let Err(error) = sent {
        let _ = std::fs::remove_file(&memory);
        let without = Snapshot { memory: false, ..snapshot.clone() };
        without.write(machine)?;
        return Err(refuse(format!(
            "its memory could not be kept ({}); its disks are, as of the same moment",
            chain(&error)
        )));
    }
    snapshot.write(machine)
}

pub(super) fn restore(
    qemu: &Qemu,
    machine: &Stored,
    name: &str,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    let snapshot = Snapshot::read(machine, name)?;
    let refuse = |why: String| failed(machine, Operation::Restore, why);
    if !snapshot.memory {
        return Err(refuse(
            "it has no memory in it; stop the machine first, and its disks go back".to_owned(),
        ));
    }
    if snapshot.disks.iter().all(|disk| disk.inside) {
        let lock = disks::lock(machine)?;
        let live = live(qemu, machine)?;
        ask(qemu, machine, "stop", None)?;
        let loaded = internal(qemu, machine, "snapshot-load", name, &live, watch)?;
        drop(lock);
        // A state that could not be loaded leaves the guest as it was.
        ask(qemu, machine, "cont", None)?;
        return loaded.map(|()| Answer::Done).map_err(refuse);
    }
    use crate::Backend;
    qemu.stop(machine, Stop::Force)?;
    {
        let _lock = disks::lock(machine)?;
        disks::back(machine, &snapshot)?;
    }
    let machine = crate::store::open(&machine.state, &machine.name)?;
    let from = Place::File(Snapshot::file(&machine, name, "memory"));
    let receive = Receive { from, channel: crate::request::Channel::default(), within: None };
    super::start::receive(qemu, &machine, &receive, &mut Unwatched)
        .map_err(|error| refuse(format!("its disks are back, its memory is not: {}", chain(&error))))?;
    // It was kept standing still.
    let status: Value = ask(qemu, &machine, "query-status", None)?;
    if status["running"] != json!(true) {
        ask(qemu, &machine, "cont", None)?;
    }
    Ok(Answer::Done)
}
