//! A VM as its specification describes it. `vmwright_formats::machine_spec` reads it from TOML.

use serde::{Deserialize, Serialize};

/// A VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineSpec {
    /// Name: letters, digits, `-`, `_` and `.`, at most 64, not starting with a dot or dash.
    pub name: String,
    /// Machine type as QEMU names it.
    #[serde(default = "default_machine")]
    pub machine: String,
    /// What executes guest code.
    #[serde(default)]
    pub accelerator: Accelerator,
    /// Processors.
    #[serde(default)]
    pub cpu: Cpu,
    /// Memory.
    #[serde(default)]
    pub memory: Memory,
    /// What is started.
    #[serde(default)]
    pub boot: Boot,
    /// Disks, in boot order.
    #[serde(default, rename = "disk")]
    pub disks: Vec<Disk>,
    /// Network interfaces.
    #[serde(default, rename = "network")]
    pub networks: Vec<Network>,
    /// The VMM's own process.
    #[serde(default)]
    pub process: Process,
    /// Whether the guest runs an agent that speaks the QEMU guest agent protocol.
    #[serde(default = "default_true")]
    pub agent: bool,
}

fn default_machine() -> String {
    "q35".to_owned()
}

fn default_true() -> bool {
    true
}

/// What executes guest code. There is no silent fall-back: `kvm` fails where KVM cannot run the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// The kernel's KVM.
    #[default]
    Kvm,
    /// QEMU's own translator: 10 to 50 times slower, needs nothing of the host.
    Tcg,
}

/// Processors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cpu {
    /// Virtual CPUs, 1 to 4096.
    pub count: u32,
    /// CPU model as QEMU names it; `host` passes the host's own (KVM only), `max` all the accelerator has.
    pub model: String,
    /// Features added (`+name`) or taken away (`-name`).
    pub features: Vec<String>,
}

impl Default for Cpu {
    fn default() -> Self {
        Self { count: 1, model: "max".to_owned(), features: Vec::new() }
    }
}

/// Memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Memory {
    /// Size, a number with unit: `256MiB`, `4GiB`.
    pub size: String,
    /// Whether it comes from huge pages (the default size of the host).
    pub hugepages: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self { size: "256MiB".to_owned(), hugepages: false }
    }
}

/// What is started. Without a kernel the firmware boots from the first disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Boot {
    /// Path of a kernel image.
    pub kernel: Option<String>,
    /// Path of an initramfs.
    pub initrd: Option<String>,
    /// Kernel command line.
    pub cmdline: String,
    /// Path of a UEFI firmware image; BIOS where absent.
    pub firmware: Option<String>,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Path of a file or block device.
    pub path: String,
    /// Image format. Never guessed: a guest that writes a header into a raw disk could name any file.
    pub format: DiskFormat,
    /// Whether the guest may not write.
    #[serde(default)]
    pub readonly: bool,
}

/// Image format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskFormat {
    /// Bytes as the guest sees them.
    Raw,
    /// QEMU's own format.
    Qcow2,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// What it is plugged into.
    pub kind: NetworkKind,
    /// Name of the bridge, for `bridge`.
    #[serde(default)]
    pub bridge: Option<String>,
    /// Address that the host should have on that bridge, with prefix length: `10.213.0.1/24`.
    #[serde(default)]
    pub host_address: Option<String>,
    /// Address that the guest should have, with prefix length: `10.213.0.2/24`.
    #[serde(default)]
    pub address: Option<String>,
    /// MAC address; made from the machine's name where absent.
    #[serde(default)]
    pub mac: Option<String>,
}

/// What a network interface is plugged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkKind {
    /// QEMU's own user-mode network: no privilege, outgoing connections only.
    User,
    /// A Linux bridge of the host, through a tap.
    Bridge,
}

/// The VMM's own process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Process {
    /// User to run as where vmwright runs as root; the caller's own where absent.
    pub user: Option<String>,
}
