//! Machines: the backend as operations, and as the executor of plans sees it.

use crate::backends::{self, Chosen, Other};
use crate::{Environment, Error, MachineSummary, Outcome};
use std::path::Path;
use std::time::Duration;
use vmwright_backend::cloud_hypervisor::CloudHypervisor;
use vmwright_backend::firecracker::Firecracker;
use vmwright_backend::libvirt::Libvirt;
use vmwright_backend::qemu::argv;
use vmwright_backend::store::{self, StoreError, Stored};
use vmwright_backend::{Ended, Stop, chain};
use vmwright_model::machine::Accelerator;

/// How long a guest may take to power off when it is asked.
const POWER_OFF: Duration = Duration::from_secs(20);

pub(crate) fn create(
    spec: &Path,
    backend: Option<&str>,
    environment: &Environment,
) -> Result<Outcome, Error> {
    let chosen = Chosen::read(backend.unwrap_or("qemu"))?;
    let machine = store::create_on(&environment.state, spec, &chosen.word()).map_err(Error::Store)?;
    let machine = taken(machine, &chosen, environment)?;
    summary(&machine).map(|summary| Outcome::Machine(Box::new(summary)))
}

/// Makes the machine that a plan describes.
pub(crate) fn create_of(
    name: &str,
    backend: &str,
    text: &str,
    environment: &Environment,
) -> Result<(), Error> {
    let chosen = Chosen::read(backend)?;
    let machine = store::create_from_text(&environment.state, Path::new("of the plan"), text, &chosen.word())
        .map_err(Error::Store)?;
    if machine.name != name {
        let found = machine.name;
        store::delete(&environment.state, &found).map_err(Error::Store)?;
        return Err(Error::Argument(format!("the specification is of machine `{found}`")));
    }
    taken(machine, &chosen, environment).map(drop)
}

/// A new machine that its backend takes. Nothing is left of one that it does not take.
fn taken(machine: Stored, chosen: &Chosen, environment: &Environment) -> Result<Stored, Error> {
    let taken = match chosen {
        Chosen::Qemu => Ok(()),
        Chosen::Firecracker => Firecracker::default().config(&machine).map(drop),
        Chosen::CloudHypervisor => CloudHypervisor::default().words(&machine).map(drop),
        Chosen::Libvirt(connection) => Libvirt::on(connection.clone()).define(&machine),
    };
    if let Err(source) = taken {
        // Nothing is left of a machine that its backend does not take. The first error is the one to tell.
        let _ = store::delete(&environment.state, &machine.name);
        return Err(Error::Start { vm: machine.name, source: Box::new(source) });
    }
    Ok(machine)
}

/// Starts a machine. `launched` is called once there is nothing to do but to wait for its VMM.
pub(crate) fn start(
    vm: &str,
    environment: &Environment,
    launched: &mut dyn FnMut(),
) -> Result<Outcome, Error> {
    match open(vm, environment)? {
        Named::Machine(machine) => {
            backends::of(&machine)?
                .start_telling(&machine, launched)
                .map_err(|source| Error::Start { vm: vm.to_owned(), source: Box::new(source) })?;
            summary(&machine).map(|summary| Outcome::Machine(Box::new(summary)))
        }
        Named::Other(other) => {
            let libvirt = Libvirt::on(other.connection);
            launched();
            let domain = libvirt.start_domain(vm).map_err(Error::Control)?;
            Ok(Outcome::Machine(Box::new(other_summary(libvirt.connection(), &domain))))
        }
    }
}

pub(crate) fn stop(vm: &str, force: bool, environment: &Environment) -> Result<Outcome, Error> {
    match open(vm, environment)? {
        Named::Machine(machine) => {
            end(&machine, force)?;
            summary(&machine).map(|summary| Outcome::Machine(Box::new(summary)))
        }
        Named::Other(other) => {
            let libvirt = Libvirt::on(other.connection);
            let domain = libvirt.stop_domain(vm, how(force)).map_err(Error::Control)?;
            Ok(Outcome::Machine(Box::new(other_summary(libvirt.connection(), &domain))))
        }
    }
}

pub(crate) fn delete(vm: &str, environment: &Environment) -> Result<Outcome, Error> {
    remove(vm, environment)?;
    list(environment)
}

/// Takes a machine away, with what its backend has of it.
pub(crate) fn remove(vm: &str, environment: &Environment) -> Result<(), Error> {
    // What cannot be read as a machine can still be deleted.
    if let Ok(machine) = store::open(&environment.state, vm)
        && let Chosen::Libvirt(connection) = Chosen::of(&machine)?
    {
        Libvirt::on(connection).undefine(&machine).map_err(Error::Control)?;
    }
    store::delete(&environment.state, vm).map_err(Error::Store)
}

