//! # Ballooning is used together with assigned devices
//!
//! ## What it is
//! A balloon, free page reporting or free page hinting gives guest pages back to the host. A device that does DMA
//! needs every guest page pinned from the start. With both, all of the maximum memory is taken on the host, and
//! QEMU inhibits the balloon: inflating it frees nothing.
//!
//! Heard as: since a card is passed through the VM always takes its maximum memory; minimum or ballooning has no
//! effect.
//!
//! Known by: vfio device with balloon; memory is pinned in whole; all guest memory allocated at start with passthrough;
//! ballooning inhibited; minimum memory setting ignored.
//!
//! ## Why it happens
//! The VM's current memory was set below its maximum as for an ordinary VM, and a device was assigned later. vfio
//! pins the whole maximum when the VM starts, since the device may reach any page.
//!
//! ## Confirm
//! `virsh dumpxml`: a `<hostdev>` of type pci or mdev, and `<currentMemory>` below `<memory>`, or
//! `freePageReporting='on'`. The VMM's resident size (`grep -e VmRSS -e VmPin /proc/<pid>/status`) is the maximum.
//!
//! ## Refute
//! No device is assigned, or current and maximum memory are equal: then the balloon's presence does no harm.
//!
//! ## Fix
//! Set the maximum to what the guest needs and no more, with `<memballoon model='none'/>`. virtio-mem instead of
//! the balloon works together with vfio, since the VMM maps only what is plugged.
//!
//! ## References
//! QEMU `hw/vfio/container.c` (`vfio_ram_block_discard_disable`), `hw/virtio/virtio-balloon.c`
//! (`virtio_balloon_inhibited`), `system/physmem.c` (RAM discard); libvirt formatdomain, "Memory balloon device".

use super::hugepages_not_reserved::guests::commands;
use crate::prelude::*;
use vmwright_formats::{DomainXml, ProxmoxConf};

pub const RULE: Rule = Rule {
    level: Level::Warn,
    rank: Rank::Specific,
    tags: &["memory", "passthrough"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Probe(Probe::Machine)],
    signs: &[
        Sign::strong("Inconsistent setting of support for discarding RAM (e.g., balloon) within group"),
        Sign::strong("Cannot set discarding of RAM broken"),
        Sign::strong("Discarding RAM is disabled").and(&["vfio"]),
        Sign::support("Using vfio with vIOMMUs and coordinated discarding of RAM"),
        Sign::support("Device or resource busy").and(&["virtio-balloon", "discarding of RAM"]),
        // What users of virt-manager see and say: all of the maximum is taken with a device, less without.
        Sign::strong("current allocation").and(&["passthrough"]),
        Sign::strong("current allocation").and(&["vfio-pci"]),
        Sign::strong("maximum allocation").and(&["passthrough"]),
        Sign::strong("ballooning").and(&["passthrough"]),
        Sign::strong("ballooning").and(&["passed through"]),
        Sign::strong("ballooning").and(&["vfio-pci"]),
        Sign::strong("failed to inflate balloon").and(&["vfio"]),
        Sign::support("balloon:").and(&["hostpci"]).said(&["memory", "ram"]),
        Sign::support("<memballoon model=*virtio").and(&["<hostdev"]).said(&["memory", "ram"]),
        // Who asks the balloon for memory and gets none of it has a device that pins all.
        Sign::strong("<memballoon model=*virtio").and(&["<hostdev"]).said(&[
            "setmem",
            "balloon",
            "back to the host",
        ]),
        Sign::strong("x-balloon-allowed only potentially compatible with mdev devices"),
    ],
    words: &[
        "balloon",
        "passthrough",
        "current allocation",
        "all memory",
        "all of the configured",
        "maximum",
    ],
    explains: &["memory/balloon-ineffective", "memory/host-oom"],
    tells: "virsh dumpxml VM",
    remedy: "set the VM's maximum memory to what it needs and remove the balloon",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for seen in cx.all::<DomainXml>() {
        for domain in &seen.domains {
            let pci =
                |one: &&vmwright_formats::domain_xml::HostDevice| one.address.is_some() || one.mdev.is_some();
            let Some(device) = domain.devices.hostdevs.iter().find(pci) else { continue };
            draft = draft.looked();
            let balloon = domain.devices.memballoon.as_ref();
            // All memory is in use from the start, which is what such a complaint is about.
            if cx.said("balloon") && balloon.is_some() {
                draft = draft.because(
                    Strength::Support,
                    seen.quote(device.line),
                    "a device pins all of the memory",
                );
            }
            if balloon.and_then(|one| one.model.as_ref()).is_some_and(|model| model.value == "none") {
                continue;
            }
            let reporting =
                balloon.filter(|one| one.free_page_reporting.as_ref().is_some_and(|on| on.value == "on"));
            let below = match (&domain.current_memory, &domain.memory) {
                (Some(current), Some(most)) if current.value < most.value => Some(current.line),
                _ => None,
            };
            if let Some(line) = below.or(reporting.map(|one| one.line)) {
                draft = draft
                    .because(Strength::Strong, seen.quote(line), "memory is to be given back")
                    .because(Strength::Support, seen.quote(device.line), "and a device pins all of it");
            }
        }
    }
    for command in commands(cx) {
        let Some((device, _)) = command.args.devices("vfio-pci").next() else { continue };
        let reporting = command.args.devices("virtio-balloon").find(|(_, opts)| {
            opts.switch("free-page-reporting") == Some(true) || opts.switch("free-page-hint") == Some(true)
        });
        if let Some((balloon, _)) = reporting {
            draft = draft
                .because(Strength::Strong, command.text.quote(balloon.line), "pages are reported free")
                .because(Strength::Support, command.text.quote(device.line), "and a device pins all of them");
        }
    }
    // Proxmox: a balloon (0 is off, absent is all of the memory) beside an assigned device.
    for seen in cx.all::<ProxmoxConf>() {
        draft = draft.looked();
        let balloon = seen.get("balloon").filter(|one| !matches!(one.value, "0" | ""));
        if let (Some(balloon), Some(_)) = (balloon, seen.devices("hostpci").next()) {
            let why = "ballooning is on beside an assigned device";
            draft = draft.because(Strength::Strong, seen.quote(balloon.line), why);
        }
    }
    vec![draft.verdict()]
}
