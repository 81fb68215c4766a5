//! Values of what runs, and states of what lies elsewhere.

use serde::{Deserialize, Serialize};

/// A value of a running QEMU. Only such as can be asked for, and set back exactly, by its monitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum QmpValue {
    /// Bytes that a disk may move in a second; 0 for any number (`block_set_io_throttle`).
    DiskBytes {
        /// Number of the disk in the specification, counted from 0.
        disk: u32,
    },
    /// Requests that a disk may take in a second; 0 for any number (`block_set_io_throttle`).
    DiskRequests {
        /// Number of the disk in the specification, counted from 0.
        disk: u32,
    },
    /// Bytes that a migration may send in a second (`migrate-set-parameters`, `max-bandwidth`).
    MigrationBandwidth,
    /// Milliseconds that a guest may stand still at the end of its migration (`downtime-limit`).
    MigrationDowntime,
}

impl std::fmt::Display for QmpValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            QmpValue::DiskBytes { disk } => write!(f, "bytes a second of disk {}", disk + 1),
            QmpValue::DiskRequests { disk } => write!(f, "requests a second of disk {}", disk + 1),
            QmpValue::MigrationBandwidth => write!(f, "bytes a second of a migration"),
            QmpValue::MigrationDowntime => write!(f, "milliseconds of downtime of a migration"),
        }
    }
}

/// How a snapshot of an image in a Ceph pool stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RbdSnapshot {
    /// There is none of this name.
    Absent,
    /// It can be removed.
    There,
    /// It cannot be removed, and may have clones.
    Protected,
}
