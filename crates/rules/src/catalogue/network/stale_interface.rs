//! # A bridge or tap of an earlier run still holds the network's name or address
//!
//! ## What it is
//! A virtual network or VM wants to make a bridge or tap, and an interface of that name or with that address is
//! already there. Nobody runs on it any more: it was left over.
//!
//! Heard as: after a crash the network does not start, as its bridge or tap is still there.
//!
//! Known by: virbr0 already exists; File exists; left-over vnet or tap; could not create bridge; network already in use
//! by interface; old bridge from docker or lxc remains.
//!
//! ## Why it happens
//! The manager was killed or reinstalled while the network was up; the network was undefined by deleting its file;
//! another tool (LXD, multipass, minikube, Vagrant, a second libvirt in a namespace) made the same bridge; persistent
//! taps survive the end of their VMM; a script makes the tap again on each run without removing it.
//!
//! ## Confirm
//! `ip -br addr show` finds the interface; `virsh -r net-list --all` lists no active network with that bridge;
//! `bridge link` shows no port in it.
//!
//! ## Refute
//! The interface belongs to a running network, or is a physical card with the same subnet: then the subnets
//! collide and nothing is stale.
//!
//! ## Fix
//! Once nothing uses it: `ip link delete <bridge>` (or `ip tuntap del dev <tap> mode tap`), then start the network
//! again. Give scripted taps a clean-up, and virtual networks a bridge name of their own.
//!
//! ## References
//! libvirt `src/network/bridge_driver_linux.c` (`networkCheckRouteCollision`), `bridge_driver.c`
//! (`networkBridgeNameValidate`), `src/util/virnetdevtap.c`, `virnetdevbridge.c`; `ip-tuntap(8)`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["network", "boot"],
    signs: &[
        Sign::proof("bridge name '{bridge}' already in use"),
        Sign::proof("Unable to create bridge {bridge}: File exists"),
        Sign::proof("error creating bridge interface {bridge}: File exists"),
        Sign::proof("Unable to create bridge device: File exists"),
        Sign::proof("The {tap} interface already exists"),
        Sign::strong("device {bridge} already exists; can't create bridge with the same name"),
        // A bridge of libvirt: of another network that is active, or left over (network/subnet-collision).
        Sign::support("Network is already in use by interface virbr"),
        // `default` has `virbr0` for itself.
        Sign::strong("Network is already in use by interface virbr0").and(&["start network default"]),
        Sign::strong("Network is already in use by interface virbr0").and(&["network 'default'"]),
        Sign::strong("Network is already in use by interface virbr").and(&["left over"]),
        Sign::strong("Network is already in use by interface virbr").and(&["reinstall"]),
        Sign::strong("Network is already in use by interface virbr").and(&["net-undefine"]),
        Sign::strong("Network is already in use by interface virbr").and(&["after a crash"]),
        Sign::strong("Network is already in use by interface vnet"),
        Sign::strong("Network is already in use by interface tap"),
        Sign::strong("\"{bridge}\" already has an IP address different from"),
        Sign::strong("already has an IP address different from"),
        Sign::support("Network is already in use by interface"),
        Sign::support("RTNETLINK answers: File exists").and(&["ip link add"]),
        Sign::support("ioctl(TUNSETIFF): Device or resource busy"),
        Sign::support("RTNETLINK answers: File exists").and(&["tuntap"]),
        Sign::support("RTNETLINK answers: File exists").and(&["type bridge"]),
        Sign::support("interface {name} already exists").and(&["tap device"]),
        Sign::strong("tap device {name} already exists"),
        Sign::strong("tap interface {name} already exists"),
        Sign::strong("failed to create tap {name}: file exists"),
        Sign::strong("failed to create bridge {name}: file exists"),
        Sign::strong("netkvm: network * already exists"),
        Sign::support("Error: interface name {name} is already used"),
        Sign::support("Setting tap IP and/or netmask failed*File exists"),
        Sign::strong("maybe existing device was created without multi_queue flag"),
        Sign::strong("Failed to create bridge *: File exists"),
        Sign::strong("can't create bridge with the same name"),
        Sign::support("network interface {name} already exists").and(&["create"]),
        Sign::support("Failed adding link: *File exists"),
        Sign::support("could not configure /dev/net/tun ({tap}): Invalid argument"),
        Sign::support("Error while creating ifreq structure: Invalid argument"),
    ],
    words: &[
        "left over",
        "leftover",
        "stale",
        "already in use",
        "already exists",
        "after reinstall",
        "after a crash",
    ],
    tells: "ip -br addr show",
    remedy: "delete the left-over interface after checking that nothing uses it, and start the network again",
    applicability: Applicability::NeedsApproval,
    ..Rule::NEW
};
