//! # Ownership or id mapping makes files unusable in the guest
//!
//! ## What it is
//! A share shows the host's numeric owners. When virtiofsd runs in a user namespace (session VMs, rootless
//! containers, `<idmap>`), only mapped ids exist: all others appear as 65534 (nobody), and the guest can neither
//! use nor chown such files.
//!
//! Heard as: files in the share belong to nobody or to another user on the host, what the guest writes has the wrong
//! owner, the share cannot be written without root; owner, uid, gid or mode differ.
//!
//! Known by: files owned by nobody in shared folder; permission denied writing to the share; uid and gid map; idmap,
//! subuid; --translate-uid; setgroups; posix acl; chown refused, owner nogroup; git dubious ownership; container user;
//! uid differ between guest and host; acl; cannot write as non-root.
//!
//! ## Why it happens
//! Guest and host number their users differently; virtiofsd runs unprivileged and maps one id only; `/etc/subuid`
//! or `/etc/subgid` has no or too short a range for the user; newuidmap is missing; the mapping in the domain
//! leaves out the id that owns the files.
//!
//! ## Confirm
//! `ls -ln` of the share on the host and in the guest; `cat /proc/<virtiofsd pid>/uid_map`;
//! `grep USER /etc/subuid /etc/subgid`; `virsh dumpxml NAME | grep -A4 '<idmap'`.
//!
//! ## Refute
//! Owners agree on both sides and access by the owning id works: then mode, ACL or labels refuse.
//!
//! ## Fix
//! Map the owner's id (`--uid-map`, `--translate-uid`, `<idmap>` with `<uid start= target= count=/>`), give the
//! user a range in `/etc/subuid` and `/etc/subgid`, or use the same number in the guest.
//!
//! ## References
//! virtiofsd `README.md`, "--uid-map" and "--translate-uid"; libvirt `docs/kbase/virtiofs.rst`, "Running
//! unprivileged"; `newuidmap(1)`, `subuid(5)`.

use crate::prelude::*;

/// What shows that virtio-fs is meant.
const FS: &[&str] = &["virtiofs"];

/// How people say that files belong to another than they mean.
const OWNERS: &[&str] = &["owned by", "belong to", "as root", "nobody", " uid", "to my host user"];

pub const RULE: Rule = Rule {
    tags: &["virtiofs", "permission"],
    needs: &[Need::File("/etc/subuid"), Need::File("/etc/subgid")],
    signs: &[
        Sign::strong("newuidmap: uid range [*) -> [*) not allowed"),
        Sign::strong("newgidmap: gid range [*) -> [*) not allowed"),
        Sign::proof("newuidmap: uid range").and(FS),
        Sign::proof("newgidmap: gid range").and(FS),
        Sign::strong("Error entering sandbox: WriteUidMap"),
        Sign::strong("Error entering sandbox: WriteGidMap"),
        Sign::strong("Error entering sandbox: *idMap"),
        Sign::strong("no subuid ranges found for user"),
        Sign::strong("no subgid ranges found for group"),
        Sign::support("virtiofs is not yet supported in session mode"),
        Sign::strong("nobody * nogroup").and(FS),
        Sign::strong("nobody nogroup").and(FS),
        Sign::strong("nobody   nogroup").and(FS),
        Sign::strong("nobody nobody").and(FS),
        Sign::strong(" 65534 65534 ").and(FS),
        Sign::strong("chown: changing ownership of '*': Operation not permitted").and(FS),
        Sign::strong("chown: changing ownership of '*': Invalid argument").and(FS),
        Sign::strong("chown: *Operation not permitted").and(FS),
        Sign::support("chown*Value too large for defined data type").and(FS),
        Sign::support("Permission denied").and(&["virtiofs", "ls -ln"]),
        Sign::support("Permission denied").and(&["virtiofs", "/proc/*/uid_map"]),
        Sign::support("Permission denied").and(&["virtiofs", "mount -t virtiofs"]),
        Sign::support("touch: cannot touch '{path}': Permission denied").and(FS),
        Sign::support("cannot create * Permission denied").and(FS),
        Sign::support("Access denied").and(FS),
        Sign::support("Access is denied").and(FS),
        // A daemon of an ordinary user knows one id, and shows it as root without a map.
        Sign::strong("qemu:///session").and(&["virtiofs", "Permission denied"]).unless(&["<idmap>"]),
        Sign::support("<driver type=\"virtiofs").said(OWNERS).unless(&["<idmap>"]),
        Sign::support("<driver type='virtiofs").said(OWNERS).unless(&["<idmap>"]),
        Sign::support("--translate-uid"),
        Sign::support("failed to change credentials back to root"),
        Sign::support("couldn't map host"),
        Sign::proof("S-1-5-0").and(FS),
        Sign::hint("/etc/subuid"),
        Sign::hint("<idmap>"),
        Sign::strong("Failed to map security.capability"),
        Sign::strong("Missing * at end of key field of rule"),
        Sign::strong("Can't enable posix ACLs. xattrs are disabled"),
        Sign::strong("Unexpected scope; Expecting 'client', 'server', or 'all'"),
        Sign::strong("Use of ID {n} has been configured to fail"),
        Sign::strong("intersects previously added entry"),
        Sign::strong("failed to change uid back to"),
        Sign::strong("failed to change gid back to"),
        Sign::strong("Cannot enable posix ACLs, client does not support it"),
        // Who may change files and not make them: the daemon cannot take the guest's ids.
        Sign::strong("cannot touch '{path}': Operation not permitted").and(&["virtiofs"]),
        Sign::strong("cannot create directory '{path}': Operation not permitted").and(&["virtiofs"]),
        Sign::support("cannot create directory '{path}': Permission denied").and(&["virtiofs"]),
    ],
    words: &["owner", "nobody", "chown", "permission denied in the guest", "idmap", "belong", "root user"],
    tells: "ls -ln on both sides; cat /proc/<virtiofsd pid>/uid_map",
    remedy: "map the id that owns the files into virtiofsd's user namespace, or use one number on both sides",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
