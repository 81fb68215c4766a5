//! # The disk image or device does not exist
//!
//! ## What it is
//! A path that the VM's definition names as a disk, optical medium or pool volume does not exist on this host,
//! or not in the place where the VMM looks (inside a chroot, a container or another node).
//!
//! Heard as: the image does not exist at that path; not downloaded, unmounted, renamed.
//!
//! Known by: Could not open: No such file or directory; Cannot access storage file; ISO deleted or disk moved; volume
//! not found in pool; storage pool not started; by-id path gone; path changed after moving, renaming or unmounting; USB
//! disk or network mount not there at boot; dangling symlink; CD image removed; volume deleted.
//!
//! ## Why it happens
//! The image was moved, renamed or deleted; its file system or network share is not mounted; the pool is not
//! started; an ISO in the drive was cleaned up; a relative path is resolved in another directory; a device name
//! such as `/dev/sdb` changed at a reboot; a provider never downloaded the image.
//!
//! ## Confirm
//! `virsh domblklist VM`, then `ls -lL <path>` and `findmnt -T <path>` on the host that runs the VM;
//! `virsh pool-list --all` and `virsh vol-list POOL` for volumes.
//!
//! ## Refute
//! `ls -lL <path>` shows the file as the VMM's own user and in its mount namespace. If only the backing file is
//! missing, it is a broken chain; if an LV exists but has no node, it is not activated.
//!
//! ## Fix
//! Mount or start what holds the image, put it back, or correct the path (`virsh edit VM`). An ISO that is no
//! longer needed is ejected with `virsh change-media VM hda --eject --config`.
//!
//! ## References
//! QEMU `block/file-posix.c`, `raw_open_common()` and `block.c`, `bdrv_open_driver()`; libvirt
//! `src/storage_file/storage_source.c`, `virStorageSourceReportBrokenChain()`; `open(2)`, ENOENT.

use crate::prelude::*;
use vmwright_formats::{DomainXml, Images, MachineSpecView, Namei};

#[path = "messages/image_missing.rs"]
mod messages;

/// With one of these the missing file lies below the image, or belongs to another part of the VM.
const CHAIN: &[&str] = &[
    "Could not open backing file",
    "Cannot access backing file '",
    "open '*OVMF*': No such",
    "open '*.fd': No such",
    "open '*nvram*': No such",
    "open '/dev/kvm': No such",
    "open /dev/kvm: No such",
    "open '/dev/vfio*': No such",
    "open /dev/vfio*: No such",
    "open /dev/net/tun: No such",
    "open '/dev/vhost*: No such",
    "open /dev/vhost*: No such",
    "open '/dev/sev*: No such",
    "open /dev/hugepages*: No such",
];

pub const RULE: Rule = Rule {
    tags: &["storage", "boot"],
    needs: &[Need::Probe(Probe::ImagePaths), Need::Probe(Probe::Machine), Need::Probe(Probe::Images)],
    signs: messages::SIGNS,
    words: &["no such file", "image not found", "missing disk", "deleted", "moved the image", "iso"],
    tells: "namei -l IMAGE",
    remedy: "mount, start or restore what holds the image, or correct the path in the VM's definition",
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let Some(spec) = cx.one::<MachineSpecView>() else { return of_domains(cx) };
    let Some(machine) = &spec.spec else { return vec![cx.draft().verdict()] };
    let mut looked = false;
    for walk in cx.all::<Namei>() {
        for path in &walk.paths {
            let Some(at) =
                machine.disks.iter().position(|disk| disk.host_path().as_deref() == Some(&path.path.value))
            else {
                continue;
            };
            looked = true;
            let Some(failure) = path.failure() else { continue };
            if !failure.error.as_deref().unwrap_or_default().contains("No such file") {
                continue;
            }
            let named = spec.line_of(&format!("disk.{at}.path")).and_then(|line| spec.quote(line));
            let draft = cx
                .draft()
                .because(Strength::Proof, walk.quote(failure.line), "this component does not exist")
                .because(Strength::Hint, named, "the VM names it as a disk")
                .about(Subject::new(SubjectKind::Path, &path.path.value))
                .title(format!("the disk {} does not exist", path.path.value));
            verdicts.push(draft.verdict());
        }
    }
    match (verdicts.is_empty(), looked) {
        (false, _) => verdicts,
        (true, true) => vec![cx.draft().looked().verdict()],
        (true, false) => vec![cx.draft().verdict()],
    }
}

/// Disks that libvirt's own definitions name and that are not there.
fn of_domains(cx: &Context<'_>) -> Vec<Verdict> {
    let Some(images) = cx.one::<Images>() else { return vec![cx.draft().verdict()] };
    let draft = cx.draft().looked();
    for xml in cx.all::<DomainXml>() {
        if !xml.text.source.starts_with("/etc/libvirt/qemu/") {
            continue;
        }
        for disk in xml.domains.iter().flat_map(|domain| &domain.devices.disks) {
            let Some(source) = &disk.source else { continue };
            let gone = images.of(&source.value).and_then(|image| image.missing());
            if let Some(gone) = gone.filter(|why| why.value == "does not exist") {
                return vec![
                    draft
                        .because(Strength::Proof, images.quote(gone.line), "it is not there")
                        .because(Strength::Hint, xml.quote(source.line), "the VM names it as a disk")
                        .about(Subject::new(SubjectKind::Path, &source.value))
                        .title(format!("the disk {} does not exist", source.value))
                        .verdict(),
                ];
            }
        }
    }
    vec![draft.verdict()]
}
