//! # The tap device or /dev/net/tun may not be used by this user
//!
//! ## What it is
//! Opening `/dev/net/tun` is usually open to all; making a tap, or attaching to one, is not. `TUNSETIFF` needs
//! CAP_NET_ADMIN in the network namespace, or the tap must exist already and belong to the caller's user or
//! group. Otherwise the kernel answers EPERM, and a node with tight permissions or a device cgroup EACCES/EPERM.
//!
//! Heard as: creating or opening the tap is not permitted to an ordinary user.
//!
//! Known by: could not configure /dev/net/tun: Operation not permitted; could not open /dev/net/tun: Permission denied;
//! tuntap user; needs CAP_NET_ADMIN; rootless.
//!
//! ## Why it happens
//! The VM runs as a user who owns no tap; the tap was made without `user`/`group`; a container, jailer or
//! systemd unit took CAP_NET_ADMIN away or does not allow the device 10:200; the tap lies in another network
//! namespace, so that a new one would be made; a macvtap's `/dev/tapN` belongs to root.
//!
//! ## Confirm
//! `ls -l /dev/net/tun`; `ip -d tuntap show` or `cat /sys/class/net/<tap>/{owner,group}` against `id`;
//! `grep Cap /proc/<pid>/status`.
//!
//! ## Refute
//! The VMM runs as root with CAP_NET_ADMIN, or the tap's owner is its user: then "Device or resource busy" or
//! "Invalid argument" (flags do not fit) is another problem.
//!
//! ## Fix
//! Make the tap once for the user: `ip tuntap add dev <tap> mode tap user <user>`, then start the VMM with that
//! name. In containers grant NET_ADMIN and the device `/dev/net/tun`. Do not run the VMM as root for this.
//!
//! ## References
//! Linux `Documentation/networking/tuntap.rst`, `drivers/net/tun.c` (`tun_not_capable`, `tun_set_iff`); QEMU
//! `net/tap-linux.c`, `tap_open()`; libvirt `src/util/virnetdevtap.c`; Firecracker `docs/network-setup.md`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["network", "boot", "permission"],
    signs: &[
        // QEMU 1.x to 11: with the tap's name, or with the template where it has none.
        Sign::proof("could not configure /dev/net/tun ({tap}): Operation not permitted"),
        Sign::proof("could not configure /dev/net/tun: Operation not permitted"),
        Sign::strong("could not open /dev/net/tun: Permission denied"),
        Sign::strong("could not open /dev/net/tun: Operation not permitted"),
        // libvirt.
        Sign::proof("Unable to create tap device {tap}: Operation not permitted"),
        Sign::strong("Unable to create tap device {tap}: Permission denied"),
        Sign::strong("Unable to open /dev/net/tun, is tun module loaded?: Permission denied"),
        Sign::strong("Unable to open /dev/net/tun, is tun module loaded?: Operation not permitted"),
        Sign::strong("cannot open macvtap tap device {tap}: Permission denied"),
        Sign::strong("cannot open macvtap tap device {tap}: Operation not permitted"),
        // iproute2, tunctl, openvpn and Go or Python programs that call the same ioctl.
        Sign::proof("ioctl(TUNSETIFF): Operation not permitted"),
        Sign::proof("TUNSETIFF*Operation not permitted"),
        Sign::proof("TUNSETIFF*EPERM"),
        Sign::strong("TUNSETIFF*Permission denied"),
        Sign::strong("open /dev/net/tun: permission denied"),
        Sign::strong("open /dev/net/tun: operation not permitted"),
        Sign::strong("/dev/net/tun: Permission denied"),
        Sign::strong("/dev/net/tun: Operation not permitted").unless(&["mknod"]),
        // Firecracker; Cloud Hypervisor and crosvm.
        Sign::proof("Error while creating ifreq structure: Operation not permitted"),
        Sign::strong("Open tap device failed*Operation not permitted"),
        Sign::strong("Open tap device failed*Permission denied"),
        Sign::strong("Couldn't open /dev/net/tun: Permission denied"),
        Sign::strong("Couldn't open /dev/net/tun: Operation not permitted"),
        Sign::strong("Unable to configure tap interface*Operation not permitted"),
        Sign::strong("Unable to configure tap interface").and(&["Operation not permitted (os error 1)"]),
        Sign::proof("TapOpen(*code: 1,"),
        Sign::proof("TapOpen(*code: 13,"),
        Sign::proof("OpenTap(*code: 1,"),
        Sign::proof("OpenTap(*code: 13,"),
        Sign::strong("/dev/tap{number}: Permission denied"),
        Sign::strong("/dev/tap{number}': Permission denied"),
        Sign::support("create tap*: Operation not permitted"),
        Sign::hint("RTNETLINK answers: Operation not permitted"),
        Sign::strong("failed to open tap").and(&["Operation not permitted"]),
        Sign::support("failed to create tap*permission denied"),
        Sign::support("failed to create tap*operation not permitted"),
        Sign::hint("could not configure /dev/net/tun").and(&["Operation not permitted"]),
        Sign::strong("failed to create tun device: Operation not permitted").against(),
        Sign::strong("Could not create TAP interface").and(&["operation not permitted"]),
        Sign::strong("Can't fork bridge helper"),
        Sign::strong("TUNGETFEATURES failed"),
        Sign::strong("Error opening netdev file for queue"),
        Sign::strong("querying tap features failed"),
    ],
    words: &["tap device", "/dev/net/tun", "without root", "not permitted", "permission denied", "net_admin"],
    explains: &["access/capability-missing"],
    tells: "ip -d tuntap show",
    remedy: "make the tap beforehand with the VM's user as owner, or give the VMM CAP_NET_ADMIN and the tun device",
    applicability: Applicability::NeedsApproval,
    ..Rule::NEW
};
