//! # The VM, pool or network lives in the other libvirt instance
//!
//! ## What it is
//! One host has two kinds of libvirt: the system instance (`qemu:///system`, one for all, runs as root) and a
//! session instance per user (`qemu:///session`). Their VMs, networks and pools know nothing of each other.
//!
//! Heard as: virsh list shows none of my VMs though they run; a VM or network is there for root and not for me.
//!
//! Known by: VM not shown in virsh list, seen in virt-manager; qemu:///session against qemu:///system; sudo lists other
//! domains; network default missing as user; GNOME Boxes; virsh as user shows nothing, root shows all; two lists; VM
//! made with Boxes or virt-manager user connection; LIBVIRT_DEFAULT_URI; default network, bridge or pool not found as
//! user.
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
        Sign::support("Domain not found: no domain with matching name").unless(&["Looking for domain"]),
        Sign::hint("failed to get domain '"),
        Sign::support("Storage pool not found: no storage pool with matching name"),
        Sign::support("qemu:///session").and(&["qemu:///system"]),
        Sign::hint("qemu:///session"),
        Sign::proof("unexpected qemu URI path '"),
        Sign::proof("unexpected QEMU URI path '"),
        Sign::strong("cannot use namespaces in session mode"),
        Sign::strong("is not supported in session mode"),
        Sign::strong("is not yet supported in session mode"),
        Sign::strong("not supported * unprivileged * session"),
        Sign::strong("network backend * not supported in session"),
        Sign::support("/.config/libvirt/qemu").and(&["qemu:///system"]),
        Sign::support("/.config/libvirt/qemu").and(&["/etc/libvirt/qemu"]),
        Sign::support("/.local/share/libvirt").and(&["/var/lib/libvirt/images"]),
        Sign::strong("virsh list*")
            .and(&["sudo virsh list*", "Id * Name * State"])
            .unless(&["Permission denied", "No such file or directory"]),
        // The network runs, and is not seen by who asks as an ordinary user.
        Sign::strong("network '{name}' is not active").and(&["sudo virsh net-list", "{name} * active * yes"]),
        Sign::strong("no network with matching name").and(&["sudo virsh net-list", "{name} * active * yes"]),
        // An empty list, and the VM in the list of the other libvirt.
        Sign::strong("--connect qemu:///system list").and(&["virsh list"]),
        Sign::strong("-c qemu:///system list").and(&["virsh list"]),
        Sign::strong("--connect qemu:///session list").and(&["virsh list"]),
        Sign::strong("-c qemu:///session list").and(&["virsh list"]),
        Sign::strong("error creating bridge interface {bridge}: Operation not permitted")
            .and(&["qemu:///session"]),
        Sign::strong("Unable to create tap device {tap}: Operation not permitted").and(&["qemu:///session"]),
        Sign::strong("Network bandwidth tuning is not available in session mode"),
        Sign::strong("error creating bridge interface {bridge}: Operation not permitted")
            .and(&["user session"]),
        Sign::support("error creating bridge interface {bridge}: Operation not permitted"),
        // What a complaint makes of a configuration.
        Sign::support("qemu:///session").said(&[
            "none of my",
            "not show",
            "shows none",
            "not listed",
            "lists no",
            "no vms",
            "not see",
        ]),
        Sign::proof("Memory tuning is not available in session mode"),
        Sign::proof("Block I/O tuning is not available in session mode"),
        Sign::proof("CPU tuning is not available in session mode"),
        Sign::proof("NUMA tuning is not available in session mode"),
        Sign::proof("cannot use custom tap device in session mode"),
        Sign::strong("Namespaces are not supported on this platform"),
    ],
    words: &[
        "sudo virsh",
        "virsh list",
        "qemu:///session",
        "list is empty",
        "does not show",
        "user session",
        "cannot see it in virt-manager",
        "can't see it in virt-manager",
        "not see it in virt-manager",
        "not show up in virt-manager",
        "not appear in virt-manager",
        "not listed in virt-manager",
        "not in virt-manager",
        "disappear",
        "vanish",
    ],
    explains: &["libvirt/default-network-inactive"],
    tells: "virsh uri; virsh -c qemu:///system list --all; virsh -c qemu:///session list --all",
    remedy: "name the connection URI that has the VM, pool or network (usually qemu:///system)",
    applicability: Applicability::Safe,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // virt-install of an ordinary user makes the VM in that user's session, virt-manager shows the system's.
    let unseen = ["virt-manager", "disappear", "vanish", "does not show", "list is empty"];
    let unseen = RULE.words.iter().any(|word| unseen.iter().any(|what| word.contains(what)) && cx.said(word));
    let mine = cx.lines_with("virt-install ").filter(|_| unseen).find(|(_, _, line)| {
        let line = line.trim_start_matches(['$', ' ']);
        line.starts_with("virt-install ") && !line.contains("--connect") && !line.contains("qemu:///")
    });
    if let Some((text, number, _)) = mine {
        let why = "an ordinary user's VM is made in the session";
        draft = draft.because(Strength::Support, text.quote(number), why);
    }
    vec![draft.verdict()]
}
