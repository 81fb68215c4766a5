//! A domain of libvirt's that vmwright did not make, as the machine that gates look at: its specification is what its XML
//! says, in a directory of the review's own.

use super::twin::private;
use crate::backends::{self, Other};
use crate::error::chain;
use crate::{Environment, Error, Progress, machines};
use std::fs;
use std::path::{Path, PathBuf};
use vmwright_backend::libvirt::Libvirt;
use vmwright_backend::store::{self, Stored};
use vmwright_formats::machine_spec::write_spec;

/// Longest name of a machine.
const NAME: usize = 64;

/// The machine; forgotten with this value, which the domain does not notice.
pub(super) struct Lent {
    pub(super) machine: Stored,
    place: PathBuf,
}

impl Drop for Lent {
    fn drop(&mut self) {
        // What stays is in nobody's way: the next review of the same process removes it.
        let _ = fs::remove_dir_all(&self.place);
    }
}

/// The domain of this name as a machine, started where it did not run; none where there is no such domain.
///
/// # Errors
/// [`Error`] where libvirt does not start it or say what it is.
pub(super) fn lent(
    vm: &str,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<Lent>, Error> {
    let Some(Other { connection, domain }) = backends::other(vm, environment)? else { return Ok(None) };
    if !domain.condition.state.alive() {
        progress(Progress::Note(format!("{vm} does not run: starting it")));
        machines::start(vm, environment)?;
    }
    let beyond =
        |why: String| Error::Argument(format!("domain {vm} of {connection} cannot be reviewed: {why}"));
    let libvirt = Libvirt::on(connection.clone());
    let xml = libvirt.domain_xml(vm).map_err(Error::Control)?;
    let mut spec = vmwright_convert::libvirt::read(&xml).map_err(|error| beyond(chain(&error)))?.spec;
    spec.name = name(vm);
    let text = write_spec(&spec).map_err(|error| beyond(chain(&error)))?;
    let place = private(&environment.state, &format!("lent-{}", spec.name)).map_err(beyond)?;
    let made = store::create_from_text(&place, Path::new(vm), &text, &connection.to_string());
    let machine = made.map_err(|error| {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&place);
        beyond(chain(&error))
    })?;
    let lent = Lent { machine, place };
    libvirt.lend(&lent.machine, &domain).map_err(Error::Control)?;
    Ok(Some(lent))
}

/// A domain's name in the letters that a machine's has.
fn name(domain: &str) -> String {
    let letter =
        |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' };
    let name: String = domain.chars().map(letter).collect();
    let name: String = name.trim_start_matches(['.', '-']).chars().take(NAME).collect();
    if name.is_empty() { "domain".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn every_domain_has_a_name_as_a_machine() {
        assert_eq!(name("web"), "web");
        assert_eq!(name("win 10 (games)"), "win-10--games-");
        assert_eq!(name("-.x"), "x");
        assert_eq!(name("..."), "domain");
        assert_eq!(name("ä"), "domain");
        assert_eq!(name(&"b".repeat(100)), "b".repeat(64));
    }
}
