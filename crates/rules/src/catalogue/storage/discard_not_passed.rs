//! # Discard is not passed down, so the image only grows
//!
//! ## What it is
//! A guest that deletes files frees blocks only in its own file system. The image, thin volume or pool below
//! learns of it by discard (TRIM, UNMAP) alone, and each layer must pass it on: guest file system, LVM or LUKS
//! in the guest, the virtual disk's controller, QEMU's `discard=`, the image format, the host's storage.
//!
//! Heard as: images or thin volumes only grow; deleted data does not come back.
//!
//! Known by: fstrim has no effect; thin volume or qcow2 never shrinks; discard=unmap missing; lsblk -D zeros; unmap;
//! sparse; used space only grows.
//!
//! ## Why it happens
//! QEMU's default is `discard=ignore`; virtio-blk knows discard since QEMU 4.0 and machine types 4.0 only; IDE
//! passes TRIM but old controllers do not; nobody runs `fstrim` in the guest; `crypttab` has no `discard`, or
//! `lvm.conf` in the guest has `issue_discards = 0`; a snapshot still holds the blocks.
//!
//! ## Confirm
//! In the guest `lsblk -D` (DISC-GRAN 0 means no discard) and `fstrim -nv /`; on the host `virsh dumpxml VM | grep
//! discard`, `qemu-img info` or `du -h` against the guest's `df`, `lvs -o name,data_percent,discards`.
//!
//! ## Refute
//! After `fstrim -av` in the guest the image or thin volume gets smaller.
//!
//! ## Fix
//! `discard='unmap'` on the disk (with virtio-scsi, or virtio-blk from machine type 4.0 on), `fstrim.timer` in
//! the guest, discard through LUKS and LVM if used, and `discards=passdown` on the thin pool.
//!
//! ## References
//! QEMU invocation, `discard=`, `detect-zeroes=`; libvirt domain XML `<driver discard=>`; `fstrim(8)`,
//! `crypttab(5)`, `lvmthin(7)` (discards); QEMU `hw/block/virtio-blk.c`.

use super::cache_mode_unsafe::disks;
use crate::prelude::*;

/// What users say when the space does not come back.
const GROWS: &[&str] = &[
    "fstrim",
    "not shrink",
    "does not shrink",
    "doesn't shrink",
    "space is not freed",
    "not freed",
    "reclaim",
    "keeps growing",
    "only grows",
    "grows and grows",
    "free up space",
    "not released",
    "not reclaimed",
    "never shrinks",
    "although i deleted",
    "deleted the data",
    "deleted files",
    "deleting files",
    "after deleting",
    "df shows",
    "trim",
];

pub const RULE: Rule = Rule {
    level: Level::Error,
    tags: &["storage"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Probe(Probe::Vmms)],
    signs: &[
        Sign::strong("the discard operation is not supported"),
        Sign::strong("fstrim: *: FITRIM ioctl failed: Operation not supported"),
        Sign::support("FITRIM ioctl failed"),
        Sign::strong("discard=ignore"),
        Sign::strong("discard='ignore'"),
        Sign::strong("Disabling discard passdown"),
        Sign::support("mounting with \"discard\" option, but the device does not support discard"),
        Sign::support("discards=ignore"),
        Sign::support("issue_discards = 0"),
        Sign::support("issue_discards=0"),
        Sign::support("fstrim").and(&["discard"]),
        Sign::hint("fstrim"),
        // What a complaint makes of a configuration.
        Sign::support("disk size:").unless(&["discard=*unmap", "discard=on"]).said(GROWS).or_near(),
        Sign::support("<driver name=*qcow2").unless(&["discard=*unmap"]).said(GROWS).or_near(),
        Sign::support("type=*raw").unless(&["discard=*unmap"]).said(GROWS).or_near(),
        Sign::strong("Your file system is misbehaving: fallocate(FALLOC_FL_PUNCH_HOLE) returned EINVAL"),
        Sign::strong("Invalid discard option"),
    ],
    words: GROWS,
    tells: "lsblk -D",
    remedy: "set discard='unmap' on the disk and let the guest run fstrim, with every layer between passing discard on",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let grows = cx.asked(GROWS);
    for disk in disks(cx).iter() {
        draft = draft.looked();
        let ignored = disk.discard.as_deref().is_none_or(|mode| mode == "ignore" || mode == "off");
        if ignored && grows && !disk.readonly {
            draft = draft
                .because(Strength::Support, disk.quote.clone(), "the disk does not pass discard on")
                .title(format!("{} does not pass discard on", disk.name()));
            break;
        }
    }
    if grows && let Some(quote) = mounted_without(cx) {
        draft = draft.because(
            Strength::Support,
            Some(quote),
            "it is mounted without discard, so fstrim has to run",
        );
    }
    vec![draft.verdict()]
}

/// A file system of an fstab that could discard and does not by itself.
fn mounted_without(cx: &Context<'_>) -> Option<Evidence> {
    let fstab = cx.texts_named(|source| source.ends_with("fstab"));
    fstab.flat_map(|text| text.lines().map(move |line| (text, line))).find_map(|(text, (number, line))| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let journals = ["ext4", "xfs", "btrfs", "f2fs"].contains(words.get(2)?);
        (journals && !line.starts_with('#') && !words.get(3)?.contains("discard"))
            .then(|| text.quote(number))?
    })
}
