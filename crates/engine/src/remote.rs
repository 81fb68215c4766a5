//! A host over SSH: connected to before the lock, read behind it.

use crate::{Environment, Error, analysis, memory};
use vmwright_host::ssh::{self, Connection, Target};
use vmwright_host::{Limits, Root, Subject};
use vmwright_model::{HostIdentity, Need, Snapshot};

/// Where a snapshot is to be read: here, or through a connection that is already up.
pub(crate) enum Place {
    Here(Root),
    Far(Box<Connection>),
}

/// The host that was named, where one was.
///
/// # Errors
/// [`Error::Target`].
pub(crate) fn target(host: Option<&str>) -> Result<Option<Target>, Error> {
    host.map(|host| host.parse().map_err(Error::Target)).transpose()
}

/// Connects to a host. The process must not be locked yet.
///
/// # Errors
/// `ssh` cannot be started.
pub(crate) fn connect(target: &Target, needs: &[Need]) -> Result<Place, Error> {
    let connection = ssh::connect(target, needs, &Limits::default()).map_err(Error::Collect)?;
    Ok(Place::Far(Box::new(connection)))
}

/// Reads what the analysis needs.
///
/// # Errors
/// There is nothing to read.
pub(crate) fn read(place: Place, subject: &Subject, environment: &Environment) -> Result<Snapshot, Error> {
    match place {
        Place::Here(root) => analysis::read(&root, subject, environment),
        Place::Far(connection) => {
            let mut snapshot =
                ssh::collect(*connection, subject, &Limits::default()).map_err(Error::Collect)?;
            snapshot.taken = memory::now();
            Ok(snapshot)
        }
    }
}

/// Who the host is that a snapshot from elsewhere was taken of.
pub(crate) fn identity(snapshot: &Snapshot) -> HostIdentity {
    let text = |source: &str| {
        let bytes = snapshot.record(source).and_then(|record| record.content.as_deref().ok());
        bytes.map_or(String::new(), |bytes| String::from_utf8_lossy(bytes.trim_ascii()).into_owned())
    };
    HostIdentity {
        id: snapshot.host_id.clone(),
        name: text("/proc/sys/kernel/hostname"),
        kernel: text("/proc/sys/kernel/osrelease"),
        live: false,
    }
}
