//! A VM by its name: a machine of the state directory, or a domain of libvirt's that vmwright did not make, lent as a machine
//! for as long as one operation lasts. The specification of such a one is what its XML says, in a folder of the operation's
//! own; the domain does not notice.

use crate::aside::private;
use crate::backends::{self, Other};
use crate::error::chain;
use crate::{Environment, Error};
use std::fs;
use std::path::{Path, PathBuf};
use vmwright_backend::libvirt::Libvirt;
use vmwright_backend::store::{self, StoreError, Stored};
use vmwright_formats::machine_spec::write_spec;

/// Longest name of a machine.
const NAME: usize = 64;

/// A VM, whoever made it.
pub(crate) struct Named {
    pub(crate) machine: Stored,
    /// The folder of a domain that is lent.
    lent: Option<PathBuf>,
}

impl Named {
    /// The VM of this name; a machine goes before a domain.
    ///
    /// # Errors
    /// [`Error`] where there is none, or libvirt does not say what it is.
    pub(crate) fn open(vm: &str, environment: &Environment) -> Result<Self, Error> {
        match store::open(&environment.state, vm) {
            Ok(machine) => Ok(Self { machine, lent: None }),
            Err(error @ (StoreError::NotFound(_) | StoreError::BadName(_))) => {
                let other = backends::other(vm, environment)?.ok_or(Error::Store(error))?;
                lend(&other, environment)
            }
            Err(error) => Err(Error::Store(error)),
        }
    }

    /// Whether vmwright did not make it.
    pub(crate) fn is_lent(&self) -> bool {
        self.lent.is_some()
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if let Some(place) = &self.lent {
            // What stays is in nobody's way: the next of the same process removes it.
            let _ = fs::remove_dir_all(place);
        }
    }
}

fn lend(Other { connection, domain }: &Other, environment: &Environment) -> Result<Named, Error> {
    let beyond = |why: String| {
        Error::Argument(format!(
            "domain {} of {connection} cannot be taken for a machine: {why}",
            domain.name
        ))
    };
    let libvirt = Libvirt::on(connection.clone());
    let xml = libvirt.domain_xml(&domain.name).map_err(Error::Control)?;
    let mut spec = vmwright_convert::libvirt::read(&xml).map_err(|error| beyond(chain(&error)))?.spec;
    spec.name = name(&domain.name);
    let text = write_spec(&spec).map_err(|error| beyond(chain(&error)))?;
    let place = private(&environment.state, &format!("lent-{}", spec.name)).map_err(beyond)?;
    let made = store::create_from_text(&place, Path::new(&domain.name), &text, &connection.to_string());
    let machine = made.map_err(|error| {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&place);
        beyond(chain(&error))
    })?;
    let named = Named { machine, lent: Some(place) };
    libvirt.lend(&named.machine, domain).map_err(Error::Control)?;
    Ok(named)
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
