//! Sizes that can change while the guest runs: a disk's file, and what the balloon holds.

use super::Firecracker;
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

/// Makes a disk's file longer and tells Firecracker to look at it again.
fn grow(firecracker: &Firecracker, machine: &Stored, name: &str, bytes: u64) -> Result<Answer, ControlError> {
    let mut named = machine.spec.clone();
    vmwright_convert::libvirt::name_targets(&mut named.disks);
    let by_number = || named.disks.get(name.parse::<usize>().ok()?);
    let by_name = named.disks.iter().find(|disk| disk.target.as_deref() == Some(name));
    let disk =
        by_name.or_else(by_number).ok_or_else(|| refuse(machine, format!("it has no disk `{name}`")))?;
    let path =
        disk.host_path().ok_or_else(|| refuse(machine, format!("disk `{name}` is no file of this host")))?;
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
    let id: String = disk
        .target
        .iter()
        .flat_map(|target| target.chars())
        .map(|letter| if letter.is_alphanumeric() { letter } else { '_' })
        .collect();
    let body = json!({ "drive_id": id, "path_on_host": path });
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
