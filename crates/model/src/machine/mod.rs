//! A VM as its specification describes it: one machine for every backend.
//!
//! The types are the only definition of what a specification may say. Their JSON Schema (`vmwright vm schema`) is made
//! of them; the reader of the TOML file (`vmwright_formats::machine_spec`) checks a file against that schema. A field
//! says with `format` what its text must look like; `vmwright_formats::machine_spec` has the check of each format.

mod boot;
mod character;
mod confidential;
mod cpu;
mod devices;
mod disk;
mod display;
mod features;
mod foreign;
mod guest;
mod hostdev;
mod memory;
mod network;
mod process;
mod review;

pub use boot::{Boot, BootDevice, Firmware, FirmwareKind, Seed, Tpm, TpmModel};
pub use character::{Channel, ChannelTarget, Character, CharacterTarget, Endpoint};
pub use confidential::{Confidential, Technology};
pub use cpu::{Accelerator, Cpu, Pin, Pinning, Policy, Scheduler, Topology};
pub use devices::{
    Address, Balloon, Controller, ControllerKind, Input, InputBus, InputKind, Panic, Rng, Share, ShareDriver,
    Vsock, Watchdog, WatchdogAction,
};
pub use disk::{
    Aio, Cache, Discard, Disk, DiskBus, DiskDevice, DiskFormat, IoLimits, Lvm, Nbd, OnError, Rbd, Volume,
};
pub use display::{Display, DisplayKind, Sound, Video};
pub use features::Features;
pub use foreign::{Foreign, ForeignFormat};
pub use guest::{Clock, ClockBase, HyperV, Lifecycle, Reaction, Timer};
pub use hostdev::{HostDevice, HostDeviceKind};
pub use memory::{
    Backing, Distance, Hotplug, Memory, MemoryDevice, MemoryDeviceKind, MemoryMode, NumaCell, NumaPolicy,
};
pub use network::{Bandwidth, Forward, MacvtapMode, Network, NetworkKind, NetworkModel};
pub use process::{Blkio, Limits, Process};
pub use review::Requirements;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MachineSpec {
    /// Name: letters, digits, `-`, `_` and `.`, at most 64, not starting with a dot or dash.
    #[schemars(extend("format" = "machine-name"))]
    pub name: String,
    /// Identity that the guest sees in its firmware tables; made from the name where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "uuid"))]
    pub uuid: Option<String>,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "line"))]
    pub title: Option<String>,
    /// As much text for people as they like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Architecture of the guest, as QEMU names it: `x86_64`, `aarch64`.
    #[serde(default = "default_arch", skip_serializing_if = "is_default_arch")]
    #[schemars(extend("format" = "word"))]
    pub arch: String,
    /// Machine type as QEMU names it: `q35`, `pc-i440fx-7.2`, `microvm`.
    #[serde(default = "default_machine")]
    #[schemars(extend("format" = "word"))]
    pub machine: String,
    /// What executes guest code.
    #[serde(default)]
    pub accelerator: Accelerator,
    /// Whether the guest is described by ACPI tables; yes where absent, on machine types that have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acpi: Option<bool>,
    /// Whether the guest sees nothing but what is written here: no serial port for the log, no source of randomness
    /// and no boot order are added. So is a machine that another format describes; a changed guest would notice.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bare: bool,
    /// Path of the VMM's program; the backend's own choice where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub emulator: Option<String>,
    /// Processors.
    #[serde(default)]
    pub cpu: Cpu,
    /// Memory.
    #[serde(default)]
    pub memory: Memory,
    /// NUMA nodes of the guest. None: one node with all CPUs and all memory.
    #[serde(default, rename = "numa", skip_serializing_if = "Vec::is_empty")]
    pub numa: Vec<NumaCell>,
    /// What is started, and in which order it is tried.
    #[serde(default)]
    pub boot: Boot,
    /// Firmware.
    #[serde(default, skip_serializing_if = "is_default")]
    pub firmware: Firmware,
    /// Trusted platform module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<Tpm>,
    /// Disks, in boot order.
    #[serde(default, rename = "disk", skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Disk>,
    /// Network interfaces.
    #[serde(default, rename = "network", skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// Devices of the host that are given to the guest.
    #[serde(default, rename = "host_device", skip_serializing_if = "Vec::is_empty")]
    pub host_devices: Vec<HostDevice>,
    /// Directories of the host that the guest sees.
    #[serde(default, rename = "share", skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
    /// Sockets between host and guest without a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vsock: Option<Vsock>,
    /// Serial ports; none: one that is kept in the machine's log.
    #[serde(default, rename = "serial", skip_serializing_if = "Vec::is_empty")]
    pub serials: Vec<Character>,
    /// Parallel ports.
    #[serde(default, rename = "parallel", skip_serializing_if = "Vec::is_empty")]
    pub parallels: Vec<Character>,
    /// Consoles, virtio's and the architecture's own.
    #[serde(default, rename = "console", skip_serializing_if = "Vec::is_empty")]
    pub consoles: Vec<Character>,
    /// Channels between programs of guest and host.
    #[serde(default, rename = "channel", skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Channel>,
    /// Whether the guest runs an agent that speaks the QEMU guest agent protocol.
    #[serde(default = "default_true")]
    pub agent: bool,
    /// Screens that people look at.
    #[serde(default, rename = "display", skip_serializing_if = "Vec::is_empty")]
    pub displays: Vec<Display>,
    /// Graphics cards.
    #[serde(default, rename = "video", skip_serializing_if = "Vec::is_empty")]
    pub videos: Vec<Video>,
    /// Keyboards, mice, tablets.
    #[serde(default, rename = "input", skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// Sound cards.
    #[serde(default, rename = "sound", skip_serializing_if = "Vec::is_empty")]
    pub sounds: Vec<Sound>,
    /// Controllers: PCI bridges and root ports, SCSI, USB, SATA, virtio-serial. Those that devices need and that are
    /// not here are added.
    #[serde(default, rename = "controller", skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<Controller>,
    /// Sources of randomness. None: one that reads the host's `/dev/urandom`.
    #[serde(default, rename = "rng", skip_serializing_if = "Vec::is_empty")]
    pub rngs: Vec<Rng>,
    /// Memory that the host can ask back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balloon: Option<Balloon>,
    /// A clock that acts when the guest stops feeding it.
    #[serde(default, rename = "watchdog", skip_serializing_if = "Vec::is_empty")]
    pub watchdogs: Vec<Watchdog>,
    /// Devices by which the guest tells that it crashed.
    #[serde(default, rename = "panic", skip_serializing_if = "Vec::is_empty")]
    pub panics: Vec<Panic>,
    /// Parts of the platform that the guest has or has not.
    #[serde(default, skip_serializing_if = "is_default")]
    pub features: Features,
    /// Enlightenments for Windows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hyperv: HyperV,
    /// Clock and timers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub clock: Clock,
    /// What follows when the guest powers off, reboots or crashes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lifecycle: Lifecycle,
    /// Memory that the host cannot read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidential: Option<Confidential>,
    /// The VMM's own process.
    #[serde(default, skip_serializing_if = "is_default")]
    pub process: Process,
    /// What the VM may take of the host at most.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// What cloud-init finds in the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<Seed>,
    /// What the running VM has to fulfil when it is reviewed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub review: Requirements,
    /// What another format said that this one has no word for. It is written back into that format alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<Foreign>,
}

