//! # Another process holds the image lock
//!
//! ## What it is
//! QEMU locks every image that it opens: a writer takes a "write" lock and shares nothing, so a second QEMU, or
//! `qemu-img` on a running VM's disk, is refused. The lock keeps two writers from destroying the image.
//!
//! Heard as: qemu-img, virt-customize or a second start or host fails: another process uses the image.
//!
//! Known by: Failed to get "write" lock; Is another process using the image; Failed to get shared write lock; disk used
//! by two VMs; qemu-img while running, -U; stale qemu or qemu-nbd; cannot start: locked by other; backup tool,
//! guestfish or second hypervisor uses it; stale lock after crash; share-rw; sanlock, virtlockd, lease.
//!
//! ## Why it happens
//! The VM, or another one with the same disk, still runs (perhaps after its terminal was closed or its manager
//! crashed); a restore or backup tool has the image open; or two definitions name one image.
//!
//! ## Confirm
//! `lsof /path/to/image` or `fuser -v /path/to/image` names the holder. `qemu-img info -U` reads a running VM's
//! image without the lock. `cat /proc/locks` shows the lock by inode (OFDLCK).
//!
//! ## Refute
//! No process has the image open, and `qemu-img info` (without -U) works.
//!
//! ## Fix
//! Stop the VM or tool that holds it. Two VMs that must share a disk need `<shareable/>` (share-rw=on) and a
//! cluster file system. Never switch locking off (`file.locking=off`) to get past this: both would write.
//!
//! ## References
//! QEMU `docs/system/qemu-block-drivers` (disk image file locking); `block/file-posix.c`,
//! `raw_check_lock_bytes()`; `fcntl(2)`, open file description locks.

use crate::prelude::*;
use vmwright_formats::image_locks::Holder;
use vmwright_formats::{ImageLocks, MachineSpecView};

pub const RULE: Rule = Rule {
    tags: &["storage", "boot"],
    needs: &[Need::Probe(Probe::ImageLocks), Need::Probe(Probe::Machine)],
    signs: &[
        Sign::proof("Failed to get \"write\" lock"),
        Sign::proof("Failed to get shared \"write\" lock"),
        Sign::proof("Failed to get \"consistent read\" lock"),
        Sign::proof("Failed to get shared \"consistent read\" lock"),
        Sign::strong("Is another process using the image"),
        Sign::support("Failed to lock byte {byte}"),
        Sign::support("unable to acquire write lock"),
        Sign::strong("Due to the implementation, locks can be lost unexpectedly"),
        Sign::support("Permission conflict on node"),
        Sign::support("node is used as backing hd of"),
        Sign::strong("is already in use by other guests"),
        // Cloud Hypervisor since 46 locks the images of all disks.
        Sign::strong("Can't get {kind} lock for {path} as there is already a"),
        Sign::strong("Error locking disk images"),
        Sign::strong("lock for disk image:").and(&["already locked"]),
        Sign::strong("Cannot lock images of all block devices"),
        Sign::support("Can't get {kind} lock for {path}, but also can't determine"),
    ],
    words: &["lock", "in use", "already running", "another process"],
    tells: "lsof IMAGE",
    remedy: "stop the VM or tool that has the image open, then start again",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let (Some(locks), Some(spec)) = (cx.one::<ImageLocks>(), cx.one::<MachineSpecView>()) else {
        return vec![draft.verdict()];
    };
    let Some(machine) = &spec.spec else { return vec![draft.verdict()] };
    if locks.locks.iter().any(|lock| matches!(lock.holder, Holder::Unknown(_))) && !draft.any() {
        return cx.unknown("not every process could be looked into", "the same as root");
    }
    draft = draft.looked();
    for (at, disk) in machine.disks.iter().enumerate() {
        let Some(image) = disk.host_path() else { continue };
        for lock in locks.of(&image) {
            let Holder::Process(holder) = &lock.holder else { continue };
            // Our own VM holding its own disk is how it should be.
            if holder.name == machine.name {
                return cx.quiet();
            }
            draft = draft
                .because(Strength::Proof, locks.quote(lock.line), "this process holds the lock")
                .because(
                    Strength::Hint,
                    spec.line_of(&format!("disk.{at}.path")).and_then(|line| spec.quote(line)),
                    "the disk of this VM",
                )
                .about(Subject::new(SubjectKind::Path, &image))
                .title(format!("{image} is locked by `{}` (pid {})", holder.name, holder.pid));
            // The backend names its processes so. Only such a machine can be stopped in order, and started again to undo it.
            if holder.argv.contains(&format!("process=vmw-{}", holder.name)) {
                draft = draft
                    .remedy(format!("stop the machine `{}`, which holds the image", holder.name))
                    .action(Action::MachineStop { machine: holder.name.clone() });
            }
        }
    }
    vec![draft.verdict()]
}
