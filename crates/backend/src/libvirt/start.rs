//! Starting: the domain is made or brought up to date, then libvirt starts it.

use super::domain::{self, Around};
use super::patch::{Texts, patch};
use super::rpc::{Client, Domain, LibvirtError};
use super::{Libvirt, control};
use crate::account::{Account, account};
use crate::process::Identity;
use crate::state::{Operation, State, allow};
use crate::store::{ARGV, DOMAIN, SERIAL, SPEC, read_regular, write_atomically, write_for_now};
use crate::supervise::{self, Attempt, empty_file, interface_exists};
use crate::{Backend, Condition, Running, StartError, Stored};
use vmwright_formats::{MachineSpecView, View as _};
use vmwright_model::machine::NetworkKind;

/// Largest domain that is kept, in bytes: libvirt's own limit of a string.
const XML_MAX: u64 = 4 << 20;

pub(super) fn start(
    libvirt: &Libvirt,
    machine: &Stored,
    launched: &mut dyn FnMut(),
) -> Result<Running, StartError> {
    supervise::start(machine, libvirt.name(), launched, |attempt| run(libvirt, attempt))
}

fn run(libvirt: &Libvirt, attempt: &mut Attempt<'_>) -> Result<Running, StartError> {
    let machine = attempt.machine;
    let account = account(&machine.spec.process)?;
    let bridges = machine.spec.networks.iter().filter(|network| network.kind == NetworkKind::Bridge);
    for bridge in bridges.filter_map(|network| network.bridge.as_deref()) {
        if !interface_exists(bridge) {
            return Err(StartError::NoBridge(bridge.to_owned()));
        }
    }
    let fail = |source| StartError::Libvirt { machine: machine.name.clone(), source };
    let (mut client, domain) = define_as(libvirt, machine, account.as_ref())?;
    empty_file(&machine.file(SERIAL))?;
    attempt.launched();
    match client.start(&domain) {
        Ok(_) => {}
        Err(error) if error.is_wrong_state() => {
            let condition = Condition::new(State::Running, "libvirt runs it already");
            allow(&machine.name, &condition, Operation::Start)?;
            return Err(fail(error));
        }
        Err(error) => return Err(fail(error)),
    }
    let Some((process, words)) = process(&domain).map_err(StartError::Process)? else {
        // It has ended at once, or it is in another PID namespace than ours: only libvirt knows.
        let state = client.state(&domain).map_err(fail)?;
        let told = control::condition(state).why;
        return Err(StartError::NoProcess { machine: machine.name.clone(), told });
    };
    let directory = machine.directory();
    write_for_now(&directory, ARGV, &words)
        .map_err(|source| StartError::Write { path: directory.join(ARGV), source })?;
    let started_ms = process.began_ms().map_err(StartError::Process)?;
    Ok(Running {
        process,
        // libvirt has no fall-back: the domain's type is what runs.
        accelerator: machine.spec.accelerator,
        user: account.map(|account| account.name),
        stays_root: None,
        qmp: None,
        agent: None,
        agent_port: None,
        taps: Vec::new(),
        started_ms,
    })
}

/// Makes the machine's domain, or brings it to the specification.
pub(super) fn define(libvirt: &Libvirt, machine: &Stored) -> Result<(Client, Domain), StartError> {
    let account = account(&machine.spec.process)?;
    define_as(libvirt, machine, account.as_ref())
}

/// Starts a domain that is never defined and ends with the connection.
pub(super) fn start_for_now(libvirt: &Libvirt, machine: &Stored) -> Result<Client, StartError> {
    let account = account(&machine.spec.process)?;
    let text = specification(machine)?;
    let serial_log = machine.file(SERIAL);
    let around = Around { text: &text, serial_log: &serial_log, account: account.as_ref(), uuid: None };
    let xml = domain::xml(&machine.spec, &around)?;
    empty_file(&serial_log)?;
    let fail = |source| StartError::Libvirt { machine: machine.name.clone(), source };
    let mut client = libvirt.connection.connect(libvirt.patience).map_err(fail)?;
    client.start_for_now(&xml).map_err(fail)?;
    Ok(client)
}

/// The text of a machine's specification.
fn specification(machine: &Stored) -> Result<String, StartError> {
    let path = machine.file(SPEC);
    let read =
        read_regular(&path, XML_MAX).map_err(|source| crate::store::StoreError::Read { path, source })?;
    Ok(String::from_utf8_lossy(&read).into_owned())
}

