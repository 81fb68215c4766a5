//! Serial ports, consoles and channels.

use super::{Address, is_default};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with_macros::skip_serializing_none;

/// A serial port, parallel port or console.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Character {
    /// Where its other end is.
    #[serde(skip_serializing_if = "is_default")]
    pub to: Endpoint,
    /// Path of the file, device or socket, for ends that have one.
    #[schemars(extend("format" = "path"))]
    pub path: Option<String>,
    /// Address of an end on the network: `host:port`.
    #[schemars(extend("format" = "host-port"))]
    pub host: Option<String>,
    /// Whether the VMM listens.
    #[serde(skip_serializing_if = "is_default")]
    pub server: bool,
    /// Path of a file in which all output is kept as well.
    #[schemars(extend("format" = "path"))]
    pub log: Option<String>,
    /// What the guest sees.
    #[serde(skip_serializing_if = "is_default")]
    pub target: CharacterTarget,
    /// Where the guest sees it.
    pub address: Option<Address>,
}

/// Where the other end of a character device is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// The machine's log, which `vmwright vm console` shows.
    #[default]
    Log,
    /// A pseudo-terminal.
    Pty,
    /// A file.
    File,
    /// A UNIX socket.
    Unix,
    /// A TCP socket.
    Tcp,
    /// A UDP socket.
    Udp,
    /// A device of the host.
    Device,
    /// A named pipe.
    Pipe,
    /// The VMM's standard input and output.
    Stdio,
    /// Nothing.
    Null,
    /// A channel of SPICE.
    Spice,
    /// A virtual console of the VMM's window.
    Vc,
}

/// What the guest sees of a character device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CharacterTarget {
    /// What fits the list that it stands in: a serial port, a virtio console.
    #[default]
    Usual,
    /// ISA serial port.
    Isa,
    /// PCI serial port.
    Pci,
    /// USB serial port.
    Usb,
    /// virtio console.
    Virtio,
    /// The architecture's own serial port.
    System,
}

/// A channel between a program of the guest and one of the host.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Its name in the guest: `com.redhat.spice.0`.
    #[schemars(extend("format" = "line"))]
    pub name: Option<String>,
    /// What the guest sees.
    #[serde(default, skip_serializing_if = "is_default")]
    pub target: ChannelTarget,
    /// Where its other end is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub to: Endpoint,
    /// Path of the file, device or socket, for ends that have one.
    #[schemars(extend("format" = "path"))]
    pub path: Option<String>,
    /// Whether the VMM listens.
    #[serde(default, skip_serializing_if = "is_default")]
    pub server: bool,
    /// Where the guest sees it.
    pub address: Option<Address>,
}

/// What the guest sees of a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelTarget {
    /// A port of a virtio-serial controller.
    #[default]
    Virtio,
    /// An address of the user-mode network.
    Guestfwd,
}
