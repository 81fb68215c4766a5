//! # An RBD lock or watcher of a dead client is held and cannot be broken
//!
//! ## What it is
//! The writer of an image holds its exclusive lock and watches its header. When a host dies, the next client must
//! blocklist the dead one and break its lock. If it may not, or the old client still watches, the VM starts but
//! its disk cannot be written, or the image can be neither mapped nor removed.
//!
//! Heard as: after a compute node crashed its VMs come up read-only or not at all elsewhere; old client, watcher
//! or exclusive lock.
//!
//! Known by: after the host died the VM does not start elsewhere, image is still in use, has watchers; read-only file
//! system behind the crash; blocklist, rbd lock rm.
//!
//! ## Why it happens
//! The client's capabilities lack `osd blocklist` (part of `profile rbd`; old ones have only `allow r`); an
//! advisory lock (`rbd lock add`) was left; the VM still runs on the other host; a mapped krbd or a backup holds
//! a watch; our own client was blocklisted and must reconnect.
//!
//! ## Confirm
//! `rbd status POOL/IMAGE` (watchers), `rbd lock ls POOL/IMAGE`, `ceph osd blocklist ls`, and
//! `ceph auth get client.USER` (is there `profile rbd`?).
//!
//! ## Refute
//! No lock and no watcher, or the watcher is a VM that should run.
//!
//! ## Fix
//! Make sure that the old client is dead. Then `ceph auth caps client.USER mon 'profile rbd' osd 'profile rbd
//! pool=POOL'`; remove a left lock with `rbd lock rm POOL/IMAGE <id> <locker>`; `ceph osd blocklist add <address>`
//! fences a client that does not let go. A VM whose own client was blocklisted must be restarted.
//!
//! ## References
//! Ceph "RBD exclusive locks"; `src/librbd/exclusive_lock/`, `src/librbd/managed_lock/BreakRequest.cc`; Linux
//! `drivers/block/rbd.c`, `rbd_try_lock()`; OpenStack release notes on `profile rbd`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["storage"],
    needs: &[Need::Command(&["dmesg"])],
    signs: &[
        Sign::strong("image still has watchers"),
        Sign::strong("image has watchers - not removing"),
        Sign::support("RBD image is busy"),
        Sign::strong("image watch failed"),
        Sign::strong("break_lock: error breaking lock"),
        Sign::strong("failed to break lock"),
        Sign::strong("error breaking lock"),
        Sign::strong("failed to blacklist lock owner"),
        Sign::strong("failed to blocklist lock owner"),
        Sign::strong("failed to blocklist {client}"),
        Sign::strong("failed to blacklist {client}"),
        Sign::strong("failed to break header lock"),
        Sign::strong("breaking header lock owned by"),
        Sign::strong("failed to lock header: "),
        Sign::support("failed to acquire exclusive lock"),
        Sign::strong("locked by external mechanism"),
        Sign::strong("peer will not release lock"),
        Sign::strong("no lock owners detected"),
        Sign::strong("duplicate lock owners detected"),
        Sign::strong("the image is locked*exclusive lock"),
        Sign::strong("client blocklisted"),
        // The kernel's client, shut out: -ESHUTDOWN (drivers/block/rbd.c).
        Sign::strong("rbd: rbd{n}: * result -108"),
        Sign::strong("client blacklisted"),
        Sign::strong("is blocklisted").and(&["rbd"]),
        Sign::strong("is blacklisted").and(&["rbd"]),
        Sign::strong("encountered watch error: -107"),
        Sign::support("encountered watch error"),
        Sign::support("Cannot send after transport endpoint shutdown"),
        Sign::strong("(108) Cannot send after transport endpoint shutdown"),
        Sign::strong("librbd::ManagedLock*failed"),
        Sign::strong("librbd::managed_lock::"),
        Sign::support("librbd::exclusive_lock"),
        Sign::support("librbd::ImageWatcher"),
        Sign::strong("There is 1 exclusive lock on this image"),
        Sign::strong("exclusive lock on this image"),
        Sign::strong("rbd image {image} is still being used"),
        Sign::support("is locked by other nodes"),
        Sign::support("watcher=").and(&["rbd"]),
        // tcmu-runner, rbd.c.
        Sign::strong("Could not break lock from"),
        Sign::support("tcmu_rbd_lock"),
        // ceph-csi and rook.
        Sign::strong("an operation with the given Volume ID {id} already exists").and(&["watcher"]),
        Sign::strong("breaking object map lock owned by"),
        Sign::strong("failed to break object map lock"),
        Sign::support("failed to lock object map"),
        Sign::support("temporarily releasing lock on exclusive mapping"),
        Sign::strong("rbd: incompatible lock type detected"),
        Sign::strong("rbd: lock is already held by someone else"),
        Sign::strong("cannot obtain exclusive lock - not removing"),
        Sign::strong("tcmu_rbd_lock_break*Could not break lock"),
        Sign::strong("rados: ret=-108, Cannot send after transport endpoint shutdown"),
        Sign::strong("rados: ret=-16, Device or resource busy"),
        Sign::support("rbd: image * is still being used"),
    ],
    words: &[
        "rbd lock",
        "watcher",
        "exclusive lock",
        "exclusive-lock",
        "blocklist",
        "blacklist",
        "dead host",
        "locked",
    ],
    explains: &["storage/io-error-paused", "storage/read-only"],
    tells: "rbd status POOL/IMAGE",
    remedy: "make sure that the old client is dead, give the new one 'profile rbd', and remove its lock or blocklist it",
    rank: Rank::Specific,
    ..Rule::NEW
};
