//! # The image format is not given, and probing is refused or wrong
//!
//! ## What it is
//! The format of a disk, or of its backing file, is not written down. QEMU would have to guess it from the
//! contents, which a guest controls: so libvirt refuses to probe, and QEMU restricts a raw disk it guessed.
//! Or a format was given (or defaulted) that the file does not have.
//!
//! Heard as: an overlay or image is refused since an upgrade: format of the base is not given.
//!
//! Known by: Image format was not specified and probing guessed raw; block 0 writes restricted; qcow2 seen as raw disk
//! with wrong size in guest; driver type missing; unbootable as raw.
//!
//! ## Why it happens
//! Images made by `qemu-img create -b base` without `-F`, allowed until QEMU 6.0, carry no backing format;
//! libvirt 6.0 stopped probing backing files, 4.x and older did it by option. `-hda`, `-drive file=` without
//! `format=` guess. libvirt's `<driver>` without type means raw, so a qcow2 shows up as an unbootable disk.
//!
//! ## Confirm
//! `qemu-img info --backing-chain <image>`: "backing file" without "backing file format"; `virsh dumpxml VM`:
//! `<driver name='qemu'/>` without `type=` or with another type than `qemu-img info` tells.
//!
//! ## Refute
//! Each layer names its format and the files have it.
//!
//! ## Fix
//! `qemu-img rebase -u -b <base> -F <format> <overlay>` writes the format into the header; in the definition give
//! `type='qcow2'` (`format=qcow2`). Never allow probing of images that a guest could write.
//!
//! ## References
//! QEMU `block/raw-format.c`, `block.c` `bdrv_img_create()`, `docs/about/removed-features.rst`; libvirt
//! <https://libvirt.org/kbase/backing_chains.html>, `src/qemu/qemu_domain.c`; CVE-2010-2238 (probing).

use super::cache_mode_unsafe::disks;
use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["storage", "security"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::proof("was not specified in the image metadata"),
        Sign::proof("Image format was not specified for '{file}' and probing guessed"),
        Sign::strong("write operations on block 0 will be restricted"),
        Sign::strong("Specify the 'raw' format explicitly to remove the restrictions"),
        Sign::proof("Backing file specified without backing format"),
        Sign::strong("use of backing file without explicit backing format"),
        Sign::strong("(detected format of "),
        Sign::strong("Detected format of {format}"),
        Sign::proof("no disk format for {disk} was specified"),
        Sign::support("Could not determine image format"),
        Sign::support("cannot probe backing volume format"),
        Sign::support("Image is not in {format} format").unless(&["Could not open backing file"]),
        Sign::hint("Image is not in {format} format"),
        Sign::support("Image not in VMDK format"),
        // Cloud Hypervisor since 40 and its forks.
        Sign::strong("Autodetected raw image type. Disabling sector 0 writes"),
        Sign::strong("storage format 'iso' is not directly supported by QEMU"),
        // qemu-img since 6.1.
        Sign::proof("backing format must be specified"),
        Sign::proof("has no format specified"),
        Sign::proof("format of backing image must be specified"),
        Sign::strong("Could not read image for determining its format"),
        Sign::strong("Unknown file format '"),
        Sign::strong("invalid VMDK image descriptor"),
        Sign::strong("Bad const header magic"),
        Sign::strong("Unable to read VHD header"),
        Sign::strong("File too small for a VHD header"),
        Sign::strong("is too small, not a valid image"),
        Sign::strong("Backing format cannot be used without backing file"),
        Sign::strong("Cannot use offset/size with SCSI generic devices"),
        Sign::strong("Is this a SCSI device?"),
        Sign::strong("Unsupported block driver"),
        Sign::strong("Failed to probe for format type"),
        Sign::strong("does not match the expected format"),
        Sign::strong("mishandled storage format"),
        Sign::strong("Device '{d}' already formatted using"),
        Sign::strong("Unable to probe '{d}' for existing data"),
        Sign::strong("allow_disk_format_probing is no longer supported"),
        Sign::strong("VMDK description file too big"),
        Sign::strong("Use of backing file requires explicit backing format"),
        // Cloud Hypervisor since 51.
        Sign::strong("Attempting to write to sector 0 on a disk without specifying image_type"),
        Sign::strong("image type. Disabling sector 0 writes"),
    ],
    words: &["format", "probing", "backing format", "raw", "qcow2", "-F qcow2"],
    tells: "qemu-img info --backing-chain IMAGE",
    remedy: "write the true format into the definition, and into the overlay's header with qemu-img rebase -u -F",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for disk in disks(cx).iter() {
        draft = draft.looked();
        let Some(source) = disk.source.as_deref() else { continue };
        let name = source.to_ascii_lowercase();
        let telling =
            ["qcow2", "vmdk", "vdi", "vhdx"].into_iter().find(|kind| name.ends_with(&format!(".{kind}")));
        if let (Some(kind), Some("raw")) = (telling, disk.format.as_deref()) {
            draft = draft
                .because(
                    Strength::Strong,
                    disk.quote.clone(),
                    "the format given is not the one of the file's name",
                )
                .title(format!("{source} is opened as raw, but its name says {kind}"));
            break;
        }
    }
    vec![draft.verdict()]
}