fn define_as(
    libvirt: &Libvirt,
    machine: &Stored,
    account: Option<&Account>,
) -> Result<(Client, Domain), StartError> {
    let text = specification(machine)?;
    let serial_log = machine.file(SERIAL);
    let around = Around { text: &text, serial_log: &serial_log, account, uuid: None };
    // A specification that cannot be said is told before the daemon is asked anything.
    let new = domain::xml(&machine.spec, &around)?;
    let fail = |source| StartError::Libvirt { machine: machine.name.clone(), source };
    let unkept = |error| match error {
        Kept::Libvirt(source) => fail(source),
        Kept::Write(source) => StartError::Write { path: machine.file(DOMAIN), source },
    };
    let mut client = libvirt.connection.connect(libvirt.patience).map_err(fail)?;
    let found = match client.domain(&machine.name) {
        Ok(found) => Some(found),
        Err(error) if error.is_no_domain() => None,
        Err(error) => return Err(fail(error)),
    };
    let new = match &found {
        None => new,
        Some(found) => {
            let now = client.xml(found, true).map_err(fail)?;
            let Some(carried) = domain::specification(&now) else {
                return Err(StartError::Foreign(machine.name.clone()));
            };
            if carried == text.trim() {
                // Whoever defined it may have been killed before it was kept.
                if !machine.file(DOMAIN).exists() {
                    keep(&mut client, found, machine).map_err(unkept)?;
                }
                return Ok((client, found.clone()));
            }
            changed(machine, &around, found, &carried, &now)?
        }
    };
    let defined = match client.define(&new) {
        Ok(defined) => defined,
        // It is there since it was looked for: the daemon carries out what a start asked for that was killed meanwhile.
        Err(_) if found.is_none() && client.domain(&machine.name).is_ok() => {
            return define_as(libvirt, machine, account);
        }
        Err(error) => return Err(fail(error)),
    };
    keep(&mut client, &defined, machine).map_err(unkept)?;
    Ok((client, defined))
}

/// The domain with what has changed in the specification since the one that it carries; what others have changed in it
/// stays.
fn changed(
    machine: &Stored,
    around: &Around<'_>,
    found: &Domain,
    carried: &str,
    now: &str,
) -> Result<String, StartError> {
    let uuid = found.uuid_text();
    let around = Around { uuid: Some(&uuid), ..*around };
    let after = domain::xml(&machine.spec, &around)?;
    let edited =
        |what: String| StartError::Edited { machine: machine.name.clone(), what, file: machine.file(DOMAIN) };
    let (view, issues) = MachineSpecView::read(carried);
    let carried_spec = view.spec.filter(|_| issues.is_empty());
    let carried_spec =
        carried_spec.ok_or_else(|| edited("the specification that it carries, which is none".to_owned()))?;
    let before = domain::xml(&carried_spec, &Around { text: carried, ..around })?;
    let known = read_regular(&machine.file(DOMAIN), XML_MAX).ok();
    let known = known.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    patch(Texts { before: &before, after: &after, known: known.as_deref(), now })
        .map_err(|error| edited(error.to_string()))
}

enum Kept {
    Libvirt(LibvirtError),
    Write(std::io::Error),
}

/// Keeps the domain as libvirt has made it of our text, to know it again.
fn keep(client: &mut Client, domain: &Domain, machine: &Stored) -> Result<(), Kept> {
    let inactive = client.xml(domain, true).map_err(Kept::Libvirt)?;
    write_atomically(&machine.directory(), DOMAIN, inactive.as_bytes()).map_err(Kept::Write)
}

/// Whether the domain is as it was kept.
pub(super) fn kept(libvirt: &Libvirt, machine: &Stored) -> Result<super::Kept, crate::ControlError> {
    let Some((mut client, domain)) = control::find(libvirt, machine)? else {
        return Ok(super::Kept::Nothing);
    };
    let fail = |source| crate::ControlError::Libvirt { machine: machine.name.clone(), source };
    let now = client.xml(&domain, true).map_err(fail)?;
    // Where nothing was kept, nobody can tell who changed it.
    let left = read_regular(&machine.file(DOMAIN), XML_MAX).ok();
    Ok(match left.is_none_or(|left| left == now.as_bytes()) {
        true => super::Kept::Whole,
        false => super::Kept::Changed,
    })
}

/// The VMM's process of a domain, and its command line, one word a line. libvirt does not tell it, and its own record
/// is closed to ordinary users; but the command line has the domain's UUID. None where no process has it.
pub(super) fn process(domain: &Domain) -> std::io::Result<Option<(Identity, Vec<u8>)>> {
    let uuid = domain.uuid_text();
    let name = format!("guest={}", domain.name);
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|pid| pid.parse().ok()) else { continue };
        let Ok(words) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let mut before: &[u8] = b"";
        let (mut ours, mut named) = (false, false);
        for word in words.split(|byte| *byte == 0) {
            ours |= before == b"-uuid" && word == uuid.as_bytes();
            named |= before == b"-name" && word.starts_with(name.as_bytes());
            before = word;
        }
        if ours && named {
            let lines = words.iter().map(|byte| if *byte == 0 { b'\n' } else { *byte }).collect();
            return Identity::of(pid).map(|process| Some((process, lines)));
        }
    }
    Ok(None)
}
