//! # NFS squash or id mapping stops QEMU or libvirt from owning the image
//!
//! ## What it is
//! The image lies on NFS (or CIFS, FUSE) where root of the client is nobody on the server (`root_squash`), or
//! where names map to other ids. libvirt's chown to the VM's user fails or has no effect, and root cannot read
//! what the user may.
//!
//! Heard as: images on the NAS cannot be owned by libvirt; root squash.
//!
//! Known by: root_squash; unable to set user and group on NFS: Operation not permitted; nobody owner;
//! dynamic_ownership; idmapd; chown fails on share.
//!
//! ## Why it happens
//! `root_squash` is the default of exports(5); `all_squash` on NAS boxes; NFSv4 with different id domains turns
//! owners into nobody; the QEMU user has another uid on each host. libvirt's DAC driver treats EPERM and EINVAL
//! on a network share as "not supported" where it can, and fails where it cannot.
//!
//! ## Confirm
//! `findmnt -T <image> -t nfs,nfs4,cifs`; `ls -ln <image>` shows 65534 (nobody) or 4294967294; as root
//! `sudo -u libvirt-qemu test -r <image>` succeeds where root fails. On the server: `exportfs -v`.
//!
//! ## Refute
//! The image is on a local file system, or the same user can open it and root's chown works.
//!
//! ## Fix
//! Either export with `no_root_squash` to the hypervisors only, or keep squash and let the files belong to the
//! QEMU user's uid (equal on all hosts) with `dynamic_ownership=0` or `<seclabel model='dac' relabel='no'/>`.
//! For NFSv4 make `Domain` in idmapd.conf equal, or turn id mapping off.
//!
//! ## References
//! exports(5), nfsidmap(8); libvirt `src/security/security_dac.c`, `src/util/virfile.c` (virFileOpenForked);
//! libvirt qemu.conf `dynamic_ownership`; QEMU `block/nfs.c`.

use super::cache_mode_unsafe::disks;
use crate::prelude::*;
use vmwright_formats::Mounts;

/// What shows that the path is on a network file system.
const SHARE: &[&str] = &["nfs"];

pub const RULE: Rule = Rule {
    tags: &["storage", "security"],
    needs: &[Need::File("/proc/mounts"), Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::strong("root_squash").unless(&["no_root_squash"]),
        Sign::strong("root squash"),
        Sign::strong("all_squash"),
        Sign::support("squash").and(SHARE),
        Sign::strong("unable to set user and group to '{owner}' on '{path}': Operation not permitted")
            .and(SHARE),
        Sign::strong("unable to set user and group to '{owner}' on '{path}': Invalid argument").and(SHARE),
        Sign::support("unable to set user and group to '{owner}' on '{path}': Operation not permitted"),
        Sign::support("unable to set user and group to '{owner}' on '{path}': Invalid argument"),
        Sign::support("unable to set user and group to '{owner}' on '{path}': Permission denied"),
        Sign::support("unable to set user and group to"),
        Sign::strong("cannot chown '{path}' to").and(SHARE),
        Sign::strong("cannot set file owner '{path}'").and(SHARE),
        Sign::strong("cannot set mode of '{path}'*Operation not permitted").and(SHARE),
        Sign::support("cannot chown '{path}' to"),
        Sign::support("chown*Operation not permitted").and(SHARE),
        Sign::support("Setting user and group to '{owner}' on '{path}' not supported by filesystem"),
        Sign::strong("is possible only on file systems that support it").and(SHARE),
        Sign::support("nobody nogroup").and(SHARE),
        Sign::support("nobody nobody").and(SHARE),
        Sign::support("65534").and(SHARE),
        Sign::support("4294967294"),
        Sign::strong("nss_getpwnam: name*does not map into domain"),
        Sign::strong("nfsidmap*does not map"),
        Sign::hint("Permission denied").and(SHARE),
        // libvirt's storage driver, KubeVirt's virt-handler and CDI.
        Sign::strong("cannot open volume '{path}': Permission denied").and(SHARE),
        Sign::support("preparing host-disks failed: chown"),
        Sign::support("Couldn't set Ownership on").and(SHARE),
        Sign::strong("Failed to create file '{path}': Operation not permitted").said(&["nfs"]),
        Sign::strong("chown*peration not permitted").said(&["nfs"]),
        Sign::strong("Failed to create file '{path}': Permission denied").said(&["nfs"]),
    ],
    words: &["nfs", "squash", "nas", "share", "chown", "root_squash"],
    explains: &["access/image-permission"],
    tells: "findmnt -T IMAGE",
    remedy: "let the QEMU user's uid own the images and switch libvirt's relabelling off, or export without root squash to the hypervisors",
    rank: Rank::Specific,
    escalation: Some(Agent::SystemsArchitect),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let Some(mounts) = cx.one::<Mounts>() else { return vec![draft.verdict()] };
    let refused = cx.stands("unable to set user and group to") || cx.stands("Permission denied");
    for disk in disks(cx).iter() {
        let path = disk.source.as_deref().filter(|path| path.starts_with('/'));
        let Some(mount) = path.and_then(|path| mounts.of_path(path)) else { continue };
        draft = draft.looked();
        if mount.fs_type.starts_with("nfs") && refused {
            draft = draft
                .because(Strength::Support, mounts.quote(mount.line), "the image lies on NFS")
                .because(Strength::Hint, disk.quote.clone(), "the disk in question")
                .title(format!("{} lies on NFS, where root or QEMU's user is somebody else", disk.name()));
            break;
        }
    }
    vec![draft.verdict()]
}
