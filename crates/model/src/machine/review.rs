//! What REVIEW demands of the running VM. It makes no machine; a machine is measured against it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with_macros::skip_serializing_none;

/// What the running VM has to fulfil when it is reviewed. What is absent is not demanded.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Requirements {
    /// Units of systemd that have to be active in the guest: `sshd.service`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "format": "word"}))]
    pub services: Vec<String>,
    /// TCP services that the guest has to reach: `10.213.0.1:443`, `mirror.example.org:80`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "format": "host-port"}))]
    pub reach: Vec<String>,
    /// TCP services that the guest must not reach: `169.254.169.254:80`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "format": "host-port"}))]
    pub no_reach: Vec<String>,
    /// Disks of the specification, by their paths, whose bytes a review may overwrite: what is on them is lost. Without them only
    /// throw-away disks are written to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "format": "path"}))]
    pub overwrite: Vec<String>,
    /// Milliseconds from power-on to the guest's agent, at most.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub boot_ms: Option<u32>,
    /// Milliseconds that the guest may stand still on each way of a live migration.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub downtime_ms: Option<u32>,
    /// Whether guests that go on from one state of it are meant to run side by side on one network. Each has the same MAC and
    /// address, so that they must be told apart there.
    pub side_by_side: Option<bool>,
    /// Microseconds of a round trip from the host over the network and back, at most, as the median.
    #[schemars(range(min = 1, max = 60_000_000))]
    pub round_trip_us: Option<u32>,
    /// Mebibytes a second between the host and the guest over each network, what goes and what comes back together, at least,
    /// as the median.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub network_mib_s: Option<u32>,
    /// Computing power of one virtual CPU, in percent of a processor of the host, at least.
    #[schemars(range(min = 1, max = 100))]
    pub cpu_percent: Option<u32>,
    /// Mebibytes a second that one virtual CPU reads and writes in memory, at least.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub memory_mib_s: Option<u32>,
    /// Mebibytes a second that the guest reads from its first disk, at least, past its cache.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub disk_read_mib_s: Option<u32>,
    /// Microseconds until a read of 4 KiB from the first disk is done, at most, as the 99th percentile.
    #[schemars(range(min = 1, max = 60_000_000))]
    pub disk_read_us: Option<u32>,
    /// Mebibytes a second that the guest writes to the first disk of `overwrite`, at least, past its cache.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub disk_write_mib_s: Option<u32>,
    /// Microseconds until a write of 4 KiB to the first disk of `overwrite` is done, at most, as the 99th percentile.
    #[schemars(range(min = 1, max = 60_000_000))]
    pub disk_write_us: Option<u32>,
    /// Microseconds that a thread of the guest is woken too late, at most, as the 99th percentile.
    #[schemars(range(min = 1, max = 60_000_000))]
    pub jitter_us: Option<u32>,
    /// Percent of its time that the host takes from a virtual CPU which wants to run, at most.
    #[schemars(range(min = 0, max = 100))]
    pub steal_percent: Option<u32>,
}
