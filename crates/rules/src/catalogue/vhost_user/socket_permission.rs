//! # The vhost-user socket may not be used by the other side
//!
//! ## What it is
//! To connect to a UNIX socket a process needs write permission on the socket and search permission on each directory above
//! it. The side that made it is often another user than the side that connects.
//!
//! Heard as: the backend's socket belongs to root and QEMU may not open it.
//!
//! Known by: vhost-user socket permission denied; owner root and qemu user; vhost-sock-owner, umask; SELinux not;
//! hugetlbfs group.
//!
//! ## Why it happens
//! ovs-vswitchd (openvswitch:hugetlbfs) or an SPDK target (root) made the socket, QEMU runs as libvirt-qemu or qemu; or QEMU is
//! the server in a directory that only libvirt's user may enter, and the switch may not; the umask leaves no write for the
//! group; SELinux or AppArmor forbids the directory (`/var/run/openvswitch`, `/tmp`).
//!
//! ## Confirm
//! `namei -l <socket>`; `ps -o user,group,label -C qemu-system-x86_64,ovs-vswitchd`; `ausearch -m avc -ts recent`.
//!
//! ## Refute
//! Both users may enter the directories and write to the socket, and no MAC denial is logged.
//!
//! ## Fix
//! A directory of its own with a common group and set-gid (`/var/lib/vhost_sockets`, group of QEMU), QEMU as the server and the
//! switch as client; `vhost-sock-dir` of OVS; run both with the group `hugetlbfs`.
//!
//! ## References
//! unix(7) "Pathname socket ownership and permissions"; Open vSwitch "DPDK vHost User Ports" (vhost-user-client);
//! `group` in `/etc/libvirt/qemu.conf`; QEMU `util/qemu-sockets.c`.

use crate::prelude::*;

const OTHER: &[&str] = &["virtiofs", "vhost-user-fs", "virtiofsd"];

pub const RULE: Rule = Rule {
    tags: &["network", "permission", "boot"],
    rank: Rank::Specific,
    signs: &[
        Sign::proof("Failed to connect to '{path}vhost{rest}': Permission denied").unless(OTHER),
        Sign::proof("Failed to connect to '{path}vhu{rest}': Permission denied"),
        Sign::proof("Failed to connect socket {path}vh{rest}: Permission denied").unless(OTHER),
        Sign::strong("Failed to connect to '{path}': Permission denied").and(&["vhost-user"]).unless(OTHER),
        Sign::strong("Failed to connect to '{path}': Permission denied").and(&["vhostuser"]).unless(OTHER),
        Sign::strong("Failed to connect socket*Permission denied").and(&["vhost-user"]).unless(OTHER),
        Sign::strong("Failed to connect socket*Permission denied").and(&["vhostuser"]).unless(OTHER),
        Sign::strong("Failed to bind socket to {path}: Permission denied").and(&["vhost-user"]).unless(OTHER),
        Sign::strong("Failed to bind socket to {path}: Permission denied").and(&["vhostuser"]).unless(OTHER),
        Sign::strong("VHOST_CONFIG: *Permission denied"),
        Sign::strong("VhostUserConnect").and(&["Permission denied"]).unless(OTHER),
        Sign::strong("Connection to socket failed").and(&["vhost", "Permission denied"]).unless(OTHER),
        Sign::strong("vhost*socket*permission denied").unless(OTHER),
        Sign::strong("apparmor=\"DENIED\" * name=\"{path}vhost").and(&["vhostuser"]),
        Sign::strong("VHOST_CONFIG: *failed to bind to *Permission denied"),
        Sign::strong("VHOST_CONFIG: *failed to connect: Permission denied"),
    ],
    words: &["vhost-user", "vhostuser", "permission denied", "dpdkvhostuser"],
    explains: &["vhost-user/socket-missing"],
    tells: "namei -l SOCKET",
    remedy: "put the socket into a directory that both users may enter, with a common group that may write",
    applicability: Applicability::NeedsApproval,
    ..Rule::NEW
};
