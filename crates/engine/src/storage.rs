//! `vmwright plan storage`: what lies where a disk of a VM is, and the plan that changes it.

use crate::backends::Chosen;
use crate::create::told;
use crate::intent::DiskWish;
use crate::{Environment, Error};
use std::path::Path;
use vmwright_backend::store::{self, StoreError};
use vmwright_formats::machine_spec::parse_size;
use vmwright_formats::vmm_processes::VmmProcesses;
use vmwright_formats::{MachineSpecView, QemuArgs, View, VirshTable};
use vmwright_host::paths::{self, Lies as Lying};
use vmwright_model::Plan;
use vmwright_plan::intents::{Found, Guest, Lies, StorageWish, storage};
use vmwright_rules::{Found as Read, Reading};

/// What names the domains of libvirt's system daemon with their states.
const LIST: &str = "virsh -r list --all";

/// What is missing where nothing tells whether a VM runs.
pub(crate) const UNSEEN: Error = Error::Unread("the processes of VMs");

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
        DiskWish::Rebase { base } => StorageWish::Rebase(absolute("--rebase", base)?),
        DiskWish::Trim => StorageWish::Trim,
        DiskWish::Limit { bytes, requests } => {
            let bytes = bytes.as_deref().map(|size| match size {
                "0" => Ok(0),
                size => parse_size(size),
            });
            let bytes =
                bytes.transpose().map_err(|error| Error::Argument(format!("--limit-bytes: {error}")))?;
            StorageWish::Limit { bytes, requests: *requests }
        }
        DiskWish::Snapshot { name } => StorageWish::Snapshot(name.clone()),
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
    let running = runs(reading, guest.name, environment)?.ok_or(UNSEEN)?;
    let found = Found {
        guest: *guest,
        number: disk,
        lies: &lies,
        base: base.as_ref().map(|(path, format)| (path.as_str(), format.as_str())),
        new: new.as_ref(),
        running,
        monitored: monitored(guest.name, environment),
    };
    Ok(storage(host_id, &found, &wish)?)
}

/// Whether vmwright runs a machine's QEMU itself, and has its monitor.
pub(crate) fn monitored(vm: &str, environment: &Environment) -> bool {
    store::open(&environment.state, vm).is_ok_and(|machine| matches!(Chosen::of(&machine), Ok(Chosen::Qemu)))
}

/// Whether a machine runs, by what was read: nobody is asked from behind the lock. None where nothing tells.
///
/// # Errors
/// [`Error`] where vmwright has the machine and cannot read its record.
pub(crate) fn runs(
    reading: &Reading<'_>,
    vm: &str,
    environment: &Environment,
) -> Result<Option<bool>, Error> {
    let machine = match store::open(&environment.state, vm) {
        // One that libvirt or a hand started. Their names may be none of vmwright's.
        Err(StoreError::NotFound(_) | StoreError::BadName(_)) => return Ok(seen(reading, vm)),
        found => found.map_err(Error::Store)?,
    };
    let record = machine.process().map_err(|error| Error::Control(error.into()))?;
    if let Some(running) = record.and_then(|record| record.running)
        && running.process.alive().unwrap_or(true)
    {
        return Ok(Some(true));
    }
    // Of the others the record knows; libvirt starts its own without it. Somebody else's VM may have the same name.
    match Chosen::of(&machine)? {
        Chosen::Libvirt(_) => Ok(seen(reading, vm)),
        _ => Ok(Some(false)),
    }
}

/// Whether a VM of this name was seen to run: in libvirt's list, by its file of a domain's state, which is there while it runs
/// and may outlive it for a moment, or as a process. libvirt's word counts for its own: a process may be somebody else's VM of
/// the same name, and an emulator may have any name.
fn seen(reading: &Reading<'_>, vm: &str) -> Option<bool> {
    // virsh(1), `list`: every other word is one of a domain that has a process.
    let listed = reading.all::<VirshTable>().into_iter().find_map(|table| {
        let state = table.of(vm, "State").map(|(_, state)| state != "shut off");
        state.filter(|_| table.text.source == LIST)
    });
    let named = |argv: &str| {
        let (args, _) = QemuArgs::read(argv);
        args.property("name", "guest").is_some_and(|name| name.value == vm)
    };
    let processes = reading.one::<VmmProcesses>();
    let kept =
        || matches!(reading.file(&format!("/run/libvirt/qemu/{vm}.xml")), Read::Text(_)).then_some(true);
    listed.or_else(kept).or_else(|| {
        processes.map(|seen| seen.processes.iter().any(|one| named(&format!("{} {}", one.exe, one.argv))))
    })
}

pub(crate) fn absolute(option: &str, path: &Path) -> Result<String, Error> {
    let found = std::path::absolute(path).ok().and_then(|path| path.into_os_string().into_string().ok());
    found.ok_or_else(|| Error::Argument(format!("{option} {}: it is no path", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::{Kind, Missing, Record, Snapshot};

    /// What is told of a VM `web` by these sources.
    fn told(sources: &[(&str, &str, Result<&str, Missing>)]) -> Option<bool> {
        let records = sources.iter().map(|(source, kind, text)| Record {
            source: (*source).to_owned(),
            kind: Kind((*kind).to_owned().into()),
            content: text.clone().map(|text| text.as_bytes().to_vec()),
            end_of: None,
        });
        let snapshot = Snapshot { records: records.collect(), ..Snapshot::default() };
        seen(&Reading::new(&snapshot, ""), "web")
    }

    #[test]
    fn whether_a_vm_runs_is_known_only_where_something_tells() {
        let other =
            "pid 7 user qemu exe qemu-system-x86_64 : /usr/bin/qemu-system-x86_64 -name guest=webber\n";
        let web =
            "pid 8 user qemu exe qemu-kvm : /usr/libexec/qemu-kvm -name guest=web,debug-threads=on -S\n";
        let processes = |text| ("vmm-processes", "vmm_processes", text);
        let list = |state: &'static str| (LIST, "virsh_table", Ok(state));
        let row = " Id   Name     State\n--------------------------\n 3    web      running\n";
        let off = " Id   Name     State\n--------------------------\n -    web      shut off\n";
        assert_eq!(told(&[processes(Ok(web))]), Some(true));
        assert_eq!(told(&[processes(Ok(other))]), Some(false));
        assert_eq!(told(&[processes(Ok("none\n"))]), Some(false));
        // Nothing was read: it may run.
        assert_eq!(told(&[processes(Err(Missing::TimedOut(100)))]), None);
        assert_eq!(told(&[]), None);
        // An emulator of another name is in no list of processes, and libvirt knows it.
        assert_eq!(told(&[processes(Ok("none\n")), list(row)]), Some(true));
        assert_eq!(told(&[processes(Err(Missing::Denied)), list(off)]), Some(false));
        // Somebody else runs one of the same name.
        assert_eq!(told(&[processes(Ok(web)), list(off)]), Some(false));
        let status = || ("/run/libvirt/qemu/web.xml", "domain_xml", Ok("<domstatus state='running'/>"));
        assert_eq!(told(&[processes(Ok("none\n")), status()]), Some(true));
        assert_eq!(told(&[status(), list(off)]), Some(false), "it was left behind");
    }
}
