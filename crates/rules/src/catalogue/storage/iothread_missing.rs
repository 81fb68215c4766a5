//! # Disk work shares QEMU's main loop or a single thread
//!
//! ## What it is
//! Without an I/O thread QEMU submits and completes the requests of all disks in its main loop, together with
//! the monitor, VNC and timers. A busy disk makes the VM stutter, and one slow device holds up all the others.
//!
//! Heard as: one QEMU thread is at 100 percent with many fast disks; during backups all disks stall.
//!
//! Known by: guest stutters under heavy disk load; main loop 100 %; no iothread; one thread saturated; virtio-scsi with
//! single queue; mouse freezes while copying; high iowait, latency of other devices when one disk busy;
//! single-threaded; NVMe speeds not reached; assign iothread; poll; main-loop contention.
//!
//! ## Why it happens
//! libvirt and QEMU give no I/O thread unless asked. With `virtio-scsi` all disks of one controller share its
//! thread; a single virtio queue lets one vCPU at a time submit. Proxmox needs `virtio-scsi-single` with
//! `iothread=1`.
//!
//! ## Confirm
//! `virsh iothreadinfo VM` is empty; `top -H -p <pid of QEMU>`: the thread named like the process uses a whole
//! core while the guest does I/O. `perf top -t <tid>` shows `aio_poll` and `virtio_blk_*` there.
//!
//! ## Refute
//! The main thread is idle while I/O is slow: then the storage, the cache mode or the CPU's steal is the cause.
//!
//! ## Fix
//! `<iothreads>1</iothreads>` and `<driver iothread='1' queues='N'>` for each busy disk (several threads for one
//! disk with `<iothreads>` below `<driver>`, QEMU 9.0 and libvirt 10.0 on); pin them beside the VM's cores.
//!
//! ## References
//! QEMU `docs/devel/multiple-iothreads.rst`; libvirt domain XML, `<iothreads>`, `<driver iothread=>`; QEMU
//! `iothread.c`; virtio-blk `num-queues`.

use super::cache_mode_slow::SLOW;
use super::cache_mode_unsafe::disks;
use crate::prelude::*;

/// Symptoms of a busy main loop.
const STALLS: &[&str] = &[
    "iothread",
    "io thread",
    "i/o thread",
    "main loop",
    "main thread",
    "stutter",
    "freezes during disk",
    "unresponsive during",
    "single thread",
    "one core at 100",
];

/// A guest that stands still while its disk is busy.
const STILL: [&str; 5] = ["freez", "frozen", "stalls", "stands still", "hangs"];

/// What keeps a disk busy.
const BUSY: [&str; 6] = ["backup", "copying", "while writing", "disk activity", "disk load", "heavy i/o"];

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["storage", "performance"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Probe(Probe::Vmms)],
    signs: &[
        Sign::support("iothread is only valid with virtio disk or virtio-scsi-single controller"),
        Sign::support("No IOThreads found for the domain"),
        Sign::support("virtio_blk_handle").and(&["aio_poll"]),
        Sign::hint("aio_poll"),
        Sign::hint("iothread").unless(&["iothread,id=", "qom-type\":\"iothread"]),
        Sign::support("scsihw: virtio-scsi-pci")
            .unless(&["sata0: ", "ide0: *-disk-"])
            .said(&["stall", "iops", "one thread", "slow", "freez", "frozen"])
            .or_near(),
    ],
    words: &WORDS,
    tells: "virsh iothreadinfo VM",
    remedy: "give the VM I/O threads and assign its busy disks to them",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

const WORDS: [&str; 21] = {
    let mut all = [""; 21];
    let mut at = 0;
    while at < all.len() {
        all[at] = match at {
            0..10 => STALLS[at],
            10..15 => STILL[at - 10],
            _ => BUSY[at - 15],
        };
        at += 1;
    }
    all
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let any = |words: &[&str]| words.iter().any(|word| cx.said(word));
    let stalls = cx.asked(STALLS) || any(&STILL) && any(&BUSY);
    let slow = stalls || cx.asked(SLOW);
    let disks = disks(cx);
    // On a command line the disk itself does not say to which device it belongs.
    let virtio = cx.texts_with(["virtio-scsi", "virtio-blk"]).next().is_some();
    let paravirtual = |bus: &Option<String>| match bus.as_deref() {
        Some("virtio" | "scsi") => true,
        Some("none") | None => virtio,
        Some(_) => false,
    };
    let threaded = disks.iter().any(|disk| disk.iothread)
        || cx.stands("iothread,id=")
        || cx.stands("qom-type\":\"iothread");
    if !disks.is_empty() {
        draft = draft.looked();
    }
    if !threaded
        && slow
        && let Some(disk) = disks.iter().find(|disk| paravirtual(&disk.bus))
    {
        let strength = if stalls { Strength::Strong } else { Strength::Support };
        draft = draft
            .because(strength, disk.quote.clone(), "no I/O thread is assigned")
            .title(format!("{} is served by QEMU's main loop", disk.name()));
    }
    vec![draft.verdict()]
}
