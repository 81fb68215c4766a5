//! Processors, and where they run.

use super::is_default;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with_macros::skip_serializing_none;

/// What executes guest code. There is no silent fall-back: `kvm` fails where KVM cannot run the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// The kernel's KVM.
    #[default]
    Kvm,
    /// QEMU's own translator: 10 to 50 times slower, needs nothing of the host.
    Tcg,
}

/// Processors.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cpu {
    /// Virtual CPUs at start, 1 to 4096 (`KVM_MAX_VCPUS` on x86 with the largest configuration).
    #[schemars(range(min = 1, max = 4096))]
    pub count: u32,
    /// Virtual CPUs that can be reached by hot plug, at least `count`; no hot plug where absent.
    #[schemars(range(min = 1, max = 4096))]
    pub max: Option<u32>,
    /// CPU model as QEMU names it; `host` passes the host's own (KVM only), `max` all that the accelerator has,
    /// `default` what the machine type has of itself.
    #[schemars(extend("format" = "word"))]
    pub model: String,
    /// Features added (`+name`) or taken away (`-name`).
    #[schemars(extend("items" = {"type": "string", "format": "cpu-feature"}))]
    pub features: Vec<String>,
    /// Sockets, dies, clusters, cores and threads. Their product is `max`, or `count` where that is absent.
    pub topology: Option<Topology>,
    /// Whether the guest's view is migratable: a model `host` or `max` without what cannot move.
    pub migratable: Option<bool>,
    /// What happens where the host lacks a feature of the model.
    #[serde(skip_serializing_if = "is_default")]
    pub policy: Policy,
    /// Bits of a physical address that the guest sees, 32 to 64; the model's own where absent.
    #[schemars(range(min = 32, max = 64))]
    pub physical_bits: Option<u32>,
    /// Where virtual CPUs and the VMM's other threads run.
    #[serde(skip_serializing_if = "is_default")]
    pub pinning: Pinning,
}

impl Default for Cpu {
    fn default() -> Self {
        Self {
            count: 1,
            max: None,
            model: "max".to_owned(),
            features: Vec::new(),
            topology: None,
            migratable: None,
            policy: Policy::default(),
            physical_bits: None,
            pinning: Pinning::default(),
        }
    }
}

/// What happens where the host lacks a feature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// The machine starts without it, with a warning (QEMU's own behaviour).
    #[default]
    Allow,
    /// The machine does not start (QEMU's `enforce`).
    Strict,
}

/// How virtual CPUs are arranged. A number that is absent is 1.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Topology {
    /// Sockets.
    #[schemars(range(min = 1, max = 4096))]
    pub sockets: Option<u32>,
    /// Dies in a socket.
    #[schemars(range(min = 1, max = 4096))]
    pub dies: Option<u32>,
    /// Clusters in a die.
    #[schemars(range(min = 1, max = 4096))]
    pub clusters: Option<u32>,
    /// Cores in a cluster.
    #[schemars(range(min = 1, max = 4096))]
    pub cores: Option<u32>,
    /// Threads in a core.
    #[schemars(range(min = 1, max = 4096))]
    pub threads: Option<u32>,
}

/// Where threads run.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pinning {
    /// Host CPUs of all virtual CPUs that have no own line.
    #[schemars(extend("format" = "cpu-list"))]
    pub all: Option<String>,
    /// Host CPUs of single virtual CPUs.
    #[serde(rename = "vcpu", skip_serializing_if = "Vec::is_empty")]
    pub vcpus: Vec<Pin>,
    /// Host CPUs of the VMM's threads that are neither virtual CPUs nor I/O threads.
    #[schemars(extend("format" = "cpu-list"))]
    pub emulator: Option<String>,
    /// How many I/O threads there are, 0 to 256, numbered from 1.
    #[schemars(range(min = 0, max = 256))]
    pub iothreads: Option<u32>,
    /// Host CPUs of single I/O threads.
    #[serde(rename = "iothread", skip_serializing_if = "Vec::is_empty")]
    pub iothread_pins: Vec<Pin>,
}

/// Host CPUs of one thread, or of some.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Which: numbers and ranges, `0`, `0-3`. Virtual CPUs are counted from 0, I/O threads from 1.
    #[schemars(extend("format" = "cpu-list"))]
    pub threads: String,
    /// Host CPUs: `4-7,12`.
    #[schemars(extend("format" = "cpu-list"))]
    pub cpus: Option<String>,
    /// Scheduling class; the kernel's usual one where absent.
    pub scheduler: Option<Scheduler>,
    /// Priority in a real-time class, 1 to 99 (`sched(7)`).
    #[schemars(range(min = 1, max = 99))]
    pub priority: Option<u32>,
}

/// Scheduling class (`sched(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheduler {
    /// `SCHED_BATCH`.
    Batch,
    /// `SCHED_IDLE`.
    Idle,
    /// `SCHED_FIFO`.
    Fifo,
    /// `SCHED_RR`.
    Rr,
}
