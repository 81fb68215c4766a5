//! Which backend makes a machine run: chosen when the machine is made, and written down with it.

use crate::{Environment, Error};
use std::time::Duration;
use vmwright_backend::cloud_hypervisor::CloudHypervisor;
use vmwright_backend::firecracker::Firecracker;
use vmwright_backend::libvirt::{Connection, Found, Libvirt};
use vmwright_backend::qemu::agent::Agent;
use vmwright_backend::qemu::{Qemu, argv};
use vmwright_backend::store::{self, Stored};
use vmwright_backend::{Backend, Copies, chain};

/// How long a daemon may take to answer a question about its domains.
const ASK: Duration = Duration::from_secs(5);

/// A backend as a machine's record names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// QEMU, run directly.
    Qemu,
    /// Firecracker, run directly.
    Firecracker,
    /// Cloud Hypervisor, run directly.
    CloudHypervisor,
    /// A libvirt daemon of this host.
    Libvirt(Connection),
}

impl Chosen {
    /// Reads the word that a user gives or a machine's record has: `qemu`, `firecracker`,
    /// `cloud-hypervisor`, `libvirt`, or libvirt's URI.
    pub(crate) fn read(word: &str) -> Result<Self, Error> {
        match word {
            "qemu" => Ok(Self::Qemu),
            "firecracker" => Ok(Self::Firecracker),
            "cloud-hypervisor" => Ok(Self::CloudHypervisor),
            "libvirt" => Ok(Self::Libvirt(Connection::system())),
            uri => uri.parse().map(Self::Libvirt).map_err(|source| Error::Backend {
                word: uri.chars().take(80).flat_map(char::escape_debug).collect(),
                source,
            }),
        }
    }

    /// The backend of a machine.
    pub(crate) fn of(machine: &Stored) -> Result<Self, Error> {
        match machine.backend().map_err(Error::Store)? {
            None => Ok(Self::Qemu),
            Some(word) => Self::read(&word),
        }
    }

    /// The word for it.
    pub(crate) fn word(&self) -> String {
        match self {
            Self::Qemu => "qemu".to_owned(),
            Self::Firecracker => "firecracker".to_owned(),
            Self::CloudHypervisor => "cloud-hypervisor".to_owned(),
            Self::Libvirt(connection) => connection.to_string(),
        }
    }

    /// Whether it can run a machine by its specification. Nothing is made, and nobody is asked.
    pub(crate) fn takes(&self, machine: &Stored, text: &str) -> Result<(), Error> {
        let fail = |source: Box<dyn std::error::Error + Send + Sync>| Error::Beyond {
            vm: machine.name.clone(),
            backend: self.word(),
            source,
        };
        match self {
            Self::Qemu => {
                let spec = vmwright_backend::as_started(machine);
                argv::argv(&spec, &argv::to_show(machine)).map(drop).map_err(|error| fail(error.into()))
            }
            Self::Firecracker => {
                Firecracker::default().config(machine).map(drop).map_err(|error| fail(error.into()))
            }
            Self::CloudHypervisor => {
                CloudHypervisor::default().words(machine).map(drop).map_err(|error| fail(error.into()))
            }
            Self::Libvirt(connection) => {
                let domain = Libvirt::on(connection.clone()).domain_of(machine, text);
                domain.map(drop).map_err(|error| fail(error.into()))
            }
        }
    }

    /// A microVM's VMM, of which a second one can go on from a guest's state.
    pub(crate) fn copies(&self) -> Option<Box<dyn Copies>> {
        match self {
            Self::Firecracker => Some(Box::new(Firecracker::default())),
            Self::CloudHypervisor => Some(Box::new(CloudHypervisor::default())),
            Self::Qemu | Self::Libvirt(_) => None,
        }
    }

    pub(crate) fn backend(&self) -> Box<dyn Backend> {
        match self {
            Self::Qemu => Box::new(Qemu::default()),
            Self::Firecracker => Box::new(Firecracker::default()),
            Self::CloudHypervisor => Box::new(CloudHypervisor::default()),
            Self::Libvirt(connection) => Box::new(Libvirt::on(connection.clone())),
        }
    }
}

/// The backend of a machine.
pub(crate) fn of(machine: &Stored) -> Result<Box<dyn Backend>, Error> {
    Chosen::of(machine).map(|chosen| chosen.backend())
}

/// The agent in the guest of a machine whose line to it is vmwright's to ask; libvirt has that of its domains to itself.
pub(crate) fn agent(machine: &Stored, patience: Duration) -> Result<Agent, Error> {
    let agent = match Chosen::of(machine)? {
        Chosen::Firecracker => Firecracker::default().agent(machine, patience),
        Chosen::CloudHypervisor => CloudHypervisor::default().agent(machine, patience),
        Chosen::Qemu | Chosen::Libvirt(_) => Qemu::default().agent(machine, patience),
    };
    agent.map_err(Error::Control)
}

/// The names of a machine's snapshots.
pub(crate) fn snapshots(machine: &Stored) -> Result<Vec<String>, Error> {
    match Chosen::of(machine)? {
        Chosen::Qemu | Chosen::Firecracker | Chosen::CloudHypervisor => {
            Ok(vmwright_backend::snapshots(machine))
        }
        Chosen::Libvirt(connection) => Libvirt::on(connection).snapshots(machine).map_err(Error::Control),
    }
}

/// A domain of a libvirt of this host that is no machine of the state directory.
pub(crate) struct Other {
    pub(crate) connection: Connection,
    pub(crate) domain: Found,
}

/// The domains that are no machines of this state directory, and of each daemon that could not be asked why. Daemons
/// that are not there are left out, and none is started for the question.
pub(crate) fn others(environment: &Environment) -> Result<(Vec<Other>, Vec<String>), Error> {
    let listed = store::list(&environment.state).map_err(Error::Store)?;
    let machines: Vec<(String, Connection)> = listed
        .iter()
        .filter_map(|one| match Chosen::of(one.machine.as_ref().ok()?) {
            Ok(Chosen::Libvirt(connection)) => Some((one.name.clone(), connection)),
            _ => None,
        })
        .collect();
    let mut connections = Connection::usual();
    for (_, connection) in &machines {
        if !connections.contains(connection) {
            connections.push(connection.clone());
        }
    }
    let (mut found, mut silent) = (Vec::new(), Vec::new());
    for connection in connections.into_iter().filter(Connection::is_there) {
        match Libvirt::on(connection.clone()).with_patience(ASK).domains() {
            Ok(domains) => {
                let ours = |name: &str| machines.iter().any(|(own, of)| own == name && *of == connection);
                let theirs = domains.into_iter().filter(|domain| !ours(&domain.name));
                found.extend(theirs.map(|domain| Other { connection: connection.clone(), domain }));
            }
            Err(error) => silent.push(format!("the domains of {connection}: {}", chain(&error))),
        }
    }
    Ok((found, silent))
}

/// The domain of this name that is no machine of this state directory; none where there is none.
pub(crate) fn other(name: &str, environment: &Environment) -> Result<Option<Other>, Error> {
    Ok(others(environment)?.0.into_iter().find(|other| other.domain.name == name))
}
