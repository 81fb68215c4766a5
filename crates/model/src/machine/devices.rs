//! Small devices, and where the guest sees devices.

use super::is_default;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with_macros::skip_serializing_none;

/// Where the guest sees a device. What is absent is chosen.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Address {
    /// PCI address in the guest: `0000:01:00.0`.
    #[schemars(extend("format" = "pci-address"))]
    pub pci: Option<String>,
    /// Whether more functions share the slot.
    #[serde(skip_serializing_if = "is_default")]
    pub multifunction: bool,
    /// Number of the controller, from 0, for devices that are not on PCI.
    #[schemars(range(min = 0, max = 1024))]
    pub controller: Option<u32>,
    /// Bus of the controller.
    #[schemars(range(min = 0, max = 1024))]
    pub bus: Option<u32>,
    /// SCSI target.
    #[schemars(range(min = 0, max = 16383))]
    pub target: Option<u32>,
    /// Unit or LUN.
    #[schemars(range(min = 0, max = 16383))]
    pub unit: Option<u32>,
    /// Port of a USB or virtio-serial bus: `2`, `1.4`.
    #[schemars(extend("format" = "word"))]
    pub port: Option<String>,
    /// Whether a virtio device goes through the guest's IOMMU.
    pub iommu: Option<bool>,
    /// Whether a virtio device uses packed queues.
    pub packed: Option<bool>,
    /// Whether a virtio device is reached by memory-mapped I/O and not by PCI.
    #[serde(skip_serializing_if = "is_default")]
    pub mmio: bool,
}

/// A directory of the host that the guest sees.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Directory of the host; absent where a daemon that runs already is reached by `socket`.
    #[schemars(extend("format" = "path"))]
    pub path: Option<String>,
    /// Name by which the guest mounts it; at most 36 bytes for virtio-fs (virtio 1.2, 5.11.4).
    #[schemars(extend("format" = "line"))]
    pub tag: String,
    /// How it is shared.
    #[serde(default, skip_serializing_if = "is_default")]
    pub driver: ShareDriver,
    /// Whether the guest may not write.
    #[serde(default, skip_serializing_if = "is_default")]
    pub readonly: bool,
    /// Socket of a virtiofsd that runs already; else one is started.
    #[schemars(extend("format" = "socket-path"))]
    pub socket: Option<String>,
    /// Path of the virtiofsd program.
    #[schemars(extend("format" = "path"))]
    pub program: Option<String>,
    /// Requests in a queue, virtio-fs only.
    #[schemars(range(min = 2, max = 32768))]
    pub queue_size: Option<u32>,
    /// Owners of files, 9p only: `passthrough`, `mapped-xattr`, `mapped-file`, `none`.
    #[schemars(extend("format" = "word"))]
    pub security_model: Option<String>,
    /// Where the guest sees it.
    pub address: Option<Address>,
}

/// How a directory is shared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ShareDriver {
    /// virtio-fs, by a virtiofsd.
    #[default]
    VirtioFs,
    /// 9p.
    #[serde(rename = "9p")]
    NineP,
}

/// Sockets between host and guest without a network.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Vsock {
    /// The guest's context id, 3 to 4294967294 (`vsock(7)`); a free one is chosen where absent.
    #[schemars(range(min = 3, max = 4_294_967_294_u32))]
    pub cid: Option<u32>,
    /// Path of the socket through which a VMM without vhost-vsock talks to the host (Firecracker, Cloud Hypervisor).
    #[schemars(extend("format" = "socket-path"))]
    pub socket: Option<String>,
    /// Port at which the guest's agent listens, 1 to 4294967294 (`vsock(7)`); 1234 where absent. Firecracker and Cloud
    /// Hypervisor have no other line to an agent; in the guest it is `qemu-ga --method=vsock-listen
    /// --path=4294967295:1234`.
    #[schemars(range(min = 1, max = 4_294_967_294_u32))]
    pub agent_port: Option<u32>,
    /// Where the guest sees it.
    pub address: Option<Address>,
}

impl Vsock {
    /// The agent's port where none is named. QEMU's agent has no port of its own (`qemu-ga(8)` wants it written as
    /// `CID:PORT`); this is the one of most examples of vsock, such as those of `nc-vsock`.
    pub const AGENT_PORT: u32 = 1234;
}

