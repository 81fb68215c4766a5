//! What both ends of a migration set before it begins.

use super::control::unusable;
use super::qmp::{Qmp, QmpError};
use super::reach::Certificates;
use super::schema::Schema;
use crate::request::Channel;
use crate::{ControlError, Operation, Running, Stored};
use serde_json::json;

/// Name of the credentials in QEMU.
const TLS: &str = "vmwright-tls";
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

/// Sets capabilities and parameters; all of them, so that nothing of an earlier try stays.
pub(super) fn prepare(
    qmp: &mut Qmp,
    running: &Running,
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
        let unusable = |why: String| Unset::Words(format!("the directory of certificates {why}"));
        let certificates = Certificates::of(running, directory)
            .map_err(|error| unusable(format!("`{}` cannot be read: {error}", directory.display())))?;
        let text = certificates.directory.to_str().ok_or_else(|| unusable("is not UTF-8".to_owned()))?;
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
