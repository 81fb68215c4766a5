//! # A block device is owned by root for a VMM that is not root
//!
//! ## What it is
//! Disks, LVs, zvols, mapped RBDs and partitions appear as nodes of mode 0660, owner root, group disk. A VMM
//! that runs as its own user, and is not given access by a manager, gets "Permission denied".
//!
//! Heard as: the block device belongs to root and QEMU does not.
//!
//! Known by: Could not open '/dev/sdb' or zvol or LV: Permission denied; block device root:disk; ownership reset by
//! udev; chown not lasting; kubernetes block volume fsGroup.
//!
//! ## Why it happens
//! QEMU or Firecracker is started by hand, as a session VM, in a container or under a jailer; a chown done by
//! hand is lost when udev makes the node anew at a reboot, activation or resize; libvirt's `dynamic_ownership` is
//! off; Kubernetes gives a block volume with root's ownership to a non-root pod.
//!
//! ## Confirm
//! `ls -lL <device>` (follow the link of /dev/mapper or /dev/VG/LV to /dev/dm-N), `id <user of the VMM>`,
//! `udevadm info <device>`; in Kubernetes `ls -l` on the device inside the pod.
//!
//! ## Refute
//! The VMM's user or group is the owner, or it runs as root: then look at the cgroup device list and MAC.
//!
//! ## Fix
//! A udev rule that gives the device of this VM to the VMM's group (`ENV{DM_NAME}=="vg-lv", GROUP="kvm"`); in
//! Kubernetes `device_ownership_from_security_context = true` in the container runtime. Membership in group
//! disk gives access to every disk of the host: avoid it.
//!
//! ## References
//! udev(7), `50-udev-default.rules` (group disk); libvirt qemu.conf `dynamic_ownership`; Kubernetes, block volumes
//! and `device_ownership_from_security_context` (containerd, CRI-O); QEMU `block/file-posix.c`.

use crate::prelude::*;
use vmwright_formats::namei::FileKind;
use vmwright_formats::{GroupFile, MachineSpecView, Namei, Passwd};

pub const RULE: Rule = Rule {
    tags: &["storage", "security", "boot"],
    needs: &[
        Need::Probe(Probe::ImagePaths),
        Need::Probe(Probe::Machine),
        Need::File("/etc/passwd"),
        Need::File("/etc/group"),
    ],
    signs: &[
        Sign::strong("Could not open '/dev/{device}': Permission denied").unless(OTHER),
        Sign::strong("could not open disk image /dev/{device}: Permission denied").unless(OTHER),
        Sign::strong("Could not open /dev/{device}: Permission denied").unless(OTHER),
        Sign::strong("Cannot access storage file '/dev/{device}'*Permission denied"),
        Sign::strong("unable to open /dev/{device}: Permission denied").unless(OTHER),
        Sign::support("blockdev: cannot open {device}: Permission denied"),
        Sign::strong("blkdev*Permission denied").kinds(&["kubectl_describe"]),
        Sign::strong("device_ownership_from_security_context"),
        Sign::support("brw-rw----*root disk").and(&["Permission denied"]),
        Sign::support("brw-rw----*root*disk").and(&["Permission denied"]),
        Sign::support("brw-rw----*root root").and(&["Permission denied"]),
        Sign::strong("error open device*permission denied").kinds(&["text", "kubectl_describe"]),
        Sign::strong("open /dev/{device}: permission denied").unless(OTHER),
        Sign::strong("Direct IO check failed for /dev/{device}"),
        Sign::support("/dev/dm-*Permission denied"),
        Sign::support("/dev/mapper/*Permission denied"),
        Sign::support("/dev/zvol/*Permission denied"),
        Sign::support("/dev/rbd*Permission denied"),
        Sign::strong("ignoring permission error for"),
    ],
    words: &[
        "block device",
        "logical volume",
        "raw disk",
        "/dev/sd",
        "/dev/mapper",
        "udev",
        "zvol",
        "group disk",
    ],
    explains: &["access/image-permission"],
    tells: "ls -lL DEVICE",
    remedy: "give the device to the VMM's user or group with a udev rule (in Kubernetes by device_ownership_from_security_context)",
    applicability: Applicability::NeedsApproval,
    rank: Rank::Specific,
    check,
    ..Rule::NEW
};

/// Device nodes that are no disks, and other mechanisms that say that they refused.
const OTHER: &[&str] = &[
    "apparmor=\"DENIED\"",
    "avc:  denied",
    "/dev/kvm*Permission denied",
    "/dev/vfio*Permission denied",
    "/dev/net/tun*Permission denied",
    "/dev/vhost*Permission denied",
    "/dev/sev*Permission denied",
    "/dev/tpm*Permission denied",
    "/dev/hugepages*Permission denied",
    "/dev/dri*Permission denied",
    "/dev/sgx*Permission denied",
    "/dev/bus/usb*Permission denied",
    "/dev/input*Permission denied",
    "/dev/shm*Permission denied",
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let spec = cx.one::<MachineSpecView>();
    let user =
        spec.as_ref().and_then(|spec| spec.spec.as_ref()?.process.user.clone()).filter(|user| user != "root");
    let (Some(user), Some(passwd), Some(groups)) = (user, cx.one::<Passwd>(), cx.one::<GroupFile>()) else {
        return vec![draft.verdict()];
    };
    let groups = groups.of_user(&user, passwd.by_name(&user).map(|user| user.gid));
    for walk in cx.all::<Namei>() {
        for entry in walk
            .paths
            .iter()
            .flat_map(|path| path.entries.last())
            .filter(|entry| entry.kind == FileKind::Block)
        {
            draft = draft.looked();
            if entry.allows(6, &user, &groups) == Some(false) {
                draft = draft
                    .because(
                        Strength::Proof,
                        walk.quote(entry.line),
                        "the mode of the device bars the VMM's user",
                    )
                    .about(Subject::new(SubjectKind::Path, &entry.path))
                    .title(format!("user {user} may not open the block device {}", entry.path));
            }
        }
    }
    vec![draft.verdict()]
}
