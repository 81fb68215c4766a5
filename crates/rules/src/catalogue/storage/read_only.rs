//! # The image or volume is read-only where it must be written
//!
//! ## What it is
//! QEMU opens a disk for writing and the file, device, mount or file system allows reading only. The reason is
//! the state of the thing itself, and not who asks: root is refused as well.
//!
//! Heard as: the guest has write errors from the start, or cannot write: image, volume or mount is read-only.
//!
//! Known by: Block node is read-only; Permission denied for writing; image on ISO or snapshot mount; remounted ro in
//! host; readonly=on; read only file system; can't write, EROFS; volume, LUN, ISO, RBD snapshot, squashfs or overlay
//! base not writable; write-protected; permission is not the reason.
//!
//! ## Why it happens
//! The file system was remounted read-only after an error, or mounted `ro`; the block device is set read-only
//! (`blockdev --setro`, an LV with permission `r`, an activated snapshot origin, a write-protected LUN, an RBD
//! snapshot); the image is an immutable file or lies on an ISO or in the Nix store; the same disk type can do
//! no read-only at all (IDE and SATA disks), so `readonly` is refused.
//!
//! ## Confirm
//! `findmnt -T <image> -o TARGET,OPTIONS`; `blockdev --getro <device>` prints 1; `lvs -o name,lv_permissions`;
//! `lsattr <image>` shows `i`; `dmesg | grep -i 'remounting\|read-only'`.
//!
//! ## Refute
//! `test -w` as root succeeds and `blockdev --getro` prints 0: look at permissions and MAC.
//!
//! ## Fix
//! Repair and remount the file system, `lvchange -prw VG/LV`, `blockdev --setrw`, or copy the image to where it
//! can be written. A disk that should stay read-only gets `<readonly/>` on virtio or SCSI.
//!
//! ## References
//! QEMU `block/file-posix.c` ("The device is not writable"), `block.c` (auto-read-only); libvirt
//! `src/qemu/qemu_validate.c` ("readonly ide disks are not supported"); `lvchange(8)`, `blockdev(8)`; EROFS.

use super::cache_mode_unsafe::disks;
use crate::prelude::*;
use vmwright_formats::Mounts;

pub const RULE: Rule = Rule {
    tags: &["storage", "boot"],
    needs: &[
        Need::File("/proc/mounts"),
        Need::Glob("/sys/block/*/ro"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
    ],
    signs: &[
        Sign::strong("The device is not writable"),
        Sign::strong("Could not open '{path}': Read-only file system"),
        Sign::strong("could not open disk image {path}: Read-only file system"),
        Sign::support("Read-only file system").unless(&["virtiofs", "jailer", "chroot"]),
        Sign::support("(os error 30)"),
        Sign::support("Block node is read-only").unless(&["cfi.pflash01 failed: Block node is read-only"]),
        Sign::strong("Read-only block node '{node}' cannot support"),
        Sign::support("Node '{node}' is read only"),
        Sign::support("Device '{device}' is read only"),
        Sign::strong("readonly ide disks are not supported"),
        Sign::strong("readonly sata disks are not supported"),
        Sign::strong("Cannot open a write protected LUN as read-write"),
        Sign::strong("Cannot open a read-only mount as read-write"),
        Sign::strong("Cannot change node '{node}' to r/w when using RBD snapshot"),
        Sign::support("Image is read-only"),
        Sign::strong("Block backend cannot be opened read-write"),
        Sign::strong("LV Permission*read only"),
        Sign::strong("LV Write Access*read only"),
        Sign::support("Remounting filesystem read-only").kinds(&["kernel_log", "text"]),
        Sign::support("device is read-only"),
        Sign::support("is write-protected, mounting read-only"),
        Sign::support("Operation not permitted").and(&["----i---"]),
        Sign::support("ext4 ro,")
            .said(&["write error", "read-only", "read only", "cannot write", "not write"])
            .or_near(),
        Sign::support("xfs ro,")
            .said(&["write error", "read-only", "read only", "cannot write", "not write"])
            .or_near(),
        Sign::strong(
            "VHDX image file '{file}' opened read-only, but contains a log that needs to be replayed",
        ),
        Sign::strong("Cannot export read-only node as writable"),
        Sign::strong("Failed to reopen bitmaps rw: no write access the protocol file"),
        Sign::strong("can only be used for read-only devices"),
        Sign::strong("Can't use copy-on-read on read-only device"),
        Sign::strong("Can't reopen read-only NBD mount as read/write"),
        Sign::strong("Device is not readonly"),
        Sign::strong("Can't set node '{n}' to r/o"),
        Sign::strong("Unable to mount {x} in readonly mode"),
        Sign::strong("disabling copy-on-read on read-only drive"),
        // Cloud Hypervisor: the guest writes to a disk that was given as read-only.
        Sign::strong("operation other than `read` or `get_id` on a read-only device"),
        Sign::strong("Request failed: *Bad file descriptor").and(&["readonly="]),
    ],
    words: &["read-only", "readonly", "read only", "not writable", "write protected"],
    explains: &["access/image-permission"],
    tells: "blockdev --getro DEVICE",
    remedy: "make the device, volume or mount writable, or copy the image to where it can be written",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for disk in disks(cx).iter().filter(|disk| !disk.readonly) {
        let Some(name) = disk.source.as_deref().and_then(|path| path.strip_prefix("/dev/")) else { continue };
        let Found::Text(flag) = cx.file(&format!("/sys/block/{name}/ro")) else { continue };
        draft = draft.looked();
        if flag.as_str().trim() == "1" {
            draft = draft
                .because(Strength::Strong, flag.quote(1), "the kernel has the device as read-only")
                .because(Strength::Support, disk.quote.clone(), "the disk on it must be written")
                .title(format!("the block device /dev/{name} is read-only"));
            return vec![draft.verdict()];
        }
    }
    let Some(mounts) = cx.one::<Mounts>() else { return vec![draft.verdict()] };
    for disk in disks(cx).iter().filter(|disk| !disk.readonly) {
        let path = disk.source.as_deref().filter(|path| path.starts_with('/') && !path.starts_with("/dev/"));
        let Some(mount) = path.and_then(|path| mounts.of_path(path)) else { continue };
        draft = draft.looked();
        if mount.option("ro").is_some() {
            draft = draft
                .because(Strength::Strong, mounts.quote(mount.line), "the file system is mounted read-only")
                .because(Strength::Support, disk.quote.clone(), "the disk on it must be written")
                .title(format!("{} lies on {}, which is mounted read-only", disk.name(), mount.target));
            break;
        }
    }
    vec![draft.verdict()]
}
