//! Machines: the backend as operations, and as the executor of plans sees it.

use crate::{Environment, Error, MachineSummary, Outcome};
use std::path::Path;
use std::time::Duration;
use vmwright_backend::qemu::{Qemu, argv};
use vmwright_backend::store::{self, Stored};
use vmwright_backend::{Backend, Ended, Stop};
use vmwright_model::machine::Accelerator;

/// How long a guest may take to power off when it is asked.
const POWER_OFF: Duration = Duration::from_secs(20);

pub(crate) fn create(spec: &Path, environment: &Environment) -> Result<Outcome, Error> {
    let machine = store::create(&environment.state, spec).map_err(Error::Store)?;
    summary(&machine).map(|summary| Outcome::Machine(Box::new(summary)))
}

pub(crate) fn start(vm: &str, environment: &Environment) -> Result<Outcome, Error> {
    let machine = store::open(&environment.state, vm).map_err(Error::Store)?;
    Qemu::default()
        .start(&machine)
        .map_err(|source| Error::Start { vm: vm.to_owned(), source: Box::new(source) })?;
    summary(&machine).map(|summary| Outcome::Machine(Box::new(summary)))
}

pub(crate) fn stop(vm: &str, force: bool, environment: &Environment) -> Result<Outcome, Error> {
    let machine = store::open(&environment.state, vm).map_err(Error::Store)?;
    end(&machine, force)?;
    summary(&machine).map(|summary| Outcome::Machine(Box::new(summary)))
}

pub(crate) fn delete(vm: &str, environment: &Environment) -> Result<Outcome, Error> {
    store::delete(&environment.state, vm).map_err(Error::Store)?;
    list(environment)
}

pub(crate) fn list(environment: &Environment) -> Result<Outcome, Error> {
    let listed = store::list(&environment.state).map_err(Error::Store)?;
    let machines = listed.into_iter().map(|one| match one.machine {
        Ok(machine) => summary(&machine),
        // A specification that cannot be read does not hide the machine.
        Err(error) => Ok(MachineSummary {
            name: one.name,
            state: format!("unreadable: {error}"),
            pid: None,
            accelerator: None,
            spec: None,
            argv: Vec::new(),
        }),
    });
    Ok(Outcome::Machines { machines: machines.collect::<Result<_, _>>()? })
}

pub(crate) fn show(vm: &str, environment: &Environment) -> Result<Outcome, Error> {
    let machine = store::open(&environment.state, vm).map_err(Error::Store)?;
    let mut summary = summary(&machine)?;
    let arguments = argv::argv(&machine.spec, &argv::Handles::to_show(&machine.spec)).map_err(Error::Argv)?;
    let words = |one: &argv::Argument| format!("{} {}", one.option, one.value.as_deref().unwrap_or(""));
    summary.argv =
        arguments.iter().map(|one| (words(one).trim_end().to_owned(), one.why.to_owned())).collect();
    summary.spec = Some(machine.spec);
    Ok(Outcome::Machine(Box::new(summary)))
}

pub(crate) fn end(machine: &Stored, force: bool) -> Result<Ended, Error> {
    let how = if force { Stop::Force } else { Stop::Orderly(POWER_OFF) };
    Qemu::default().stop(machine, how).map_err(Error::Control)
}

fn summary(machine: &Stored) -> Result<MachineSummary, Error> {
    let condition = Qemu::default().look(machine).map_err(Error::Control)?;
    let running =
        machine.process().map_err(|error| Error::Control(error.into()))?.and_then(|record| record.running);
    let running = running.filter(|_| condition.state.alive());
    Ok(MachineSummary {
        name: machine.name.clone(),
        state: condition.state.to_string(),
        pid: running.as_ref().and_then(|running| u32::try_from(running.process.pid).ok()),
        accelerator: running.map(|running| accelerator(running.accelerator).to_owned()),
        spec: None,
        argv: Vec::new(),
    })
}

/// `kvm` or `tcg`.
pub(crate) fn accelerator(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Kvm => "kvm",
        Accelerator::Tcg => "tcg",
    }
}
