//! What steps on a host's network move.

use serde::{Deserialize, Serialize};

/// A card of the host that becomes the port of a bridge, with what the bridge takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uplink {
    /// Interface name of the card, 1 to 15 bytes.
    pub card: String,
    /// Interface name of the bridge, 1 to 15 bytes.
    pub bridge: String,
    /// Its addresses with prefix length; those that the kernel gives by itself (`fe80::`) are none of them.
    pub addresses: Vec<String>,
    /// Its routes of the main table, without those that the kernel makes of addresses.
    pub routes: Vec<UplinkRoute>,
}

/// A route through a card.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UplinkRoute {
    /// Where to: a network with prefix length, `0.0.0.0/0` for everywhere.
    pub to: String,
    /// The next hop; none where the network is on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Metric; 0 where none is said, which IPv6 reads as 1024.
    #[serde(default)]
    pub metric: u32,
    /// Who made it: `static`, `boot`, or a number (`/etc/iproute2/rt_protos`).
    pub proto: String,
    /// The address that packets are sent from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<String>,
    /// Whether the next hop is on the link though no network of the card has it.
    #[serde(default)]
    pub onlink: bool,
}

/// A port of Open vSwitch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OvsPort {
    /// The bridge that it is in.
    pub bridge: String,
    /// The VLAN that it is an access port of, 1 to 4094; a trunk of all where absent.
    pub tag: Option<u16>,
    /// Whether it is an interface of the host that Open vSwitch makes.
    pub internal: bool,
}
