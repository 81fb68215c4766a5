//! Sizes that change while the guest runs.

use super::Qemu;
use super::control::{ask, monitor, unusable};
use super::qmp::QmpError;
use crate::request::{Answer, Resize, Told, Watch};
use crate::supervise::running;
use crate::{ControlError, Operation, Stored};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long a guest may take to give memory back or to let a processor go.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn resize(
    qemu: &Qemu,
    machine: &Stored,
    what: &Resize,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    match what {
        Resize::Disk { disk, bytes } => self::disk(qemu, machine, disk, *bytes),
        Resize::Memory { bytes } => memory(qemu, machine, *bytes, watch),
        Resize::Cpus { count } => cpus(qemu, machine, *count, watch),
    }
    .map(Answer::Resized)
}

fn failed(machine: &Stored, why: impl Into<String>) -> ControlError {
    ControlError::Failed { machine: machine.name.clone(), operation: Operation::Resize, why: why.into() }
}

/// A disk as QEMU tells of it, by its number in the specification or its name.
pub(super) fn find(
    qemu: &Qemu,
    machine: &Stored,
    operation: Operation,
    wanted: &str,
) -> Result<Value, ControlError> {
    let blocks = ask(qemu, machine, "query-block", None)?;
    let disks: Vec<&Value> =
        blocks.as_array().into_iter().flatten().filter(|block| block["inserted"].is_object()).collect();
    let by_number = wanted.parse::<usize>().ok().map(|number| format!("disk{number}"));
    let found = disks.iter().find(|block| {
        let name = node(block);
        // A disk with limits has them in a node over its own.
        let name = name.strip_suffix("-limited").unwrap_or(name);
        name == wanted || Some(name) == by_number.as_deref() || name == format!("{wanted}-node")
    });
    found.map(|block| (*block).clone()).ok_or_else(|| {
        let names: Vec<&str> = disks.iter().map(|block| node(block)).collect();
        let why = format!("it has no disk `{}`, but {}", wanted.escape_debug(), names.join(", "));
        ControlError::Failed { machine: machine.name.clone(), operation, why }
    })
}

fn node(block: &Value) -> &str {
    block["inserted"]["node-name"].as_str().unwrap_or_default()
}

fn disk(qemu: &Qemu, machine: &Stored, wanted: &str, bytes: u64) -> Result<u64, ControlError> {
    let block = find(qemu, machine, Operation::Resize, wanted)?;
    let now = block["inserted"]["image"]["virtual-size"].as_u64().unwrap_or(0);
    if bytes < now {
        return Err(failed(
            machine,
            format!("the disk has {now} bytes, and what a guest has on it is not cut off; it only grows"),
        ));
    }
    if bytes == now {
        return Ok(now);
    }
    if !bytes.is_multiple_of(512) {
        return Err(failed(machine, format!("{bytes} bytes are no whole number of sectors of 512")));
    }
    let told = ask(qemu, machine, "block_resize", Some(json!({ "node-name": node(&block), "size": bytes })));
    told.map(|_| bytes).map_err(|error| refused(machine, error))
}

/// QEMU's own words where it refuses.
fn refused(machine: &Stored, error: ControlError) -> ControlError {
    match error {
        ControlError::Monitor { source: QmpError::Refused { description, .. }, .. } => {
            failed(machine, description)
        }
        other => other,
    }
}

fn memory(qemu: &Qemu, machine: &Stored, bytes: u64, watch: &mut dyn Watch) -> Result<u64, ControlError> {
    let size = ask(qemu, machine, "query-memory-size-summary", None)?;
    let number = |name: &str| size[name].as_u64().unwrap_or(0);
    let most = number("base-memory") + number("plugged-memory");
    if bytes > most {
        return Err(failed(
            machine,
            format!("it was started with {most} bytes of memory; a balloon gives no more"),
        ));
    }
    let told = ask(qemu, machine, "balloon", Some(json!({ "value": bytes })));
    told.map_err(|error| match error {
        ControlError::Monitor { source: QmpError::Refused { class, .. }, .. }
            if class == "DeviceNotActive" =>
        {
            failed(machine, "it has no balloon: its specification has no `[balloon]`")
        }
        other => refused(machine, other),
    })?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = ask(qemu, machine, "query-balloon", None)?["actual"].as_u64().unwrap_or(0);
        if now == bytes {
            return Ok(now);
        }
        if watch.stopped() || Instant::now() >= deadline {
            return Err(failed(
                machine,
                format!("the guest has {now} bytes and was asked for {bytes}; it goes on towards that"),
            ));
        }
        watch.tell(Told::Copied { done: now, of: Some(bytes) });
        std::thread::sleep(LOOK);
    }
}

/// Processors that can be plugged are in the order in which they are filled.
fn cpus(qemu: &Qemu, machine: &Stored, count: u32, watch: &mut dyn Watch) -> Result<u64, ControlError> {
    let wanted = usize::try_from(count).unwrap_or(usize::MAX);
    let slots =
        ask(qemu, machine, "query-hotpluggable-cpus", None).map_err(|error| refused(machine, error))?;
    let mut slots: Vec<&Value> = slots.as_array().into_iter().flatten().collect();
    // QEMU tells the last one first.
    slots.reverse();
    let (filled, empty): (Vec<&Value>, Vec<&Value>) =
        slots.iter().partition(|slot| slot["qom-path"].is_string());
    if wanted == 0 || wanted > slots.len() {
        return Err(failed(
            machine,
            format!("it can have 1 to {} virtual CPUs (`cpu.max` of its specification)", slots.len()),
        ));
    }
    if wanted >= filled.len() {
        for (at, slot) in empty.iter().enumerate().take(wanted - filled.len()) {
            let mut arguments =
                json!({ "driver": slot["type"], "id": format!("vmwright-cpu{}", filled.len() + at) });
            for (property, value) in slot["props"].as_object().into_iter().flatten() {
                arguments[property] = value.clone();
            }
            ask(qemu, machine, "device_add", Some(arguments)).map_err(|error| refused(machine, error))?;
            watch.tell(Told::Note(format!(
                "virtual CPU {} is plugged; the guest has to bring it on line",
                filled.len() + at
            )));
        }
        return Ok(u64::from(count));
    }
    for slot in filled.iter().skip(wanted).rev() {
        let path = slot["qom-path"].as_str().unwrap_or_default();
        if !path.starts_with("/machine/peripheral/") {
            return Err(failed(machine, "a virtual CPU that it was started with stays"));
        }
        let mut qmp = monitor(machine, &running(machine)?, qemu.patience)?;
        match qmp.execute("device_del", Some(json!({ "id": path }))) {
            Ok(_) => {}
            Err(QmpError::Refused { description, .. }) => return Err(failed(machine, description)),
            Err(source) => return Err(unusable(machine, source)),
        }
        drop(qmp);
        let deadline = Instant::now() + PATIENCE;
        loop {
            match ask(qemu, machine, "qom-list", Some(json!({ "path": path }))) {
                Ok(_) => {}
                // It is no more.
                Err(ControlError::Monitor { source: QmpError::Refused { .. }, .. }) => break,
                Err(error) => return Err(error),
            }
            if watch.stopped() || Instant::now() >= deadline {
                return Err(failed(machine, "the guest has not let go of a virtual CPU"));
            }
            std::thread::sleep(LOOK);
        }
    }
    Ok(u64::from(count))
}
