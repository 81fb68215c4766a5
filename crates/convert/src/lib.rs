//! A machine from and to every format that describes one. Pure: text in, text out.
//!
//! Reading gives a [`MachineSpec`]; what the specification has no word for is kept in its `foreign` part, so that
//! nothing is lost on the way back. Writing gives the text and says, item by item, what the target cannot say.

pub mod cloud_hypervisor;
mod crossing;
mod defaults;
mod differences;
pub mod firecracker;
mod formats;
mod json;
pub mod kubevirt;
pub mod libvirt;
pub mod qemu;
pub mod toml;
mod yaml;

pub use formats::{ConvertError, convert};

use thiserror::Error;
use vmwright_model::{Issue, MachineSpec};

/// A format that describes a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// vmwright's own TOML.
    Toml,
    /// libvirt's domain XML.
    Libvirt,
    /// QEMU's command line.
    Qemu,
    /// Firecracker's JSON configuration.
    Firecracker,
    /// Cloud Hypervisor's JSON configuration (`vm.create`).
    CloudHypervisor,
    /// Cloud Hypervisor's command line.
    CloudHypervisorArgs,
    /// KubeVirt's VirtualMachine and its kin, YAML or JSON.
    Kubevirt,
}

/// A machine as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The machine.
    pub spec: MachineSpec,
    /// What was understood otherwise than it was said.
    pub remarks: Vec<Remark>,
}

/// A machine as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The text.
    pub text: String,
    /// What the text says otherwise than the machine.
    pub remarks: Vec<Remark>,
}

/// One difference between a machine and a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What became of it.
    pub effect: Effect,
    /// The item as the specification's key, `disk.0.cache`, or where it has none, as the text names it.
    pub item: String,
    /// Why, and what stands in its place.
    pub why: String,
}

/// What becomes of an item that the target cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It is not there.
    Lost,
    /// Something near it is there.
    Approximated,
    /// The target demands what the machine does not say; this was chosen.
    Defaulted,
}

/// Why a text is no machine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// It is not of this format at all, or what it says cannot be meant; each with its line.
    #[error("{}", .0.iter().map(|issue| match issue.line {
        0 => issue.what.clone(),
        line => format!("line {line}: {}", issue.what),
    }).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<Issue>),
}
