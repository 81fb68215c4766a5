//! # The cache mode loses data when the host crashes
//!
//! ## What it is
//! `cache=unsafe` (`cache.no-flush=on`) tells QEMU to ignore the guest's flushes. The guest's file system and
//! databases believe that data is on disk while it is in the host's memory only: after a power cut or a crash of
//! the host (not of the guest) journals are inconsistent, and a qcow2's metadata can be corrupt.
//!
//! Heard as: after a power cut or crash of the host the guests' file systems were damaged.
//!
//! Known by: cache=unsafe or writeback lost data behind power failure; file system damaged after host crash; flush
//! ignored; barrier; power cut destroyed guest file system; journal lost; write-back without flush; fsync returns
//! early; volatile cache.
//!
//! ## Why it happens
//! Chosen for speed: installers, CI images, `-snapshot`, Packer and Vagrant defaults, then kept for production.
//! Write-back caches of disks or RAID controllers without a battery do the same one layer further down.
//!
//! ## Confirm
//! `virsh dumpxml VM | grep cache=`; `qm config ID | grep cache=unsafe`; on the QEMU command line
//! `cache=unsafe` or `cache.no-flush=on` (JSON: `"no-flush":true`).
//!
//! ## Refute
//! No disk with data worth keeping has it, or the VM is thrown away after use. `writeback` is not unsafe: it
//! obeys flushes.
//!
//! ## Fix
//! `cache='none'` or `'writeback'`, from the next start on. After a crash check the guest's file systems and
//! `qemu-img check` the image before it is used.
//!
//! ## References
//! QEMU invocation, `-drive cache=` (table of modes); libvirt domain XML, disk `<driver cache=>`; QEMU
//! `block/io.c`, `bdrv_co_flush()` and BDRV_O_NO_FLUSH.

use crate::prelude::*;
pub(crate) use disks::disks;

#[path = "state/disks.rs"]
mod disks;

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["storage", "data-safety"],
    needs: &[
        Need::Glob("/etc/libvirt/qemu/*.xml"),
        Need::Glob("/etc/pve/qemu-server/*.conf"),
        Need::Probe(Probe::Vmms),
    ],
    signs: &[
        Sign::support("cache=unsafe").kinds(&["text", "proxmox_conf"]),
        Sign::support("cache='unsafe'").kinds(&["text", "proxmox_conf"]),
        Sign::support("cache_type = \"Unsafe\""),
        Sign::support("\"cache_type\": \"Unsafe\""),
        Sign::support("disk_cachemodes*unsafe"),
        // What a complaint makes of a configuration.
        Sign::strong("cache=*unsafe").said(LOST).or_near(),
        Sign::strong("cache: unsafe").said(LOST).or_near(),
    ],
    words: LOST,
    tells: "virsh dumpxml VM",
    remedy: "set cache='none' or 'writeback' for disks whose data must survive a crash of the host",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

const LOST: &[&str] = &[
    "power loss",
    "power outage",
    "power cut",
    "power failure",
    "host crash",
    "crash of the host",
    "host crashed",
    "lost data",
    "data loss",
    "unclean shutdown",
    "hard reset",
    "corrupted after",
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for disk in disks(cx).iter() {
        draft = draft.looked();
        if disk.cache.as_deref() == Some("unsafe") || disk.no_flush {
            let after_crash = cx.asked(LOST);
            let strength = if after_crash { Strength::Strong } else { Strength::Support };
            if after_crash {
                draft = draft.level(Level::Error);
            }
            draft = draft
                .because(strength, disk.quote.clone(), "flushes of the guest are ignored")
                .title(format!("{} ignores the guest's flushes", disk.name()));
            break;
        }
    }
    vec![draft.verdict()]
}
