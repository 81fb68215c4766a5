//! Memory and its nodes.

use super::is_default;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with_macros::skip_serializing_none;

/// Memory.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Memory {
    /// Size, a number with unit: `256MiB`, `4GiB`.
    #[schemars(extend("format" = "size"))]
    pub size: String,
    /// Whether it comes from huge pages.
    pub hugepages: bool,
    /// Size of a huge page, `2MiB` or `1GiB`; the host's default size where absent.
    #[schemars(extend("format" = "size"))]
    pub hugepage_size: Option<String>,
    /// What the memory is made of; the backend's choice where absent.
    pub backing: Option<Backing>,
    /// Whether other processes can map it: vhost-user and virtio-fs need it.
    #[serde(skip_serializing_if = "is_default")]
    pub shared: bool,
    /// Whether the host may never swap it.
    #[serde(skip_serializing_if = "is_default")]
    pub locked: bool,
    /// Whether all of it is taken at start.
    #[serde(skip_serializing_if = "is_default")]
    pub prealloc: bool,
    /// Whether the host's KSM may merge it with other guests' (a side channel); the host's choice where absent.
    pub merge: Option<bool>,
    /// Whether it is part of a core dump of the VMM; the backend's choice where absent.
    pub dump: Option<bool>,
    /// Host nodes that it comes from.
    pub policy: Option<NumaPolicy>,
    /// Memory that can be added while the machine runs.
    pub hotplug: Option<Hotplug>,
    /// Memory devices: DIMMs, NVDIMMs, virtio-mem.
    #[serde(rename = "device", skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<MemoryDevice>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            size: "256MiB".to_owned(),
            hugepages: false,
            hugepage_size: None,
            backing: None,
            shared: false,
            locked: false,
            prealloc: false,
            merge: None,
            dump: None,
            policy: None,
            hotplug: None,
            devices: Vec::new(),
        }
    }
}

/// What guest memory is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backing {
    /// Anonymous memory.
    Anonymous,
    /// A memfd.
    Memfd,
    /// Files in a directory of the VMM's choice.
    File,
}

/// Host nodes that memory comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NumaPolicy {
    /// How strictly.
    pub mode: MemoryMode,
    /// The host's nodes: `0`, `0-1`.
    #[schemars(extend("format" = "cpu-list"))]
    pub nodes: String,
}

/// How strictly memory is bound to nodes (`mbind(2)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemoryMode {
    /// From these nodes or not at all (`MPOL_BIND`).
    Strict,
    /// From these first (`MPOL_PREFERRED`).
    Preferred,
    /// In turns (`MPOL_INTERLEAVE`).
    Interleave,
    /// By the control group of the process, not by the VMM.
    Restrictive,
}

/// Memory that can be added while the machine runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hotplug {
    /// All memory that the machine can have, boot memory included.
    #[schemars(extend("format" = "size"))]
    pub max: String,
    /// How many devices can be added, 1 to 256 (`ACPI_MAX_RAM_SLOTS` of QEMU).
    #[schemars(range(min = 0, max = 256))]
    pub slots: u32,
}

/// A memory device.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryDevice {
    /// What it is.
    pub kind: MemoryDeviceKind,
    /// Its size.
    #[schemars(extend("format" = "size"))]
    pub size: String,
    /// Guest node.
    #[schemars(range(min = 0, max = 127))]
    pub node: Option<u32>,
    /// Host file that holds it (NVDIMM, virtio-pmem).
    #[schemars(extend("format" = "path"))]
    pub path: Option<String>,
    /// Size of a block, virtio-mem only.
    #[schemars(extend("format" = "size"))]
    pub block: Option<String>,
    /// Size asked of the guest at first, virtio-mem only.
    #[schemars(extend("format" = "size"))]
    pub requested: Option<String>,
}

/// A memory device's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryDeviceKind {
    /// A DIMM (`pc-dimm`).
    Dimm,
    /// A DIMM that keeps its content.
    Nvdimm,
    /// Memory in blocks that come and go.
    VirtioMem,
    /// A file as persistent memory.
    VirtioPmem,
}

/// A NUMA node of the guest.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NumaCell {
    /// Virtual CPUs of it; none for a node of memory alone.
    #[schemars(extend("format" = "cpu-list"))]
    pub cpus: Option<String>,
    /// Its memory.
    #[schemars(extend("format" = "size"))]
    pub memory: String,
    /// Whether other processes can map it; the machine's own setting where absent.
    pub shared: Option<bool>,
    /// Size of its huge pages; the machine's own setting where absent.
    #[schemars(extend("format" = "size"))]
    pub hugepage_size: Option<String>,
    /// Host nodes that it comes from; the machine's own setting where absent.
    pub policy: Option<NumaPolicy>,
    /// Distances to other nodes.
    #[serde(default, rename = "distance", skip_serializing_if = "Vec::is_empty")]
    pub distances: Vec<Distance>,
}

/// Distance of a NUMA node to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Distance {
    /// The other node, counted from 0.
    #[schemars(range(min = 0, max = 127))]
    pub to: u32,
    /// 10 is local, 255 unreachable (ACPI, SLIT).
    #[schemars(range(min = 10, max = 255))]
    pub value: u32,
}
