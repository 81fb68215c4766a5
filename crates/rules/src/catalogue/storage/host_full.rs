//! # The host's file system or pool is full
//!
//! ## What it is
//! The file system, quota or pool under a growing image has no space left. QEMU gets ENOSPC on a guest's write;
//! by default (`werror=enospc`) it pauses the VM, or the write is failed. New images and saves fail as well.
//!
//! Heard as: VMs froze or are paused because the host's disk or pool is full.
//!
//! Known by: No space left on device; guest paused, ENOSPC; /var/lib/libvirt/images full; datastore 100 %;
//! werror=enospc; thin overcommitted; cannot write; df shows 100 %; VMs stop by themselves, cannot be resumed; snapshot
//! or backup filled the disk; quota exceeded; pool usage; inode exhaustion.
//!
//! ## Why it happens
//! qcow2, sparse raw files and snapshots promise more than the host has; a snapshot or a saved memory image is
//! as large as the guest's writes or RAM; logs or backups fill the same file system; a quota or inodes run out.
//!
//! ## Confirm
//! `virsh domblkerror VM` says "no space"; `df -h <dir>` and `df -i <dir>` show 100 %;
//! `virsh pool-info POOL` shows nothing available; QMP `query-block` has `"io-status": "nospace"`.
//!
//! ## Refute
//! Space and inodes are free on the file system of each image of the chain. A full LVM thin pool or a full Ceph
//! cluster has its own rule; a full disk *inside* the guest pauses nothing.
//!
//! ## Fix
//! Free or add space, then `virsh resume VM` (QMP `cont`): the failed writes are repeated and nothing is lost.
//! Afterwards let the guest's discard reach the image, merge old snapshots, and watch the free space.
//!
//! ## References
//! QEMU `qapi/block-core.json` (BlockdevOnError `enospc`, BLOCK_IO_ERROR `nospace`); libvirt domain XML
//! `error_policy`; `virsh domblkerror`; `write(2)`, ENOSPC and EDQUOT.

use crate::prelude::*;
use vmwright_formats::qmp_answer::{QmpAnswer, QmpDisk, vm_of};

#[path = "messages/host_full.rs"]
mod messages;

/// The space is missing in something that has a rule of its own, or ENOSPC means something else there.
const OTHER: &[&str] = &[
    "VFIO_MAP_DMA",
    "vfio_dma_map",
    "device-mapper: thin:",
    "cpuset.mems",
    "/sys/fs/cgroup",
    "virCgroup",
    "inotify",
    "hugetlbfs",
    "mlx5_core",
    "out-of-data-space",
    "osdmap FULL",
];

pub const RULE: Rule = Rule {
    tags: &["storage"],
    needs: &[Need::Probe(Probe::Qmp)],
    signs: messages::SIGNS,
    words: &["disk full", "no space", "paused", "out of space", "enospc", "free space"],
    explains: &["storage/io-error-paused", "qcow2/corrupt"],
    tells: "df -h",
    remedy: "free or add space on the file system of the image, then resume the VM",
    check,
    ..Rule::NEW
};

/// Parts of mount points on which images customarily lie.
const PLACES: &[&str] =
    &["libvirt", "images", "vm", "data", "srv", "var", "home", "pve", "mnt", "nova", "vz"];

/// Mount points that hold no images and may be full for good.
const NO_DISK: &[&str] =
    &["/snap", "/var/lib/snapd", "/sys", "/dev", "/run", "/proc", "/boot", "/media", "/mnt/cdrom"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for seen in cx.all::<QmpAnswer>() {
        let full = |disk: &&QmpDisk| disk.io_status.as_ref().is_some_and(|status| status.value == "nospace");
        let Some(disk) = seen.disks.iter().find(full) else { continue };
        let status = disk.io_status.as_ref().and_then(|status| seen.quote(status.line));
        draft = draft.because(Strength::Proof, status, "QEMU was refused more space for this disk");
        let file = disk.file.as_ref().map_or(disk.name.as_str(), |file| file.value.as_str());
        if let Some(vm) = vm_of(seen.text.source) {
            draft = draft.about(Subject::new(SubjectKind::Vm, vm));
            draft = draft.title(format!("VM {vm} is paused: there is no space left for {file}"));
        }
        return vec![draft.verdict()];
    }
    for text in cx.texts_with(["Use%", " CAP", "/dev/"]) {
        let headed = text.holds(["Use%", " CAP"]);
        let (mut columns, mut pool): (Option<usize>, bool) = (None, false);
        let row = |line: &str| headed || line.trim_start().starts_with("/dev/");
        for (number, line) in text.lines().filter(|(_, line)| row(line)) {
            // `df` in any of its forms and `zpool list`: the heading says which column tells the use.
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.first() == Some(&"Filesystem")
                || words.first() == Some(&"NAME") && words.contains(&"CAP")
            {
                pool = words[0] == "NAME";
                columns = words.iter().position(|word| word.ends_with('%') || *word == "CAP");
                continue;
            }
            // A row of `df` that was pasted without its heading has its use in the fifth column.
            let row = words.len() == 6 && words[0].starts_with("/dev/") && words[5].starts_with('/');
            let Some(used) = columns.or(row.then_some(4)).and_then(|at| words.get(at)) else { continue };
            let mount = if pool { words.first() } else { words.last() }.copied().unwrap_or_default();
            let image = pool || mount == "/" || PLACES.iter().any(|part| mount.contains(part));
            // ZFS keeps a reserve and slows down long before 100 %.
            let full = *used == "100%" || pool && ["97%", "98%", "99%"].contains(used);
            if full && image && !NO_DISK.iter().any(|place| mount.starts_with(place)) {
                draft = draft
                    .because(Strength::Strong, text.quote(number), "this file system is full")
                    .title(format!("the file system at {mount} is full"))
                    .about(Subject::new(SubjectKind::Path, mount));
                return vec![draft.verdict()];
            }
            draft = draft.looked();
        }
    }
    vec![draft.verdict()]
}
