//! # The cache mode loses data when the host crashes
//!
//! ## What it is
//! `cache=unsafe` (`cache.no-flush=on`) tells QEMU to ignore the guest's flushes. The guest's file system and
//! databases believe that data is on disk while it is in the host's memory only: after a power cut or a crash of
//! the host (not of the guest) journals are inconsistent, and a qcow2's metadata can be corrupt.
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

use super::aio_needs_direct::{Disk, of_command};
use crate::prelude::*;
use vmwright_formats::{DomainXml, ProxmoxConf, QemuArgs, QemuLog, VmmProcesses};

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
    for disk in disks(cx) {
        draft = draft.looked();
        if disk.cache.as_deref() == Some("unsafe") || disk.no_flush {
            let after_crash = LOST.iter().any(|word| cx.said(word));
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

/// Every disk of domain definitions, QEMU command lines (in logs and of running processes too) and Proxmox
/// configurations; optical drives and floppies left out; 512 at most.
pub(crate) fn disks(cx: &Context<'_>) -> Vec<Disk> {
    let mut found = Vec::new();
    for xml in cx.all::<DomainXml>() {
        let value = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.value.clone());
        for disk in xml.domains.iter().flat_map(|domain| &domain.devices.disks) {
            if matches!(disk.device.as_ref().map(|kind| kind.value.as_str()), Some("cdrom" | "floppy")) {
                continue;
            }
            let set = disk.cache.as_ref().or(disk.io.as_ref()).or(disk.format.as_ref());
            found.push(Disk {
                source: value(&disk.source),
                format: value(&disk.format),
                cache: value(&disk.cache),
                aio: value(&disk.io),
                discard: value(&disk.discard),
                bus: value(&disk.bus),
                iothread: disk.iothread.is_some(),
                readonly: disk.readonly,
                quote: xml.quote(set.map_or(disk.line, |set| set.line)),
                ..Disk::default()
            });
        }
    }
    for seen in cx.all::<QemuArgs>() {
        seen.commands.iter().for_each(|command| of_command(command, &|line| seen.quote(line), &mut found));
    }
    for log in cx.all::<QemuLog>() {
        let commands = log.runs.iter().flat_map(|run| &run.args.commands);
        commands.for_each(|command| of_command(command, &|line| log.quote(line), &mut found));
    }
    for seen in cx.all::<VmmProcesses>() {
        for process in &seen.processes {
            let args = QemuArgs::read_at(&process.argv, process.line);
            args.commands.iter().for_each(|one| of_command(one, &|line| seen.quote(line), &mut found));
        }
    }
    for seen in cx.all::<ProxmoxConf>() {
        for bus in ["scsi", "virtio", "sata", "ide"] {
            for (_, disk) in seen.devices(bus).filter(|(_, disk)| disk.value.contains(',')) {
                let part = |name: &str| ProxmoxConf::option(disk.value, name).map(str::to_owned);
                // Proxmox opens disks with cache=none unless told otherwise.
                found.extend((part("media").as_deref() != Some("cdrom")).then(|| Disk {
                    source: disk.value.split(',').next().map(str::to_owned),
                    cache: part("cache").or(Some("none".to_owned())),
                    aio: part("aio"),
                    discard: part("discard").map(|on| if on == "on" { "unmap".to_owned() } else { on }),
                    bus: Some(bus.to_owned()),
                    iothread: part("iothread").as_deref() == Some("1"),
                    quote: seen.quote(disk.line),
                    ..Disk::default()
                }));
            }
        }
    }
    found.truncate(512);
    found
}
