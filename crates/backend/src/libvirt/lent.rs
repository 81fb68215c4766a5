//! Domains that vmwright did not make, lent as machines for as long as somebody looks at them: what is asked of a machine can
//! be asked of such a one, and nothing of it is changed by that, nor is it marked.

use super::control::find;
use super::{Libvirt, request};
use crate::libvirt::Found;
use crate::store::{read_regular, write_for_now};
use crate::{ControlError, Stored};
use std::io::ErrorKind;

/// Name of the file that says of which domain a machine is lent: its UUID, and its name.
const LENT: &str = "lent";
/// Largest such file, in bytes.
const MAX: u64 = 4096;

/// A domain that a machine is lent of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lent {
    pub(super) uuid: String,
    pub(super) name: String,
}

/// Of which domain a machine is lent; none where it is one of vmwright's own.
pub(super) fn of(machine: &Stored) -> Result<Option<Lent>, ControlError> {
    let path = machine.file(LENT);
    let bytes = match read_regular(&path, MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ControlError::File { doing: "read", path, source }),
    };
    let text = String::from_utf8_lossy(&bytes);
    let (uuid, name) = text.trim_end_matches('\n').split_once('\n').unwrap_or_default();
    Ok(Some(Lent { uuid: uuid.to_owned(), name: name.to_owned() }))
}

/// Writes down of which domain a machine is lent, whose directory is there.
pub(super) fn mark(machine: &Stored, uuid: &str, name: &str) -> Result<(), ControlError> {
    let text = format!("{uuid}\n{name}\n");
    let path = machine.file(LENT);
    write_for_now(&machine.directory(), LENT, text.as_bytes()).map_err(|source| ControlError::File {
        doing: "make",
        path,
        source,
    })
}

/// Lends a domain as a machine whose directory is there, and writes down which process runs it.
pub(super) fn lend(libvirt: &Libvirt, machine: &Stored, domain: &Found) -> Result<(), ControlError> {
    mark(machine, &domain.uuid, &domain.name)?;
    match find(libvirt, machine)? {
        Some((_, found)) => request::write_down(libvirt, machine, &found),
        None => Err(ControlError::LeftBehind { machine: domain.name.clone(), what: "no domain".to_owned() }),
    }
}
