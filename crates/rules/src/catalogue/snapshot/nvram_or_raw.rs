//! # An internal snapshot is impossible: raw disk, raw NVRAM or vTPM
//!
//! ## What it is
//! An internal snapshot keeps disk and memory state inside the images, and only qcow2 (and a few network
//! stores) can hold it. One writable image that cannot, and the whole snapshot is refused. The variable store
//! of UEFI firmware is such an image too.
//!
//! Heard as: snapshots work for all VMs but those with UEFI, raw disks or a TPM.
//!
//! Known by: internal snapshots of a VM with pflash based firmware are not supported; raw disk does not support
//! internal snapshot; TPM state; nvram is raw; UEFI guest cannot have internal snapshot; pflash qcow2 wanted; LVM or
//! raw volume; external disk-only works; tpm emulator.
//!
//! ## Why it happens
//! A raw disk or block device, a UEFI guest (its NVRAM is raw unless made as qcow2), a disk of kind network or
//! lun, a vTPM whose state lies outside; storage types of Proxmox without snapshots (raw on a directory, LVM
//! without thin).
//!
//! ## Confirm
//! `virsh domblklist NAME --details`, `qemu-img info -U IMAGE` for each, `virsh dumpxml NAME | grep -E
//! 'pflash|nvram|<tpm'`.
//!
//! ## Refute
//! Each writable image, NVRAM included, is qcow2.
//!
//! ## Fix
//! Take an external snapshot: `virsh snapshot-create-as NAME S --disk-only` or with `--memspec`; or convert raw
//! images to qcow2, and make NVRAM as qcow2 (`<nvram format='qcow2'>`, libvirt 10.10 and later); keep a vTPM's
//! state directory with the snapshot.
//!
//! ## References
//! libvirt `src/qemu/qemu_snapshot.c` (qemuSnapshotPrepare), `docs/formatsnapshot.rst`; QEMU `block/snapshot.c`
//! (bdrv_all_can_snapshot); Proxmox `PVE/AbstractConfig.pm` (snapshot feature).

use crate::prelude::*;
use vmwright_formats::DomainXml;

pub const RULE: Rule = Rule {
    tags: &["snapshot", "firmware", "storage"],
    rank: Rank::Specific,
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::proof("internal snapshots of a VM with pflash based firmware"),
        Sign::proof("is writable but does not support snapshots"),
        Sign::proof("internal snapshot for disk {disk} unsupported for storage type"),
        Sign::proof("require QCOW2 nvram format"),
        Sign::proof("does not support internal snapshots"),
        Sign::strong("no block device can store vmstate for snapshot"),
        Sign::strong("No block device supports snapshots"),
        Sign::strong("No block device can accept snapshots"),
        Sign::strong("vmstate block device '{device}' does not support snapshots"),
        Sign::strong("Block driver does not support snapshots"),
        Sign::strong("active qemu domains require external disk snapshots"),
        Sign::strong("internal inactive snapshots are not supported on"),
        Sign::strong("does not support snapshotting"),
        Sign::strong("mixing internal and external targets for a snapshot"),
        Sign::strong("snapshot feature is not available"),
        Sign::strong("The current guest configuration does not support taking new snapshots"),
        Sign::strong("internal snapshots are not supported"),
        Sign::strong("internal snapshots with * TPM"),
        Sign::strong("can't snapshot * tpm"),
        Sign::support("qemu-img: Could not create snapshot"),
        Sign::support("'snapshot-save' * Operation not supported"),
        Sign::support("snapshot-save job failed"),
        Sign::support("can't manipulate inactive snapshots of disk"),
        Sign::support("no storage for vmstate"),
        Sign::strong("external snapshot format for disk {disk} is unsupported"),
        Sign::support("internal snapshot of a running VM must include the memory state"),
        // Proxmox.
        Sign::strong("storage for '{volume}' is configured for snapshots as a volume chain"),
        Sign::strong("cannot clone TPM state while VM is running"),
        Sign::strong("cannot move TPM state while VM is running"),
        Sign::strong("top-most snapshot of TPM state"),
        Sign::strong("used by device '{d}' does not support internal snapshot deletion"),
        Sign::strong("does not support temporarily loading internal snapshots"),
        Sign::strong("At least one device is required for snapshot"),
        Sign::strong("Non-blocking mode not supported for block devices"),
        Sign::strong("this domain does not have a device to take snapshots"),
        Sign::strong("this domain does not have a device to delete snapshots"),
        Sign::strong("resetting of nvram is not supported with network backed nvram"),
        Sign::strong("disk-only snapshots require at least one disk"),
        // Proxmox VE, of storage that cannot.
        Sign::strong("storage '{name}' does not support snapshots"),
        Sign::strong("can't snapshot this image format"),
        Sign::strong("creating snapshots is not supported for"),
        Sign::strong("live snapshot creation is supported only during full system snapshots"),
        Sign::strong("removal of existing managed saved state strongly recommended"),
        Sign::strong("not supported with NVRAM"),
    ],
    words: &["snapshot", "internal snapshot", "uefi", "nvram", "pflash", "raw disk", "savevm", "revert"],
    tells: "virsh domblklist NAME --details and qemu-img info -U of each image",
    remedy: "take an external snapshot (--disk-only or --memspec), or convert raw images and the NVRAM to qcow2",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let complaint = cx.complaint().to_lowercase();
    let external = ["disk-only", "external"].iter().any(|word| complaint.contains(word));
    let asked = cx.said("snapshot") && !external;
    for seen in cx.all::<DomainXml>() {
        for domain in &seen.domains {
            // UEFI: `firmware='efi'`, or a loader mapped as flash; its store is raw unless it says qcow2.
            let pflash = domain.os.loader_type.as_ref().filter(|kind| kind.value == "pflash");
            let efi = domain.os.firmware.as_ref().filter(|kind| kind.value == "efi");
            let store = seen.attribute("os/nvram", "format");
            let raw_store = pflash.or(efi).filter(|_| store.is_none_or(|format| format.value != "qcow2"));
            let raw_disk = domain.devices.disks.iter().filter(|disk| !disk.readonly).find_map(|disk| {
                disk.format.as_ref().filter(|format| format.value == "raw" && disk.protocol.is_none())
            });
            let strength = if asked && draft.any() { Strength::Support } else { Strength::Hint };
            if asked {
                draft = draft
                    .because(
                        strength,
                        raw_store.and_then(|one| seen.quote(one.line)),
                        "UEFI keeps a raw NVRAM",
                    )
                    .because(
                        strength,
                        raw_disk.and_then(|one| seen.quote(one.line)),
                        "a writable disk is raw",
                    );
            }
            if asked && cx.said("internal snapshot") {
                let line = raw_store.or(raw_disk).map(|one| one.line);
                draft = draft.because(
                    Strength::Support,
                    line.and_then(|line| seen.quote(line)),
                    "it cannot hold one",
                );
            }
        }
    }
    vec![draft.verdict()]
}
