//! A move to another host: reading the second snapshot, and finding the VM on the first.

use crate::{Analyze, Environment, Error, analysis};
use vmwright_backend::store::{self, StoreError};
use vmwright_formats::{DomainXml, View, nearest};
use vmwright_host::{Root, Subject};
use vmwright_model::{Record, Snapshot};
use vmwright_rules::{Reading, TARGET};

/// What the collector is asked about. A VM of libvirt is in the records and not among vmwright's own machines.
pub(crate) fn subject(what: &Analyze, environment: &Environment) -> Subject {
    let mut subject = Subject { vm: what.vm.clone(), state: environment.state.clone() };
    if what.against.is_some() && vmwright_host::check(&subject).is_err() {
        subject.vm = None;
    }
    subject
}

/// The records of the host that a VM is to move to, if that is the question.
///
/// # Errors
/// There are none at the path.
pub(crate) fn target(what: &Analyze, environment: &Environment) -> Result<Option<Snapshot>, Error> {
    let Some(path) = &what.against else { return Ok(None) };
    let root = Root::at(path).map_err(Error::Collect)?;
    let subject = Subject { vm: None, state: environment.state.clone() };
    analysis::read(&root, &subject, environment).map(Some)
}

/// Refuses a VM that the source does not define, where it defines any.
///
/// # Errors
/// [`Error::UnknownVm`].
pub(crate) fn check_vm(reading: &Reading<'_>) -> Result<(), Error> {
    let (Some(vm), Some(_)) = (reading.vm(), reading.target()) else { return Ok(()) };
    let seen = reading.of_every_vm::<DomainXml>();
    let names = seen.iter().flat_map(|seen| &seen.domains).filter_map(|domain| domain.name.as_ref());
    let known: Vec<&str> = names.map(|name| name.value.as_str()).collect();
    if known.is_empty() || known.contains(&vm) {
        return Ok(());
    }
    Err(Error::UnknownVm { name: vm.to_owned(), near: nearest(vm, &known).map(str::to_owned) })
}

/// Names of the target's sources, told apart from the source's.
pub(crate) fn named((source, why): (String, String)) -> (String, String) {
    (format!("{TARGET}{source}"), why)
}

/// Adds a machine of vmwright's to the records as the domain that it would be: the judgements of a move look at domains.
///
/// # Errors
/// There is no such machine, and no domain of libvirt that could be meant.
pub(crate) fn as_domain(vm: &str, environment: &Environment, snapshot: &mut Snapshot) -> Result<(), Error> {
    let machine = match store::open(&environment.state, vm) {
        Ok(machine) => machine,
        Err(StoreError::NotFound(_)) => return Ok(()),
        Err(error) => return Err(Error::Store(error)),
    };
    let text = vmwright_convert::libvirt::write(&machine.spec).text;
    let source = format!("{} as a domain", machine.file(store::SPEC).display());
    snapshot.records.push(Record::new(source, DomainXml::KIND, text));
    Ok(())
}
