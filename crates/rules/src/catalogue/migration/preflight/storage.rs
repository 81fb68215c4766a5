//! Whether the VM's disks are on the target too.

use super::super::machine_mismatch::pair::{Guest, each, untold};
use crate::prelude::*;
use vmwright_formats::Mounts;
use vmwright_formats::domain_xml::Disk;
use vmwright_formats::mounts::Mount;

/// File systems that several hosts mount at once. libvirt `src/util/virfile.c` (virFileIsSharedFSType).
const SHARED: &[&str] = &[
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "ceph",
    "fuse.ceph-fuse",
    "fuse.glusterfs",
    "glusterfs",
    "gfs",
    "gfs2",
    "ocfs2",
    "afs",
    "gpfs",
    "lustre",
    "fuse.quobyte",
    "beegfs",
    "acfs",
    "fuse.mfs",
    "fuse.lizardfs",
    "vxfs",
    "fuse.sshfs",
];

pub(crate) fn judge(cx: &Context<'_>, target: &Reading<'_>) -> Vec<Verdict> {
    let (ours, theirs) = (cx.one::<Mounts>(), target.one::<Mounts>());
    each(cx, |guest, mut draft| {
        let mut untellable: Option<&str> = None;
        for disk in guest.domain().devices.disks.iter().filter(|disk| disk.protocol.is_none()) {
            let Some(path) = &disk.source else {
                if disk.pool.is_some() {
                    untellable = Some("the VM's disks are volumes of a pool");
                }
                continue;
            };
            // A SAN's device has the same name on both hosts, and a local disk has it too.
            if path.value.starts_with("/dev/") {
                untellable = Some("whether a block device is the same one on both hosts is not known");
                continue;
            }
            let (Some(ours), Some(theirs)) = (&ours, &theirs) else {
                untellable = Some("the file systems of both hosts are not known");
                continue;
            };
            match (ours.of_path(&path.value), theirs.of_path(&path.value)) {
                (Some(our), their) => draft = file(guest, disk, (ours, our), (theirs, their), draft),
                (None, _) => untellable = Some("the file system of a disk is not known"),
            }
        }
        match untellable {
            Some(why) if !draft.any() => {
                untold(why, "ls -l of the paths that virsh domblklist NAME --details shows")
            }
            _ => draft.verdict(),
        }
    })
}

type At<'a, 'r> = (&'a Seen<'r, Mounts>, &'a Mount);

/// A disk that is a file, `our` mount under it on the source and `their` one on the target.
fn file<'d>(
    guest: &Guest<'_>,
    disk: &Disk,
    (ours, our): At<'_, '_>,
    (theirs, their): (&Seen<'_, Mounts>, Option<&Mount>),
    mut draft: Draft<'d>,
) -> Draft<'d> {
    let Some(path) = &disk.source else { return draft };
    // The medium of a drive can be taken out before the move.
    let medium = disk.device.as_ref().is_some_and(|device| ["cdrom", "floppy"].contains(&&*device.value));
    let shared = SHARED.contains(&our.fs_type.as_str());
    if shared && their.is_some_and(|their| their.source == our.source) {
        return draft;
    }
    if medium && !draft.any() {
        draft = draft.level(Level::Warn);
    } else if !medium {
        draft = draft.level(Level::Error);
    }
    let there = if shared { "what the target has at this path" } else { "the target's own file system" };
    let what = if shared {
        format!("the target does not mount {}, where a disk of {} lies", our.source, guest.name())
    } else {
        format!("a disk of {} lies on a file system of the source alone: {}", guest.name(), path.value)
    };
    draft
        .because(Strength::Strong, ours.quote(our.line), "the disk's file system on the source")
        .because(Strength::Support, guest.quote(path.line), "the VM's disk")
        .because(Strength::Support, their.and_then(|their| theirs.quote(their.line)), there)
        .title(what)
}
