//! `vmwright plan storage`: what lies where a disk of a VM is, and the plan that changes it.

use crate::backends::Chosen;
use crate::create::told;
use crate::intent::DiskWish;
use crate::{Environment, Error};
use std::path::Path;
use vmwright_backend::store::{self, StoreError};
use vmwright_formats::machine_spec::parse_size;
use vmwright_formats::vmm_processes::VmmProcesses;
use vmwright_formats::{MachineSpecView, QemuArgs, View};
use vmwright_host::paths::{self, Lies as Lying};
use vmwright_model::Plan;
use vmwright_plan::intents::{Found, Guest, Lies, StorageWish, storage};
use vmwright_rules::Reading;

pub(crate) fn plan(
    reading: &Reading<'_>,
    guest: &Guest<'_>,
    disk: usize,
    wish: &DiskWish,
    host_id: &str,
    environment: &Environment,
) -> Result<Plan, Error> {
    let wish = match wish {
        DiskWish::Grow { size } => StorageWish::Grow(
            parse_size(size)
                .map_err(|error| Error::Argument(format!("--grow {}: {error}", size.escape_debug())))?,
        ),
        DiskWish::Flatten => StorageWish::Flatten,
        DiskWish::Rebase { base } => StorageWish::Rebase(absolute(base)?),
        DiskWish::Trim => StorageWish::Trim,
    };
    let spec = MachineSpecView::read(guest.text).0.spec;
    let path = spec.and_then(|spec| spec.disks.get(disk.checked_sub(1)?)?.path.clone());
    let mut wanted: Vec<String> = path.iter().cloned().collect();
    if let StorageWish::Rebase(base) = &wish {
        wanted.push(base.clone());
    }
    let mut lying = paths::look_at(&wanted);
    let mut take = |path: &str| lying.remove(path).unwrap_or(Lying::Nothing);
    let (lies, base) = match path.as_deref().map(&mut take) {
        Some(Lying::File { base, format, virtual_size, length }) => {
            (told(Lying::File { base: None, format, virtual_size, length }), base)
        }
        Some(other) => (told(other), None),
        None => (Lies::Nothing, None),
    };
    let new = match &wish {
        StorageWish::Rebase(base) => Some(told(take(base))),
        _ => None,
    };
    let running = runs(reading, guest.name, environment)?;
    let found = Found {
        guest: *guest,
        number: disk,
        lies: &lies,
        base: base.as_ref().map(|(path, format)| (path.as_str(), format.as_str())),
        new: new.as_ref(),
        running,
    };
    Ok(storage(host_id, &found, &wish)?)
}

/// Whether a machine runs, by what was read: nobody is asked from behind the lock.
pub(crate) fn runs(reading: &Reading<'_>, vm: &str, environment: &Environment) -> Result<bool, Error> {
    let machine = match store::open(&environment.state, vm) {
        // One that libvirt or a hand started.
        Err(StoreError::NotFound(_)) => return Ok(seen(reading, vm)),
        found => found.map_err(Error::Store)?,
    };
    let record = machine.process().map_err(|error| Error::Control(error.into()))?;
    if let Some(running) = record.and_then(|record| record.running)
        && running.process.alive().unwrap_or(true)
    {
        return Ok(true);
    }
    // Of the others the record knows; libvirt starts its own without it. Somebody else's VM may have the same name.
    Ok(matches!(Chosen::of(&machine)?, Chosen::Libvirt(_)) && seen(reading, vm))
}

/// Whether a process of a QEMU was seen that runs a VM of this name.
fn seen(reading: &Reading<'_>, vm: &str) -> bool {
    let named = |argv: &str| {
        let (args, _) = QemuArgs::read(argv);
        args.property("name", "guest").is_some_and(|name| name.value == vm)
    };
    let seen = reading.one::<VmmProcesses>();
    seen.is_some_and(|seen| seen.processes.iter().any(|one| named(&format!("{} {}", one.exe, one.argv))))
}

fn absolute(path: &Path) -> Result<String, Error> {
    let found = std::path::absolute(path).ok().and_then(|path| path.into_os_string().into_string().ok());
    found.ok_or_else(|| Error::Argument(format!("--rebase {}: it is no path", path.display())))
}
