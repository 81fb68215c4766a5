//! # Hotplugged memory needs more page metadata than the guest booted with
//!
//! ## What it is
//! For each 4 KiB page that is added the guest's kernel needs a `struct page` of 64 bytes: 1/64 of the size, taken
//! from the memory that it has already. A guest that boots with 512 MiB and is given 32 GiB needs 512 MiB for
//! metadata alone: adding fails, or the guest's OOM killer runs, in the midst of plenty.
//!
//! Heard as: adding much memory to a small running guest makes it kill its processes.
//!
//! Known by: guest runs out of memory while adding DIMMs; page metadata, memmap_on_memory; virtio-mem large region;
//! hotplug with small initial memory, OOM; movable zone.
//!
//! ## Why it happens
//! A small boot memory with a large `maxMemory`: Kata's `default_memory`, virtio-mem with a small base, DIMMs
//! plugged all at once; memory that stays offline cannot help either, since nobody onlines it.
//!
//! ## Confirm
//! In the guest `dmesg | grep -e vmemmap -e add_memory -e virtio_mem`; compare 1/64 of what is plugged with
//! `MemFree` before.
//!
//! ## Refute
//! 1/64 of the plugged memory is a small part of boot memory: then look at onlining
//! (`/sys/devices/system/memory/auto_online_blocks`) and slots.
//!
//! ## Fix
//! Boot with at least 1/32 of the final size, plug in steps, or use `memory_hotplug.memmap_on_memory=1` in the
//! guest (Linux 5.14 and later), which takes the metadata from the memory that is added.
//!
//! ## References
//! Linux `mm/sparse-vmemmap.c`, `mm/memory_hotplug.c`, `Documentation/admin-guide/mm/memory-hotplug.rst`;
//! `drivers/acpi/acpi_memhotplug.c`; `drivers/virtio/virtio_mem.c`; Kata `configuration.toml`.

use super::hugepages_not_reserved::guests::{commands, size};
use crate::prelude::*;
use vmwright_formats::DomainXml;

/// Bytes of memory for which one byte of metadata is needed: 4096 to 64.
const SHARE: u64 = 64;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["memory", "guest", "hotplug"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Probe(Probe::Machine)],
    signs: &[
        Sign::strong("vmemmap alloc failure: order:{order}"),
        Sign::strong("vmemmap_alloc_block").and(&["page allocation failure"]),
        Sign::strong("vmemmap_populate").and(&["page allocation failure"]),
        Sign::strong("page allocation failure").and(&["add_memory_resource"]),
        Sign::strong("page allocation failure").and(&["acpi_memory_device_add"]),
        Sign::strong("page allocation failure").and(&["kacpi_hotplug"]),
        Sign::strong("RIP: *add_pages+").and(&["kacpi_hotplug"]),
        Sign::support("add_pages+").and(&["acpi_hotplug_work_fn"]),
        Sign::strong("Out of memory").and(&["kacpi_hotplug"]),
        Sign::strong("Out of memory").and(&["acpi_memory_device_add"]),
        Sign::strong("Out of memory").and(&["virtio_mem_add_memory"]),
        Sign::strong("acpi PNP0C80:{n}: add_memory failed"),
        Sign::support("acpi_memory_enable_device() error"),
        Sign::strong("acpi_memory_enable_device() error").and(&["page allocation failure"]),
        Sign::strong("acpi_memory_enable_device() error").and(&["Out of memory"]),
        Sign::strong("virtio_mem {device}: adding memory failed: -12"),
        Sign::strong("virtio_mem {device}: could not add memory: -12"),
        Sign::support("memory hotplug").and(&["Out of memory: Kill"]),
        Sign::support("hot-add memory").and(&["Out of memory: Kill"]),
        Sign::support("hotplug memory error: ENOMEM"),
        Sign::support("memmap_on_memory").and(&["Out of memory"]),
        // One that is there, and not a line of the list of what QEMU has.
        Sign::strong("pc-dimm,").and(&["Out of memory"]),
        Sign::strong("\"driver\":\"pc-dimm\"").and(&["Out of memory"]),
        Sign::support("pc-dimm,").said(&["killing", "kills", "out of memory", "oom"]).or_near(),
        Sign::support("\"driver\":\"pc-dimm\"").said(&["killing", "kills", "out of memory", "oom"]).or_near(),
        Sign::support("VM memory ({size}MB) smaller than image"),
        Sign::strong("add_memory failed"),
        Sign::support("Could not hotplug memory"),
        Sign::support("memory device").and(&["not enough space, currently"]),
        Sign::support("exceeds permitted maximum").and(&["ram size"]),
    ],
    words: &["hotplug", "hot-plug", "hot plug", "plugged", "virtio-mem", "dimm", "memory limit"],
    explains: &["guest/kernel-panic", "memory/host-oom"],
    tells: "the guest's dmesg",
    remedy: "boot the guest with at least 1/32 of its final memory, or with memory_hotplug.memmap_on_memory=1",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let said = draft.any();
    for seen in cx.all::<DomainXml>() {
        for domain in &seen.domains {
            let (Some(boot), Some(most)) = (&domain.memory, &domain.max_memory) else { continue };
            draft = draft.looked();
            // Half of boot memory is needed for the kernel and what runs.
            if most.value / SHARE >= boot.value / 2 {
                draft = draft
                    .because(Strength::Support, seen.quote(most.line), "1/64 of this is needed for metadata")
                    .because(Strength::Hint, seen.quote(boot.line), "and only this is there to hold it")
                    .title(
                        "the memory that may be plugged needs half of boot memory or more for its metadata",
                    );
            }
        }
    }
    for command in commands(cx) {
        let (Some(boot), Some(most)) =
            (command.args.property("m", "size"), command.args.property("m", "maxmem"))
        else {
            continue;
        };
        draft = draft.looked();
        let sizes = size(&boot.value, 1 << 20).zip(size(&most.value, 1 << 20));
        if sizes.is_some_and(|(boot, most)| most / SHARE >= boot / 2) {
            let quote = command.text.quote(most.line);
            draft = draft.because(Strength::Support, quote, "1/64 of maxmem is half of boot memory or more");
        }
    }
    if !said {
        draft = draft.level(Level::Warn);
    }
    vec![draft.verdict()]
}
