//! Parts of the platform that a guest has or has not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with_macros::skip_serializing_none;

/// Parts of the platform. What is absent is the machine type's own choice.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Features {
    /// Whether the guest sees performance counters.
    pub pmu: Option<bool>,
    /// Whether there is system management mode (x86); secure boot needs it.
    pub smm: Option<bool>,
    /// Whether VMware's port answers (x86).
    pub vmport: Option<bool>,
    /// Whether QEMU emulates the I/O APIC and KVM the local APICs alone (x86); an emulated IOMMU that remaps
    /// interrupts needs it.
    pub split_irqchip: Option<bool>,
    /// Version of the interrupt controller, ARM only: `2`, `3`, `host`.
    #[schemars(extend("format" = "word"))]
    pub gic: Option<String>,
    /// Whether the guest tells where its kernel's crash information is.
    pub vmcoreinfo: Option<bool>,
}
