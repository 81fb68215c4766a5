//! What both ends of a migration set before it begins.

use super::control::unusable;
use super::qmp::{Qmp, QmpError};
use super::schema::Schema;
use crate::request::{Channel, Place};
use crate::{ControlError, Operation, Stored};
use serde_json::json;

/// Name of the credentials in QEMU.
const TLS: &str = "vmwright-tls";
/// Longest path of a UNIX socket, in bytes (`sun_path` of unix(7), without the final NUL).
const SOCKET_MAX: usize = 107;

/// Which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Target,
}

/// Why a channel is not set.
#[derive(Debug)]
pub(super) enum Unset {
    /// It makes no sense, or this QEMU cannot.
    Words(String),
    /// The monitor.
    Monitor(QmpError),
}

impl From<QmpError> for Unset {
    fn from(error: QmpError) -> Self {
        match error {
            QmpError::Refused { description, .. } => Unset::Words(description),
            other => Unset::Monitor(other),
        }
    }
}

impl Unset {
    pub(super) fn of(self, machine: &Stored, operation: Operation) -> ControlError {
        match self {
            Unset::Words(why) => ControlError::Failed { machine: machine.name.clone(), operation, why },
            Unset::Monitor(source) => unusable(machine, source),
        }
    }
}

/// An address as QEMU writes it.
pub(super) fn address(place: &Place) -> Result<String, String> {
    match place {
        Place::Unix(path) => {
            let text = path.to_str().filter(|_| path.is_absolute());
            let text = text.ok_or_else(|| format!("the socket `{}` has no absolute path", path.display()))?;
            if text.len() > SOCKET_MAX {
                return Err(format!(
                    "the path of the socket has {} bytes, and {SOCKET_MAX} is the most that a socket can have",
                    text.len()
                ));
            }
            Ok(format!("unix:{text}"))
        }
        Place::Tcp { host, port } => {
            let word = !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:%".contains(&byte));
            if !word || *port == 0 {
                return Err(format!("`{}:{port}` is no host and port", host.escape_debug()));
            }
            if host.contains(':') {
                Ok(format!("tcp:[{host}]:{port}"))
            } else {
                Ok(format!("tcp:{host}:{port}"))
            }
        }
        Place::File(path) => Err(format!("the file `{}` is no address", path.display())),
        Place::Libvirt(_) => {
            Err("QEMU itself knows no libvirt; name a socket, or a host and port".to_owned())
        }
    }
}

/// Sets capabilities and parameters; all of them, so that nothing of an earlier try stays.
pub(super) fn prepare(
    qmp: &mut Qmp,
    schema: &Schema,
    channel: &Channel,
    post_copy: bool,
    side: Side,
) -> Result<(), Unset> {
    let multifd = channel.connections > 0;
    let post_copy = post_copy || channel.post_copy;
    if channel.compression.is_some() && !multifd {
        return Err(Unset::Words(
            "compression needs several connections: it works with multifd alone".to_owned(),
        ));
    }
    let capabilities = json!([
        { "capability": "multifd", "state": multifd },
        { "capability": "postcopy-ram", "state": post_copy },
    ]);
    qmp.execute("migrate-set-capabilities", Some(json!({ "capabilities": capabilities })))?;
    let mut parameters = json!({});
    if multifd {
        let compression = channel.compression.as_deref().unwrap_or("none");
        if !matches!(compression, "none" | "zlib" | "zstd") || !schema.knows(compression, "none") {
            return Err(Unset::Words(format!(
                "this QEMU has no compression `{}`",
                compression.escape_debug()
            )));
        }
        parameters["multifd-channels"] = channel.connections.into();
        parameters["multifd-compression"] = compression.into();
    }
    // One of an earlier try would have other files; without one this is refused.
    let _ = qmp.execute("migrate-set-parameters", Some(json!({ "tls-creds": "", "tls-hostname": "" })));
    let _ = qmp.execute("object-del", Some(json!({ "id": TLS })));
    if let Some(directory) = &channel.tls {
        let text = directory
            .to_str()
            .ok_or_else(|| Unset::Words("the directory of certificates is not UTF-8".to_owned()))?;
        let endpoint = if side == Side::Source { "client" } else { "server" };
        qmp.execute(
            "object-add",
            Some(json!({ "qom-type": "tls-creds-x509", "id": TLS, "dir": text, "endpoint": endpoint, "verify-peer": true })),
        )?;
        parameters["tls-creds"] = TLS.into();
        if let Some(name) = channel.tls_name.as_deref().filter(|_| side == Side::Source) {
            parameters["tls-hostname"] = name.into();
        }
    }
    qmp.execute("migrate-set-parameters", Some(parameters))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp = |host: &str, port| address(&Place::Tcp { host: host.to_owned(), port });
        assert_eq!(tcp("hv2.example", 49152), Ok("tcp:hv2.example:49152".to_owned()));
        assert_eq!(tcp("fe80::1%eth0", 1), Ok("tcp:[fe80::1%eth0]:1".to_owned()));
        assert!(tcp("a,b", 1).is_err() && tcp("", 1).is_err() && tcp("a", 0).is_err());
        assert_eq!(address(&Place::Unix("/run/m".into())), Ok("unix:/run/m".to_owned()));
        assert!(address(&Place::Unix("m".into())).is_err());
        let long = format!("/{}", "x".repeat(200));
        assert!(address(&Place::Unix(long.into())).is_err_and(|why| why.contains("201 bytes")));
    }
}
