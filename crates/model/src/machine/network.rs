//! Network interfaces.

use super::{Address, is_default};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with_macros::skip_serializing_none;

/// A network interface.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// What it is plugged into.
    pub kind: NetworkKind,
    /// Name of the bridge, for `bridge` and `ovs`.
    #[schemars(extend("format" = "interface"))]
    pub bridge: Option<String>,
    /// The host's interface below a `macvtap`; interface or PCI address of the network function for `hostdev`; path of
    /// the device for `vdpa`.
    #[schemars(extend("format" = "network-parent"))]
    pub parent: Option<String>,
    /// How a `macvtap` joins its parent.
    pub macvtap: Option<MacvtapMode>,
    /// Name of the libvirt network, for `libvirt`.
    #[schemars(extend("format" = "line"))]
    pub name: Option<String>,
    /// Path of the socket, for `vhost-user`.
    #[schemars(extend("format" = "socket-path"))]
    pub socket: Option<String>,
    /// Whether the VMM listens on that socket and the switch connects.
    #[serde(default, skip_serializing_if = "is_default")]
    pub server: bool,
    /// Name of the tap, for `tap`, or of the one that is made, for `bridge` and `ovs`.
    #[schemars(extend("format" = "interface"))]
    pub tap: Option<String>,
    /// VLAN of the port on an Open vSwitch bridge, 1 to 4094 (IEEE 802.1Q).
    #[schemars(range(min = 1, max = 4094))]
    pub vlan: Option<u32>,
    /// VLANs of a trunk port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(range(min = 1, max = 4094)))]
    pub trunk: Vec<u32>,
    /// Address that the host should have on that bridge, with prefix length: `10.213.0.1/24`.
    #[schemars(extend("format" = "address"))]
    pub host_address: Option<String>,
    /// Address that the guest should have, with prefix length: `10.213.0.2/24`.
    #[schemars(extend("format" = "address"))]
    pub address: Option<String>,
    /// MAC address; made from the machine's name where absent.
    #[schemars(extend("format" = "mac"))]
    pub mac: Option<String>,
    /// Card that the guest sees; virtio-net where absent.
    pub model: Option<NetworkModel>,
    /// Largest packet that the guest is told of, in bytes, 68 (RFC 791) to 65535.
    #[schemars(range(min = 68, max = 65535))]
    pub mtu: Option<u32>,
    /// Pairs of queues, virtio only.
    #[schemars(range(min = 1, max = 256))]
    pub queues: Option<u32>,
    /// Packets in a receive queue, virtio only; a power of two.
    #[schemars(range(min = 64, max = 1024))]
    pub rx_queue_size: Option<u32>,
    /// Packets in a send queue, virtio only; a power of two.
    #[schemars(range(min = 64, max = 1024))]
    pub tx_queue_size: Option<u32>,
    /// Whether the kernel's vhost-net moves the packets, for kinds with a tap; the backend's choice where absent.
    pub vhost: Option<bool>,
    /// Ports of the host that lead into the guest, for `user` and `passt`.
    #[serde(default, rename = "forward", skip_serializing_if = "Vec::is_empty")]
    pub forwards: Vec<Forward>,
    /// What comes in at most.
    pub inbound: Option<Bandwidth>,
    /// What goes out at most.
    pub outbound: Option<Bandwidth>,
    /// Name of the libvirt network filter.
    #[schemars(extend("format" = "line"))]
    pub filter: Option<String>,
    /// Whether the cable is plugged in.
    pub link: Option<bool>,
    /// Whether the guest cannot talk to its neighbours on the bridge.
    pub isolated: Option<bool>,
    /// Place in the boot order, from 1.
    #[schemars(range(min = 1, max = 1024))]
    pub boot_order: Option<u32>,
    /// Where the guest sees it.
    pub pci: Option<Address>,
}

impl Network {
    /// An interface of this kind.
    #[must_use]
    pub fn of(kind: NetworkKind) -> Self {
        Self {
            kind,
            bridge: None,
            parent: None,
            macvtap: None,
            name: None,
            socket: None,
            server: false,
            tap: None,
            vlan: None,
            trunk: Vec::new(),
            host_address: None,
            address: None,
            mac: None,
            model: None,
            mtu: None,
            queues: None,
            rx_queue_size: None,
            tx_queue_size: None,
            vhost: None,
            forwards: Vec::new(),
            inbound: None,
            outbound: None,
            filter: None,
            link: None,
            isolated: None,
            boot_order: None,
            pci: None,
        }
    }
}

/// What a network interface is plugged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkKind {
    /// The VMM's own user-mode network: no privilege, outgoing connections only.
    User,
    /// passt: user-mode network of a process of its own.
    Passt,
    /// A Linux bridge of the host, through a tap.
    Bridge,
    /// A tap that is there already.
    Tap,
    /// A macvtap on an interface of the host.
    Macvtap,
    /// An Open vSwitch bridge, through a tap.
    Ovs,
    /// A switch in user space, over a vhost-user socket.
    VhostUser,
    /// A vDPA device of the host.
    Vdpa,
    /// A network that libvirt manages.
    Libvirt,
    /// A network function of the host, given to the guest with its address set.
    Hostdev,
    /// Nothing: a card without a cable.
    None,
}

impl NetworkKind {
    /// As the specification writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Passt => "passt",
            Self::Bridge => "bridge",
            Self::Tap => "tap",
            Self::Macvtap => "macvtap",
            Self::Ovs => "ovs",
            Self::VhostUser => "vhost-user",
            Self::Vdpa => "vdpa",
            Self::Libvirt => "libvirt",
            Self::Hostdev => "hostdev",
            Self::None => "none",
        }
    }

    /// Whether the guest can be reached by its address from outside; the user-mode networks let it only go out.
    #[must_use]
    pub fn leads_in(self) -> bool {
        !matches!(self, Self::User | Self::Passt | Self::None)
    }
}

/// How a macvtap joins its parent (`ip-link(8)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MacvtapMode {
    /// By the switch outside, which must send back what it got (802.1Qbg).
    Vepa,
    /// Directly to other macvtaps of the parent.
    Bridge,
    /// To nobody but the outside.
    Private,
    /// The parent's only user.
    Passthrough,
}

/// Card that the guest sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkModel {
    /// virtio-net.
    Virtio,
    /// virtio-net that begins as a device of virtio 0.9.
    VirtioTransitional,
    /// virtio-net without virtio 0.9.
    VirtioNonTransitional,
    /// Intel 82540EM.
    E1000,
    /// Intel 82574L.
    E1000e,
    /// Intel 82576.
    Igb,
    /// Realtek 8139.
    Rtl8139,
    /// VMware.
    Vmxnet3,
    /// NE2000.
    Ne2kPci,
    /// AMD PCnet.
    Pcnet,
    /// USB network card.
    UsbNet,
    /// POWER.
    SpaprVlan,
}

/// A port of the host that leads into the guest.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// Port of the host, 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub host: u32,
    /// Port of the guest, 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub guest: u32,
    /// Address of the host; `127.0.0.1` where absent.
    #[schemars(extend("format" = "ip"))]
    pub address: Option<String>,
    /// Whether it is UDP and not TCP.
    #[serde(default, skip_serializing_if = "is_default")]
    pub udp: bool,
}

/// What passes at most.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bandwidth {
    /// On average, in bytes a second.
    pub bytes: u64,
    /// At peaks, in bytes a second.
    pub peak: Option<u64>,
    /// In a burst, in bytes.
    pub burst: Option<u64>,
    /// Packets a second.
    pub packets: Option<u64>,
}