pub(crate) fn list(environment: &Environment) -> Result<Outcome, Error> {
    let listed = store::list(&environment.state).map_err(Error::Store)?;
    let (others, silent) = backends::others(environment)?;
    // A machine that cannot be read or asked about does not hide, nor hide the others.
    let hidden = |name: String, backend: String, why: String| MachineSummary {
        name,
        state: why,
        backend,
        pid: None,
        accelerator: None,
        spec: None,
        stays_root: None,
        argv: Vec::new(),
        domain: None,
    };
    let machines = listed.into_iter().map(|one| match one.machine {
        Ok(machine) => summary(&machine).unwrap_or_else(|error| {
            let backend = Chosen::of(&machine).map_or_else(|_| "-".to_owned(), |chosen| chosen.word());
            hidden(one.name, backend, format!("unknown: {}", chain(&error)))
        }),
        Err(error) => hidden(one.name, "-".to_owned(), format!("unreadable: {error}")),
    });
    let others = others.iter().map(|other| other_summary(&other.connection, &other.domain));
    Ok(Outcome::Machines { machines: machines.chain(others).collect(), unread: silent })
}

pub(crate) fn show(vm: &str, environment: &Environment) -> Result<Outcome, Error> {
    let machine = match open(vm, environment)? {
        Named::Machine(machine) => machine,
        Named::Other(other) => {
            let libvirt = Libvirt::on(other.connection);
            let mut summary = other_summary(libvirt.connection(), &other.domain);
            summary.domain = Some(libvirt.domain_xml(vm).map_err(Error::Control)?);
            return Ok(Outcome::Machine(Box::new(summary)));
        }
    };
    let mut summary = summary(&machine)?;
    let chosen = Chosen::of(&machine)?;
    if summary.pid.is_none() {
        summary.stays_root = chosen.backend().stays_root(&machine);
    }
    match chosen {
        Chosen::Qemu => {
            let spec = vmwright_backend::as_started(&machine);
            let arguments = argv::argv(&spec, &argv::to_show(&machine))
                .map_err(|source| Error::Start { vm: vm.to_owned(), source: Box::new(source) })?;
            let words =
                |one: &argv::Argument| format!("{} {}", one.option, one.value.as_deref().unwrap_or(""));
            summary.argv =
                arguments.iter().map(|one| (words(one).trim_end().to_owned(), one.why.to_owned())).collect();
        }
        Chosen::Firecracker => {
            let firecracker = Firecracker::default();
            let config = firecracker.config(&machine);
            summary.argv = firecracker.jail(&machine).unwrap_or_default();
            summary.domain =
                Some(config.map_err(|source| Error::Start { vm: vm.to_owned(), source: Box::new(source) })?);
        }
        Chosen::CloudHypervisor => {
            let words = CloudHypervisor::default().words(&machine);
            summary.domain =
                Some(words.map_err(|source| Error::Start { vm: vm.to_owned(), source: Box::new(source) })?);
        }
        Chosen::Libvirt(connection) => {
            summary.domain = Some(Libvirt::on(connection).domain_xml(vm).map_err(Error::Control)?);
        }
    }
    summary.spec = Some(machine.spec);
    Ok(Outcome::Machine(Box::new(summary)))
}

pub(crate) fn end(machine: &Stored, force: bool) -> Result<Ended, Error> {
    backends::of(machine)?.stop(machine, how(force)).map_err(Error::Control)
}

pub(crate) fn how(force: bool) -> Stop {
    if force { Stop::Force } else { Stop::Orderly(POWER_OFF) }
}

/// What a name means: a machine of the state directory before a domain that vmwright did not make.
enum Named {
    Machine(Box<Stored>),
    Other(Other),
}

fn open(vm: &str, environment: &Environment) -> Result<Named, Error> {
    match store::open(&environment.state, vm) {
        Ok(machine) => Ok(Named::Machine(Box::new(machine))),
        Err(error @ (StoreError::NotFound(_) | StoreError::BadName(_))) => {
            backends::other(vm, environment)?.map(Named::Other).ok_or(Error::Store(error))
        }
        Err(error) => Err(Error::Store(error)),
    }
}

fn summary(machine: &Stored) -> Result<MachineSummary, Error> {
    let chosen = Chosen::of(machine)?;
    let condition = chosen.backend().look(machine).map_err(Error::Control)?;
    let running =
        machine.process().map_err(|error| Error::Control(error.into()))?.and_then(|record| record.running);
    let running = running.filter(|_| condition.state.alive());
    Ok(MachineSummary {
        name: machine.name.clone(),
        state: condition.state.to_string(),
        backend: chosen.word(),
        pid: running.as_ref().and_then(|running| u32::try_from(running.process.pid).ok()),
        accelerator: running.as_ref().map(|running| accelerator(running.accelerator).to_owned()),
        spec: None,
        stays_root: running.and_then(|running| running.stays_root),
        argv: Vec::new(),
        domain: None,
    })
}

/// A domain that vmwright did not make.
fn other_summary(
    connection: &vmwright_backend::libvirt::Connection,
    domain: &vmwright_backend::libvirt::Found,
) -> MachineSummary {
    MachineSummary {
        name: domain.name.clone(),
        state: domain.condition.state.to_string(),
        backend: connection.to_string(),
        pid: None,
        accelerator: None,
        spec: None,
        stays_root: None,
        argv: Vec::new(),
        domain: None,
    }
}

/// `kvm` or `tcg`.
pub(crate) fn accelerator(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Kvm => "kvm",
        Accelerator::Tcg => "tcg",
    }
}
