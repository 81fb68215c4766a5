//! # The network file system does not support the locks QEMU needs
//!
//! ## What it is
//! QEMU locks byte ranges of an image with open-file-description locks. A network or FUSE file system without
//! working locks answers ENOLCK, ENOSYS, EOPNOTSUPP, EIO or EAGAIN: nobody holds the lock, there is none to have.
//! virtlockd and sanlock fail likewise.
//!
//! Heard as: locks on NFS, SMB or another network file system fail.
//!
//! Known by: Failed to lock byte 100; locking on NFS, CIFS, GlusterFS, 9p or sshfs; No locks available; nolock mount;
//! rpc.statd; OFD locks.
//!
//! ## Why it happens
//! NFSv3 without rpc.statd or lockd, or with port 111/lockd ports closed; mounted with `nolock` or `local_lock`;
//! NFSv4 leases lost after a server's restart or network cut; CIFS without `nobrl` semantics that fit; GlusterFS,
//! FUSE, 9p, virtiofs and Lustre (without `flock`) that do not forward locks; QEMU older than 2.10 never asked.
//!
//! ## Confirm
//! `findmnt -T <image> -o FSTYPE,OPTIONS`; `flock -n <copy on that share> true` and `rpcinfo -p <server>` (nlockmgr,
//! status); `dmesg | grep -i lockd`.
//!
//! ## Refute
//! "Resource temporarily unavailable" on a local file system is a lock that somebody holds: see
//! storage/image-locked. `cat /proc/locks` then shows the holder.
//!
//! ## Fix
//! Start rpc-statd and open lockd's ports, or mount with NFSv4; enable locks in the FUSE file system. Only where
//! something else makes sure that one host writes: `file.locking=off` for that disk.
//!
//! ## References
//! QEMU `block/file-posix.c`, `raw_apply_lock_bytes()`; nfs(5), `lock`, `local_lock`; rpc.statd(8); fcntl(2), ENOLCK;
//! libvirt `docs/kbase/locking.rst`; Linux `fs/lockd/`.

use super::cache_mode_unsafe::disks;
use crate::prelude::*;
use vmwright_formats::Mounts;

const LOCK: &[&str] = &[
    "Failed to get \"write\" lock",
    "Failed to get shared \"write\" lock",
    "Failed to get \"consistent read\" lock",
    "Failed to get shared \"consistent read\" lock",
    "Failed to lock byte",
    "Is another process using the image",
];

pub const RULE: Rule = Rule {
    tags: &["storage", "boot"],
    needs: &[Need::File("/proc/mounts"), Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::proof("No locks available"),
        Sign::proof("Failed to lock byte {byte}: No locks available"),
        Sign::strong("Failed to lock byte {byte}: Operation not supported"),
        Sign::strong("Failed to lock byte {byte}: Function not implemented"),
        Sign::strong("Failed to lock byte {byte}: Input/output error"),
        Sign::strong("Failed to lock byte {byte}: Bad file descriptor"),
        Sign::strong("Failed to lock byte {byte}: Stale file handle"),
        Sign::strong("Failed to unlock byte {byte}"),
        Sign::strong("Failed to lock byte {byte}: Permission denied"),
        Sign::strong("rpc.statd is not running but is required for remote locking"),
        Sign::strong("lockd: server {server} not responding"),
        Sign::strong("lockd: cannot monitor"),
        Sign::support("statd: server rpc.statd not responding"),
        Sign::strong("File lock requested but OFD locking syscall is unavailable"),
        Sign::strong("ENOLCK"),
        Sign::strong("(os error 37)"),
        Sign::support("local_lock=none").and(&["Failed to lock byte"]),
        Sign::support(",nolock").and(&["Failed to get"]),
        Sign::support("unable to acquire lock*Operation not supported"),
        Sign::support("NFS: state manager*failed on NFSv4 server"),
        // QEMU takes shared locks only and looks for others' by asking: this call fails for want of locks, and not
        // because somebody holds one.
        Sign::support("Failed to lock byte {byte}").unless(&["apparmor=\"DENIED\"", "avc:  denied"]),
        Sign::support("Failed to lock byte {byte}: Resource temporarily unavailable").and(&["nfs"]),
        Sign::support("glusterfs").and(&["Is another process using the image"]),
        Sign::strong("unable to lock {path} for metadata change"),
        Sign::strong("Due to the implementation, locks can be lost unexpectedly"),
    ],
    words: &["nfs", "lock", "network share", "shared storage", "gluster", "cifs", "locks available"],
    explains: &["storage/image-locked"],
    tells: "findmnt -T IMAGE",
    remedy: "make locks work on the share (rpc-statd and open ports, NFSv4, or the file system's option)",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::ServiceRestart,
    rank: Rank::Specific,
    check,
    ..Rule::NEW
};

/// File systems whose locks depend on another machine or on a user's process.
fn remote(fs_type: &str) -> bool {
    fs_type.starts_with("nfs")
        || fs_type.starts_with("fuse")
        || ["cifs", "smb3", "9p", "virtiofs", "lustre", "ceph"].contains(&fs_type)
}

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let Some(mounts) = cx.one::<Mounts>() else { return vec![draft.verdict()] };
    let refused = LOCK.iter().any(|text| cx.stands(text));
    for hit in cx.hits("Failed to lock byte {byte}") {
        let quote = cx.evidence(hit);
        let line = quote.as_ref().map(|quote| quote.quote.clone()).unwrap_or_default();
        let path = line
            .split(|c: char| c.is_whitespace() || "\"',:=[]".contains(c))
            .find(|word| word.starts_with('/'));
        let Some(mount) = path.and_then(|path| mounts.of_path(path)).filter(|mount| remote(&mount.fs_type))
        else {
            continue;
        };
        draft = draft
            .because(Strength::Strong, mounts.quote(mount.line), "the image lies on this file system")
            .title(format!("the file system {} at {} gives no working locks", mount.fs_type, mount.target));
        return vec![draft.verdict()];
    }
    for disk in disks(cx).iter() {
        let path = disk.source.as_deref().filter(|path| path.starts_with('/'));
        let Some(mount) = path.and_then(|path| mounts.of_path(path)) else { continue };
        draft = draft.looked();
        if !remote(&mount.fs_type) {
            continue;
        }
        let unlocked =
            mount.option("nolock").is_some() || mount.option("local_lock").is_some_and(|what| what != "none");
        if unlocked || refused {
            draft = draft
                .because(
                    if refused { Strength::Strong } else { Strength::Support },
                    mounts.quote(mount.line),
                    "the image lies on this file system",
                )
                .because(Strength::Hint, disk.quote.clone(), "the disk in question")
                .title(format!("{} lies on {}, which gives no working locks", disk.name(), mount.fs_type));
            break;
        }
    }
    vec![draft.verdict()]
}
