//! # The guest has no address: its card was renamed, cloud-init is stale, or the driver is missing
//!
//! ## What it is
//! The virtual network works, and yet this guest has no address: its own configuration names a card that it does
//! not have under that name, or nothing configures the card at all.
//!
//! Heard as: the guest has no network after its machine type, slot or MAC was changed or after cloning; its card
//! has another name than the configuration.
//!
//! Known by: interface down or renamed from eth0 to enp1s0 after changing machine or slot; netplan matches old MAC; no
//! IPv4 in guest, lease none; ip a shows no inet; Network is unreachable in guest; nothing configured inside;
//! predictable names, ens3, enp; cloud-init network-config; lo only; DHCP client missing; after cloning or template.
//!
//! ## Why it happens
//! The card's name comes from its place on the PCI bus: a move from i440fx to q35, from e1000 to virtio, another machine
//! version or one more device makes `ens3` an `enp1s0`. Images with `net.ifnames=0` expect `eth0`. A clone carries the
//! netplan, cloud-init or udev file with the MAC of its origin. cloud-init keeps an old instance-id and does not
//! run again. Windows and installers have no virtio-net driver. Several DHCP clients (dhcpcd, networkd) match by name.
//!
//! ## Confirm
//! In the guest `ip -br link` against the names in `/etc/netplan`, `/etc/network/interfaces`, `/etc/systemd/network`;
//! `dmesg | grep renamed`; `cloud-init status --long`; on the host `virsh -r net-dhcp-leases default`: no request came.
//!
//! ## Refute
//! The guest sends DHCP requests (`tcpdump -ni <bridge> port 67`): then the host does not answer or drops them.
//!
//! ## Fix
//! Match the card by MAC or driver (`match: {driver: virtio_net}`, `Name=en*`) instead of by name, regenerate the
//! cloud-init network configuration, or pin the device's PCI address in the domain.
//!
//! ## References
//! systemd.net-naming-scheme(7); systemd-networkd-wait-online(8); cloud-init "Network configuration"; netplan "match";
//! libvirt `virsh domifaddr`; `docs/system/i386/pc.rst` of QEMU.

#[path = "state/cards.rs"]
mod cards;

use crate::prelude::*;
use cards::{other_mac, other_name, renamed};

#[path = "messages/guest_address_missing.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["network", "guest"],
    signs: messages::SIGNS,
    words: &[
        "no ip address",
        "no network",
        "without network",
        "ipv4 address",
        "no address",
        "ip address",
        "renamed",
        "network in the guest",
        "unreachable",
        "static address",
        "static ip",
        "card down",
        "link down",
        "any network",
        "interface is down",
        "no ipv4",
        "clone",
    ],
    tells: "virsh -r domifaddr VM",
    remedy: "configure the guest's card by MAC or driver instead of by the name that it no longer has",
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // The kernel's name for the card against what the guest's configuration or its DHCP client asks for.
    if let Some((name, quote, wanted)) = renamed(cx) {
        draft = draft
            .because(Strength::Support, quote, "the kernel calls the card otherwise")
            .because(Strength::Support, wanted, "the configuration is for eth0")
            .title(format!("the guest's card is called {name} and the configuration is for eth0"));
    }
    if let Some((wanted, name, quote, other)) =
        other_name(cx).filter(|_| said_address(cx) && !draft.has(Strength::Strong))
    {
        draft = draft
            .because(Strength::Support, quote, "the configuration is for this card")
            .because(Strength::Support, other, "the card has another name")
            .title(format!("the configuration is for {wanted} and the card is called {name}"));
    }
    if let Some((configured, quote)) = other_mac(cx).filter(|_| !draft.has(Strength::Strong)) {
        draft = draft
            .because(Strength::Strong, quote, "no card has the MAC that the configuration is for")
            .title(format!("the configuration is for MAC {configured}, which no card of the guest has"));
    }
    vec![draft.verdict()]
}

/// Whether the complaint is of a missing address.
fn said_address(cx: &Context<'_>) -> bool {
    cx.asked(RULE.words)
}