/// A controller.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// What is plugged into it.
    pub kind: ControllerKind,
    /// Its number among those of its kind, from 0.
    #[schemars(range(min = 0, max = 1024))]
    pub index: Option<u32>,
    /// Device as libvirt names it: `pcie-root-port`, `virtio-scsi`, `qemu-xhci`; what fits the machine where absent.
    #[schemars(extend("format" = "word"))]
    pub model: Option<String>,
    /// Ports, or vectors of a virtio-serial controller.
    #[schemars(range(min = 1, max = 1024))]
    pub ports: Option<u32>,
    /// Request queues, virtio-scsi only.
    #[schemars(range(min = 1, max = 1024))]
    pub queues: Option<u32>,
    /// Number of the I/O thread that serves it, virtio-scsi only, from 1.
    #[schemars(range(min = 1, max = 256))]
    pub iothread: Option<u32>,
    /// Chassis of a PCI bridge or port.
    #[schemars(range(min = 0, max = 255))]
    pub chassis: Option<u32>,
    /// Port number of a PCI Express port.
    #[schemars(range(min = 0, max = 255))]
    pub port: Option<u32>,
    /// Guest node of a PCI expander bus.
    #[schemars(range(min = 0, max = 127))]
    pub node: Option<u32>,
    /// Whether devices below it can be plugged while the machine runs.
    pub hotplug: Option<bool>,
    /// Where the guest sees it.
    pub address: Option<Address>,
}

impl Controller {
    /// A controller of this kind that says nothing more.
    #[must_use]
    pub fn of(kind: ControllerKind) -> Self {
        Self {
            kind,
            index: None,
            model: None,
            ports: None,
            queues: None,
            iothread: None,
            chassis: None,
            port: None,
            node: None,
            hotplug: None,
            address: None,
        }
    }
}

/// What is plugged into a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ControllerKind {
    /// PCI devices.
    Pci,
    /// SCSI devices.
    Scsi,
    /// USB devices.
    Usb,
    /// SATA drives.
    Sata,
    /// IDE drives.
    Ide,
    /// Floppy drives.
    Fdc,
    /// Channels and virtio consoles.
    VirtioSerial,
    /// Smart cards.
    Ccid,
}

/// A keyboard, mouse or tablet.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What it is.
    pub kind: InputKind,
    /// What it is plugged into; USB where absent.
    pub bus: Option<InputBus>,
    /// Event device of the host, for `passthrough` and `evdev`.
    #[schemars(extend("format" = "path"))]
    pub device: Option<String>,
    /// Where the guest sees it.
    pub address: Option<Address>,
}

/// An input device's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InputKind {
    /// Mouse.
    Mouse,
    /// Tablet: a pointer with absolute places.
    Tablet,
    /// Keyboard.
    Keyboard,
    /// An event device of the host, as virtio-input.
    Passthrough,
    /// An event device of the host, shared with it.
    Evdev,
}

/// What an input device is plugged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InputBus {
    /// PS/2.
    Ps2,
    /// USB.
    Usb,
    /// virtio-input.
    Virtio,
}

/// A source of randomness.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rng {
    /// File of the host that it reads; `/dev/urandom` where absent.
    #[schemars(extend("format" = "path"))]
    pub path: Option<String>,
    /// Bytes in a period at most.
    pub bytes: Option<u64>,
    /// The period, in milliseconds.
    pub period: Option<u64>,
    /// Where the guest sees it.
    pub address: Option<Address>,
}

/// Memory that the host can ask back.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Balloon {
    /// Whether the guest gets memory back before it runs out (deflate on OOM).
    #[serde(skip_serializing_if = "is_default")]
    pub deflate_on_oom: bool,
    /// Whether the guest reports free pages.
    #[serde(skip_serializing_if = "is_default")]
    pub free_page_reporting: bool,
    /// What the balloon holds at start.
    #[schemars(extend("format" = "size"))]
    pub size: Option<String>,
    /// How often statistics are asked for, in seconds.
    #[schemars(range(min = 1, max = 86400))]
    pub statistics: Option<u32>,
    /// Where the guest sees it.
    pub address: Option<Address>,
}

/// A clock that acts when the guest stops feeding it.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Watchdog {
    /// Device as QEMU names it: `i6300esb`, `ib700`, `itco`.
    #[schemars(extend("format" = "word"))]
    pub model: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub action: WatchdogAction,
    /// Where the guest sees it.
    pub address: Option<Address>,
}

/// What a watchdog does (QEMU's `watchdog-action`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WatchdogAction {
    /// Resets the guest.
    #[default]
    Reset,
    /// Asks the guest to power off.
    Shutdown,
    /// Ends the guest.
    Poweroff,
    /// Pauses the guest.
    Pause,
    /// Tells it to whom listens, and does nothing.
    None,
    /// Dumps the guest's memory.
    Dump,
    /// Injects a non-maskable interrupt.
    InjectNmi,
}

/// A device by which the guest tells that it crashed.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Panic {
    /// Device as libvirt names it: `isa`, `pvpanic`, `hyperv`; what fits the machine where absent.
    #[schemars(extend("format" = "word"))]
    pub model: Option<String>,
    /// Where the guest sees it.
    pub address: Option<Address>,
}
