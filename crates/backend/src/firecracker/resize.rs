//! Sizes that can change while the guest runs: a disk's file, and what the balloon holds.

use super::{Firecracker, jail};
use crate::disks::failed;
use crate::microvm::{api_of, done};
use crate::request::{Answer, Resize, Told, Watch};
use crate::{ControlError, Operation, Stored};
use serde_json::json;
use std::path::Path;
use vmwright_formats::machine_spec::parse_size;

pub(super) fn resize(
    firecracker: &Firecracker,
    machine: &Stored,
    what: &Resize,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    match what {
        Resize::Disk { disk, bytes } => grow(firecracker, machine, disk, *bytes),
        Resize::Memory { bytes } => balloon(firecracker, machine, *bytes, watch),
        Resize::Cpus { .. } => Err(refuse(machine, "Firecracker plugs no virtual CPUs")),
    }
}

fn refuse(machine: &Stored, why: impl Into<String>) -> ControlError {
    failed(machine, Operation::Resize, why)
}

/// A disk by its number in the specification or its name: its place, its name for Firecracker, and its file.
pub(super) fn disk(
    machine: &Stored,
    operation: Operation,
    name: &str,
) -> Result<(usize, String, Option<String>), ControlError> {
    let mut named = machine.spec.clone();
    vmwright_convert::libvirt::name_targets(&mut named.disks);
    let by_name = named.disks.iter().position(|disk| disk.target.as_deref() == Some(name));
    let by_number = || name.parse().ok().filter(|at| *at < named.disks.len());
    let at = by_name
        .or_else(by_number)
        .ok_or_else(|| failed(machine, operation, format!("it has no disk `{}`", name.escape_debug())))?;
    let target = named.disks[at].target.clone().unwrap_or_default();
    let id = target.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '_' }).collect();
    Ok((at, id, named.disks[at].host_path()))
}

/// Makes a disk's file longer and tells Firecracker to look at it again.
fn grow(firecracker: &Firecracker, machine: &Stored, name: &str, bytes: u64) -> Result<Answer, ControlError> {
    let (at, id, path) = disk(machine, Operation::Resize, name)?;
    let path = path.ok_or_else(|| refuse(machine, format!("disk `{name}` is no file of this host")))?;
    let file = |doing, source| ControlError::File { doing, path: Path::new(&path).to_owned(), source };
    let image = std::fs::OpenOptions::new().write(true).open(&path).map_err(|source| file("open", source))?;
    let metadata = image.metadata().map_err(|source| file("look at", source))?;
    if metadata.is_file() {
        if bytes < metadata.len() {
            return Err(refuse(
                machine,
                format!("disk `{name}` has {} bytes; it only grows", metadata.len()),
            ));
        }
        image.set_len(bytes).map_err(|source| file("grow", source))?;
    }
    let seen = if jail::wanted(&machine.spec) { jail::disk(at) } else { path };
    let body = json!({ "drive_id": id, "path_on_host": seen });
    let answer = api_of(firecracker, machine)?.patch(&format!("/drives/{id}"), &body);
    done(machine, answer).map(|()| Answer::Resized(bytes))
}

/// Lets the balloon hold what the guest shall not have.
fn balloon(
    firecracker: &Firecracker,
    machine: &Stored,
    bytes: u64,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    let whole = parse_size(&machine.spec.memory.size).unwrap_or(0);
    if machine.spec.balloon.is_none() {
        return Err(refuse(machine, "it has no balloon by its specification (`[balloon]`)"));
    }
    if bytes == 0 || bytes > whole {
        return Err(refuse(machine, format!("a guest of {whole} bytes can have from 1 to that")));
    }
    let held = (whole - bytes) >> 20;
    done(machine, api_of(firecracker, machine)?.patch("/balloon", &json!({ "amount_mib": held })))?;
    watch.tell(Told::Note(
        "the guest has been asked; how fast it gives memory back is its own affair".to_owned(),
    ));
    Ok(Answer::Resized(whole - (held << 20)))
}
