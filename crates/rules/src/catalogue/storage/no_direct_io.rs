//! # O_DIRECT, or its alignment, is not supported by the file system or device
//!
//! ## What it is
//! `cache=none` and `directsync` open the image with O_DIRECT. The file system refuses the flag (EINVAL at
//! open), or each request fails because buffer, offset or length is not a multiple of the device's logical
//! block: 4 KiB native disks need 4096, while the guest believes in 512.
//!
//! Heard as: cache=none does not start on tmpfs or this file system; 4K sectors.
//!
//! Known by: file system does not support O_DIRECT; tmpfs, ZFS, overlayfs, encrypted folder; cache=none fails Invalid
//! argument; 4k sectors alignment, logical_block_size.
//!
//! ## Why it happens
//! tmpfs before Linux 6.6, some FUSE, overlay, 9p, encrypted and network file systems have no O_DIRECT; ZFS had
//! none that counts before 2.3. On 4Kn disks or DASDs an image with 512-byte sectors, a qcow2 with a small
//! cluster, or a partition that is not aligned cannot be addressed.
//!
//! ## Confirm
//! `findmnt -T <image>` names the file system; `dd if=<image> of=/dev/null bs=4096 count=1 iflag=direct` fails
//! with "Invalid argument". `blockdev --getss <device>` (or `lsblk -t`) shows the logical block size.
//!
//! ## Refute
//! That `dd` reads with the block size that the guest uses.
//!
//! ## Fix
//! `cache=writeback` for that disk (then also without `aio=native`), or move the image to a file system with
//! O_DIRECT. For 4Kn give the guest the true size: `<blockio logical_block_size='4096'
//! physical_block_size='4096'/>`; the guest's disk must then have been partitioned for it.
//!
//! ## References
//! QEMU `block/file-posix.c`, `raw_probe_alignment()`, `raw_open_common()`; QEMU `block.c`; `open(2)`, O_DIRECT;
//! libvirt domain XML, `<blockio>`; Linux 6.6 tmpfs direct I/O.

use super::cache_mode_unsafe::disks;
use crate::prelude::*;
use vmwright_formats::Mounts;

pub const RULE: Rule = Rule {
    tags: &["storage", "boot"],
    needs: &[Need::File("/proc/mounts"), Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Probe(Probe::Vmms)],
    signs: &[
        Sign::proof("file system may not support O_DIRECT"),
        Sign::proof("filesystem does not support O_DIRECT"),
        Sign::proof("Could not find working O_DIRECT alignment"),
        Sign::strong("does not support O_DIRECT"),
        Sign::strong("O_DIRECT unsupported on this platform"),
        Sign::strong("Try cache.direct=off"),
        Sign::support("Could not open '{path}': Invalid argument"),
        Sign::strong("Could not open '{path}': Invalid argument").and(&["cache=none"]),
        Sign::support("could not open disk image {path}: Invalid argument"),
        Sign::strong("could not open disk image {path}: Invalid argument").and(&["cache=none"]),
        Sign::strong(
            "Cannot get 'write' permission without 'resize': Image size is not a multiple of request alignment",
        ),
        Sign::strong("Image size is not a multiple of request alignment"),
        Sign::strong("O_DIRECT").and(&["Invalid argument"]),
        Sign::support("O_DIRECT"),
        Sign::support("Could not open image: Invalid argument"),
        Sign::support("Direct IO check failed for").unless(&["Permission denied"]),
        Sign::support("Driver requires too large request alignment"),
        Sign::strong("direct I/O*not supported"),
        Sign::strong("not support direct I/O"),
        Sign::support("logical_block_size").and(&["Invalid argument"]),
        Sign::strong("cache.direct=off is not supported"),
        Sign::support("failed to init linux io_uring ring"),
        Sign::support("failed to create linux AIO context"),
        Sign::support("Unable to use native AIO"),
        Sign::support("Unable to use io_uring"),
        Sign::strong("Cannot enable NFS readahead if cache.direct = on"),
        Sign::strong("iSCSI misaligned request"),
    ],
    words: &["O_DIRECT", "cache=none", "invalid argument", "tmpfs", "4k sector", "direct io"],
    tells: "findmnt -T IMAGE",
    remedy: "use a cache mode without O_DIRECT for this disk, or give the guest the device's block size",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// File systems that refuse or have refused the flag; for tmpfs until Linux 6.6.
const WITHOUT: &[&str] = &["tmpfs", "ramfs", "ecryptfs", "squashfs", "aufs"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let Some(mounts) = cx.one::<Mounts>() else { return vec![draft.verdict()] };
    for disk in disks(cx).iter().filter(|disk| disk.direct() == Some(true)) {
        let Some(mount) =
            disk.source.as_deref().filter(|path| path.starts_with('/')).and_then(|path| mounts.of_path(path))
        else {
            continue;
        };
        draft = draft.looked();
        if WITHOUT.contains(&mount.fs_type.as_str()) && !disk.name().starts_with("/dev/") {
            draft = draft
                .because(Strength::Support, mounts.quote(mount.line), "this file system may have no O_DIRECT")
                .because(Strength::Hint, disk.quote.clone(), "the disk is opened with O_DIRECT")
                .title(format!("{} is opened with O_DIRECT on {}", disk.name(), mount.fs_type));
            break;
        }
    }
    vec![draft.verdict()]
}
