//! What other formats say and the specification does not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of a description in another format that the specification has no word for, kept as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Foreign {
    /// The format that it is of.
    pub format: ForeignFormat,
    /// Where it stood, in that format's own terms: `devices/disk[2]`, `spec.template.spec`, `-device`.
    pub at: String,
    /// The part itself.
    pub text: String,
}

/// A format that a machine can be described in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForeignFormat {
    /// libvirt's domain XML.
    Libvirt,
    /// QEMU's command line.
    Qemu,
    /// Firecracker's JSON.
    Firecracker,
    /// Cloud Hypervisor's JSON or command line.
    CloudHypervisor,
    /// KubeVirt's YAML.
    Kubevirt,
}