impl MachineSpec {
    /// A machine with this name, and defaults in all else.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            uuid: None,
            title: None,
            description: None,
            arch: default_arch(),
            machine: default_machine(),
            accelerator: Accelerator::default(),
            acpi: None,
            bare: false,
            emulator: None,
            cpu: Cpu::default(),
            memory: Memory::default(),
            numa: Vec::new(),
            boot: Boot::default(),
            firmware: Firmware::default(),
            tpm: None,
            disks: Vec::new(),
            networks: Vec::new(),
            host_devices: Vec::new(),
            shares: Vec::new(),
            vsock: None,
            serials: Vec::new(),
            parallels: Vec::new(),
            consoles: Vec::new(),
            channels: Vec::new(),
            agent: true,
            displays: Vec::new(),
            videos: Vec::new(),
            inputs: Vec::new(),
            sounds: Vec::new(),
            controllers: Vec::new(),
            rngs: Vec::new(),
            balloon: None,
            watchdogs: Vec::new(),
            panics: Vec::new(),
            features: Features::default(),
            hyperv: HyperV::default(),
            clock: Clock::default(),
            lifecycle: Lifecycle::default(),
            confidential: None,
            process: Process::default(),
            limits: Limits::default(),
            seed: None,
            review: Requirements::default(),
            foreign: Vec::new(),
        }
    }
}

fn default_arch() -> String {
    "x86_64".to_owned()
}

fn is_default_arch(arch: &str) -> bool {
    arch == default_arch()
}

fn default_machine() -> String {
    "q35".to_owned()
}

fn default_true() -> bool {
    true
}

/// Whether a value says nothing, so that it is not written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
