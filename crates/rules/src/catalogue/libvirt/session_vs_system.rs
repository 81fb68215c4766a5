//! # The VM, pool or network lives in the other libvirt instance
//!
//! ## What it is
//! One host has two kinds of libvirt: the system instance (`qemu:///system`, one for all, runs as root) and a
//! session instance per user (`qemu:///session`). Their VMs, networks and pools know nothing of each other.
//!
//! ## Why it happens
//! virsh without a URI uses the session for an ordinary user and the system for root; virt-manager, vagrant,
//! Boxes and cockpit each have their own default. A VM made in one is "not found" in the other, and the network
//! `default` exists in the system instance alone.
//!
//! ## Confirm
//! `virsh uri`, then `virsh -c qemu:///system list --all` and `virsh -c qemu:///session list --all`; the same
//! with `net-list --all` and `pool-list --all`. One of them has what the other lacks.
//!
//! ## Refute
//! Both lists lack it, or both commands were run with the same URI.
//!
//! ## Fix
//! Name the URI: `virsh -c qemu:///system`, `LIBVIRT_DEFAULT_URI`, or `uri_default` in
//! `~/.config/libvirt/libvirt.conf`. In the session use `<interface type='user'>` or a bridge through
//! qemu-bridge-helper instead of the network `default`.
//!
//! ## References
//! libvirt `docs/uri.rst` (default URI choice), `docs/drvqemu.rst`, "Connections to QEMU driver".

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["libvirt"],
    signs: &[
        Sign::strong("no network with matching name").and(&["qemu:///session"]),
        Sign::strong("no domain with matching name").and(&["qemu:///session"]),
        Sign::strong("no domain with matching uuid").and(&["qemu:///session"]),
        Sign::strong("no storage pool with matching name").and(&["qemu:///session"]),
        Sign::strong("no storage vol with matching").and(&["qemu:///session"]),
        Sign::support("no domain with matching name").and(&["virsh list"]),
        Sign::support("Domain not found: no domain with matching name"),
        Sign::hint("failed to get domain '"),
        Sign::support("Storage pool not found: no storage pool with matching name"),
        Sign::support("qemu:///session").and(&["qemu:///system"]),
        Sign::hint("qemu:///session"),
        Sign::strong("cannot use namespaces in session mode"),
        Sign::strong("is not supported in session mode"),
        Sign::strong("not supported * unprivileged * session"),
        Sign::strong("network backend * not supported in session"),
        Sign::support("/.config/libvirt/qemu").and(&["qemu:///system"]),
        Sign::support("/.config/libvirt/qemu").and(&["/etc/libvirt/qemu"]),
        Sign::support("/.local/share/libvirt").and(&["/var/lib/libvirt/images"]),
        Sign::strong("virsh list*")
            .and(&["sudo virsh list*", "Id * Name * State"])
            .unless(&["Permission denied", "No such file or directory"]),
    ],
    words: &["sudo virsh", "virsh list", "qemu:///session", "list is empty", "does not show", "user session"],
    explains: &["libvirt/default-network-inactive"],
    tells: "virsh uri; virsh -c qemu:///system list --all; virsh -c qemu:///session list --all",
    remedy: "name the connection URI that has the VM, pool or network (usually qemu:///system)",
    applicability: Applicability::Safe,
    ..Rule::NEW
};
