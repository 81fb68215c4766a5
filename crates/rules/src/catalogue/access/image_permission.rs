//! # QEMU's user may not open a file that the VM needs, or traverse a directory above it
//!
//! ## What it is
//! The VMM runs as its own user (`libvirt-qemu`, `qemu`, or the one in the specification). To open an image it
//! needs search permission (x) on every directory of the path, and read, for a writable disk also write,
//! permission on the file itself.
//!
//! Heard as: permission denied for an image in my home directory, in Downloads or on a mounted disk; the file
//! itself is world-readable.
//!
//! Known by: could not open the ISO or qcow2 in my home directory or on a mounted USB drive; search permission missing
//! for libvirt-qemu, chmod o+x; works from /var/lib/libvirt/images; wrong owner after copying as root; /root or
//! /home/user as pool; uid of QEMU changed by distribution; namei -l shows a folder without x; encrypted home; NTFS,
//! FUSE or gvfs mount.
//!
//! ## Why it happens
//! The image lies below a home directory (mode 0700), on a medium mounted for one user, or was copied as root.
//! libvirt changes the owner of the image itself, but never of the directories above it.
//!
//! ## Confirm
//! `namei -l /path/to/image`, then for each line: does the class that applies to the VMM's user have x (or rw on
//! the last line)? `sudo -u <user> test -r /path/to/image; echo $?` asks the kernel.
//!
//! ## Refute
//! Every component allows it: then look at AppArmor, SELinux, the mount (NFS root squash, id mapping) and ACLs.
//!
//! ## Fix
//! Give search permission on the directory (`setfacl -m u:<user>:x DIR`, or `chmod o+x DIR`: names in it stay
//! hidden without r), or move the image below a directory made for it. Do not make the image world-writable,
//! and do not run the VMM as root.
//!
//! ## References
//! `path_resolution(7)`; libvirt `docs/drvqemu.rst` (POSIX users/groups); QEMU `block/file-posix.c`, `raw_open_common()`.

#[path = "state/domains.rs"]
mod domains;

use crate::prelude::*;
use vmwright_formats::namei::{FileKind, NameiEntry};
use vmwright_formats::{GroupFile, MachineSpecView, Namei, Passwd};

#[path = "messages/image_permission.rs"]
mod messages;

const SEARCH: u32 = 1;
const READ: u32 = 4;
const READ_WRITE: u32 = 6;

pub const RULE: Rule = Rule {
    tags: &["storage", "boot", "security"],
    needs: &[
        Need::Probe(Probe::ImagePaths),
        Need::Probe(Probe::Machine),
        Need::Probe(Probe::Images),
        Need::File("/etc/libvirt/qemu.conf"),
        Need::File("/etc/passwd"),
        Need::File("/etc/group"),
    ],
    signs: messages::SIGNS,
    words: &["permission denied", "home directory", "could not open"],
    explains: &[
        "memory/hugepages-not-mounted",
        "virtiofs/shared-memory-missing",
        "vhost-user/shared-memory-missing",
    ],
    tells: "namei -l IMAGE",
    remedy: "give the VMM's user search permission on the directories above the image and access to the image itself",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::None,
    controls: &["pci-dss:7.2"],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let Some(spec) = cx.one::<MachineSpecView>() else { return domains::check(cx) };
    let Some(machine) = &spec.spec else { return vec![cx.draft().verdict()] };
    let Some(user) = machine.process.user.as_deref().filter(|user| *user != "root") else {
        return vec![cx.draft().verdict()];
    };
    let (Some(passwd), Some(groups)) = (cx.one::<Passwd>(), cx.one::<GroupFile>()) else {
        return cx.unknown("the VMM's user and groups are not known", "/etc/passwd");
    };
    let gid = passwd.by_name(user).map(|user| user.gid);
    let groups = groups.of_user(user, gid);
    let writable =
        |path: &str| machine.disks.iter().any(|disk| disk.path.as_deref() == Some(path) && !disk.readonly);
    let mut verdicts = Vec::new();
    for walk in cx.all::<Namei>() {
        for path in &walk.paths {
            let want = |entry: &NameiEntry| match entry.kind {
                FileKind::Directory => SEARCH,
                _ if writable(&path.path) => READ_WRITE,
                _ => READ,
            };
            let barred = path.entries.iter().filter(|entry| entry.kind != FileKind::Symlink);
            for entry in barred.filter(|entry| entry.allows(want(entry), user, &groups) == Some(false)) {
                let mut draft = cx
                    .draft()
                    .because(Strength::Proof, walk.quote(entry.line), "the mode bits bar the VMM's user")
                    .because(
                        Strength::Hint,
                        spec.line_of("process.user").and_then(|line| spec.quote(line)),
                        "the VMM runs as this user",
                    )
                    .about(Subject::new(SubjectKind::Path, &entry.path));
                draft = match (entry.kind, entry.mode) {
                    (FileKind::Directory, Some(mode)) => draft
                        .title(format!(
                            "user {user} may not traverse {}, which lies above {}",
                            entry.path, path.path.value
                        ))
                        .remedy(format!("let {user} search {}; the names in it stay hidden", entry.path))
                        .action(Action::FileMode {
                            path: entry.path.clone(),
                            from: mode,
                            to: mode | class_bit(entry, user, &groups),
                        }),
                    // The owner's own bits give nothing to anybody else.
                    (_, Some(mode)) if entry.owner == user => draft
                        .title(format!("user {user} owns {} and may not open it", entry.path))
                        .remedy(format!("let {user}, its owner, open {}", entry.path))
                        .action(Action::FileMode {
                            path: entry.path.clone(),
                            from: mode,
                            to: mode | want(entry) << 6,
                        }),
                    _ => draft
                        .title(format!("user {user} may not open {}", entry.path))
                        .remedy(format!("make {user} the owner of {}, or add an ACL for it", entry.path)),
                };
                verdicts.push(draft.verdict());
            }
        }
    }
    if verdicts.is_empty() { vec![cx.draft().looked().verdict()] } else { verdicts }
}

/// The search bit of the class that the kernel would choose for this user.
fn class_bit(entry: &NameiEntry, user: &str, groups: &[&str]) -> u32 {
    match () {
        () if entry.owner == user => 0o100,
        () if groups.contains(&entry.group.as_str()) => 0o010,
        () => 0o001,
    }
}
