//! The VMM's own process, and what it may take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with_macros::skip_serializing_none;

/// The VMM's own process.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Process {
    /// User to run as where vmwright runs as root: `root` too, if it has to be. Where absent QEMU becomes a user of no
    /// name that is this machine's alone once it has opened what it needs, and Firecracker is started as one, unless
    /// `vm show` says why not; all else runs as its caller.
    #[schemars(extend("format" = "user"))]
    pub user: Option<String>,
    /// Group to run as; the user's own where absent.
    #[schemars(extend("format" = "user"))]
    pub group: Option<String>,
    /// Whether the VMM is held by seccomp; yes where absent.
    pub sandbox: Option<bool>,
    /// Whether Firecracker runs in its jailer.
    pub jailer: Option<bool>,
    /// Words that are added to the VMM's command line as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "format": "line"}))]
    pub arguments: Vec<String>,
}

/// What the VM may take of the host at most (control groups).
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Share of processor time against other groups, 1 to 10000 (`cpu.weight`).
    #[schemars(range(min = 1, max = 10000))]
    pub cpu_weight: Option<u32>,
    /// Processor time of each virtual CPU, in percent of one host CPU.
    #[schemars(range(min = 1, max = 10000))]
    pub vcpu_percent: Option<u32>,
    /// Processor time of the VMM's other threads, in percent of one host CPU.
    #[schemars(range(min = 1, max = 10000))]
    pub emulator_percent: Option<u32>,
    /// Memory of the whole process (`memory.max`).
    #[schemars(extend("format" = "size"))]
    pub memory: Option<String>,
    /// Memory above which it is throttled (`memory.high`).
    #[schemars(extend("format" = "size"))]
    pub memory_soft: Option<String>,
    /// Share of disk time against other groups, 1 to 10000 (`io.weight`).
    #[schemars(range(min = 1, max = 10000))]
    pub io_weight: Option<u32>,
    /// Limits of single devices of the host.
    #[serde(rename = "device", skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Blkio>,
    /// Control group that the process joins: `/machine/production`.
    #[schemars(extend("format" = "path"))]
    pub partition: Option<String>,
}

/// What may be asked of one block device of the host, a second.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Blkio {
    /// The device: `/dev/sda`.
    #[schemars(extend("format" = "path"))]
    pub path: String,
    /// Share of the device's time against other groups, 1 to 10000.
    #[schemars(range(min = 1, max = 10000))]
    pub weight: Option<u32>,
    /// Bytes read.
    pub read_bytes: Option<u64>,
    /// Bytes written.
    pub write_bytes: Option<u64>,
    /// Reads.
    pub read_iops: Option<u64>,
    /// Writes.
    pub write_iops: Option<u64>,
}
