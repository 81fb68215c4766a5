//! What the guest is told of its machine, and what follows on its end.

use super::is_default;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with_macros::skip_serializing_none;

/// Enlightenments for Windows.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HyperV {
    /// All that the host's KVM has (`hv-passthrough`): fast, and bound to this host.
    #[serde(skip_serializing_if = "is_default")]
    pub passthrough: bool,
    /// Names as QEMU has them, without `hv-`: `relaxed`, `vapic`, `time`, `synic`, `stimer`, `vpindex`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "format": "word"}))]
    pub features: Vec<String>,
    /// How often a spinning CPU tries before it tells the host; at least 4095 (QEMU's `hv-spinlocks`).
    #[schemars(range(min = 4095, max = 4_294_967_295_u32))]
    pub spinlocks: Option<u32>,
    /// Maker that the guest sees, at most 12 bytes.
    #[schemars(extend("format" = "word"))]
    pub vendor_id: Option<String>,
    /// Whether KVM hides its own signature from the guest.
    #[serde(skip_serializing_if = "is_default")]
    pub hide_kvm: bool,
}

/// Clock and timers.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// What the guest's hardware clock shows.
    #[serde(skip_serializing_if = "is_default")]
    pub base: ClockBase,
    /// Time zone, for `timezone`: `Europe/Berlin`.
    #[schemars(extend("format" = "line"))]
    pub timezone: Option<String>,
    /// Difference to the base, in seconds.
    pub offset: Option<i64>,
    /// Timers: which there are, and what becomes of their missed ticks.
    #[serde(rename = "timer", skip_serializing_if = "Vec::is_empty")]
    pub timers: Vec<Timer>,
}

/// What the guest's hardware clock shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClockBase {
    /// UTC.
    #[default]
    Utc,
    /// The host's local time.
    Localtime,
    /// The time of a time zone.
    Timezone,
    /// What the guest last set it to.
    Variable,
    /// Seconds since 1970, fixed at start.
    Absolute,
}

/// A timer.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timer {
    /// Name as libvirt has it: `rtc`, `pit`, `hpet`, `tsc`, `kvmclock`, `hypervclock`.
    #[schemars(extend("format" = "word"))]
    pub name: String,
    /// Whether the guest has it.
    pub present: Option<bool>,
    /// What becomes of missed ticks: `delay`, `catchup`, `merge`, `discard`.
    #[schemars(extend("format" = "word"))]
    pub ticks: Option<String>,
    /// What it follows: `guest`, `wall`, `realtime`.
    #[schemars(extend("format" = "word"))]
    pub track: Option<String>,
    /// Hertz (`tsc`).
    pub frequency: Option<u64>,
}

/// What follows when the guest ends.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lifecycle {
    /// It powers off.
    pub on_poweroff: Option<Reaction>,
    /// It reboots.
    pub on_reboot: Option<Reaction>,
    /// It crashes.
    pub on_crash: Option<Reaction>,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// The machine stops.
    Destroy,
    /// The machine starts again.
    Restart,
    /// The machine stays as it is, for a look.
    Preserve,
    /// The machine starts again under another name.
    RenameRestart,
    /// Its memory is dumped, and it stops.
    CoredumpDestroy,
    /// Its memory is dumped, and it starts again.
    CoredumpRestart,
}
