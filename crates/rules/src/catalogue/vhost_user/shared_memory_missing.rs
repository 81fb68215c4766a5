//! # Guest memory is not shared, which vhost-user needs
//!
//! ## What it is
//! A vhost-user backend is another process that reads and writes the guest's rings and buffers. It can do so only if guest
//! memory is a file descriptor mapped as shared: `memory-backend-file` or `-memfd` with `share=on`.
//!
//! Heard as: a vhost-user card or disk is there and no packet passes or it ends; memory is not shared.
//!
//! Known by: memory-backend-file share=on; memfd; access mode shared in XML; vhost-user port gets no packets; guest
//! memory not shared.
//!
//! ## Why it happens
//! By default QEMU's memory is anonymous and private. The domain has no `<memoryBacking><access mode='shared'/>`, or its NUMA
//! cells lack `memAccess='shared'`; on a raw command line `share=on` is forgotten or the backend object is not tied
//! to the machine (`-machine memory-backend=` or `-numa node,memdev=`); Cloud Hypervisor was started without
//! `--memory shared=on`. Huge pages alone are not shared.
//!
//! ## Confirm
//! `virsh -r dumpxml <vm> | grep -A4 memoryBacking`; in the command line each `memory-backend-*` has `share=on`.
//!
//! ## Refute
//! `/proc/<pid>/maps` shows the guest's memory as `rw-s` from a memfd or hugetlbfs file.
//!
//! ## Fix
//! `<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>`, or
//! `-object memory-backend-memfd,id=mem,size=<size>,share=on -machine memory-backend=mem`, or `--memory size=<size>,shared=on`.
//!
//! ## References
//! QEMU `docs/system/devices/vhost-user.rst` ("Shared memory object"), `hw/virtio/vhost-user.c`; libvirt
//! `src/qemu/qemu_validate.c`, `qemuValidateDomainDefVhostUserRequireSharedMemory`; Cloud Hypervisor `vmm/src/config.rs`.

use crate::prelude::*;
use vmwright_formats::{DomainXml, QemuArgs};

pub const RULE: Rule = Rule {
    tags: &["network", "storage", "memory", "boot"],
    rank: Rank::Specific,
    signs: &[
        Sign::proof(
            "Failed initializing vhost-user memory map, consider using -object memory-backend-file share=on",
        )
        .unless(&["vhost-user-fs", "virtiofs"]),
        Sign::proof("Using vhost-user requires using shared memory").unless(&["virtiofs", "--fs "]),
        Sign::proof("'vhostuser' requires shared memory"),
        Sign::proof("'vhost-user' requires shared memory"),
        Sign::strong("' requires shared memory").unless(&["'virtiofs' requires"]),
        Sign::strong("vhost-user requires shared memory"),
        Sign::strong("VhostUserRequiresSharedMemory").unless(&["virtiofs"]),
        Sign::strong("vhost_set_mem_table failed: Invalid argument").unless(&["vhost-user-fs", "virtiofs"]),
        Sign::support("vhost_set_mem_table failed").unless(&["vhost-user-fs", "virtiofs", "VHOST_CONFIG"]),
        Sign::support("vhost-user * share=on").unless(&["vhost-user-fs"]),
        Sign::hint("vhost-user-blk: vhost start failed"),
        Sign::strong("VhostUserMemoryRegion(NoMemoryRegion)"),
        Sign::support("type=*vhostuser")
            .unless(&["access mode=*shared", "memAccess=*shared", "share=on", "share=yes"])
            .said(&["packet", "no traffic", "no network", "ping", "nothing arrives"]),
        Sign::strong("vhost_session_mem_register: *Failed to register memory region"),
        Sign::support("Future vtophys translation might fail"),
        Sign::strong("Failed to mmap mem fd"),
        Sign::support("FindMemoryRegion"),
        Sign::strong("Guest memory size is not a 2MB multiple"),
        Sign::strong("region {n} has no fd"),
        Sign::support("VHOST_CONFIG: *mmap region {n} failed"),
    ],
    words: &["vhost-user", "vhostuser", "shared memory", "share=on", "vhost user"],
    explains: &["vhost-user/protocol-mismatch", "ovs/dpdk-memory"],
    tells: "virsh -r dumpxml VM",
    remedy: "give the VM memory that is shared: memoryBacking with access mode shared, or share=on",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for seen in cx.all::<DomainXml>() {
        for domain in seen.domains.iter().filter(|domain| !domain.fragment && domain.qemu_args.is_empty()) {
            let is = |text: &Option<Spanned<String>>, what: &str| {
                text.as_ref().is_some_and(|text| text.value == what)
            };
            let devices = &domain.devices;
            let card = devices
                .interfaces
                .iter()
                .find(|card| is(&card.interface_type, "vhostuser"))
                .map(|card| card.line);
            let disk =
                devices.disks.iter().find(|disk| is(&disk.disk_type, "vhostuser")).map(|disk| disk.line);
            let Some(line) = card.or(disk) else { continue };
            let whole = is(&domain.memory_backing.access, "shared");
            let cells = domain.cpu.as_ref().map_or(&[][..], |cpu| &cpu.cells);
            let shared = if cells.is_empty() {
                whole
            } else {
                cells.iter().all(|cell| is(&cell.mem_access, "shared") || whole && cell.mem_access.is_none())
            };
            draft = if shared {
                draft.looked().despite(Strength::Strong, seen.quote(line), "the domain's memory is shared")
            } else {
                draft.because(
                    Strength::Strong,
                    seen.quote(line),
                    "a vhost-user device, and no shared memory in the domain",
                )
            };
            return vec![draft.verdict()];
        }
    }
    for seen in cx.all::<QemuArgs>() {
        let user = seen.options("device").chain(seen.options("netdev")).find(|one| {
            let value = one.value.as_deref().unwrap_or_default();
            value.contains("vhost-user") && !value.contains("vhost-user-fs")
        });
        let Some(user) = user else { continue };
        // Of several, each counts: what lies in a private one the other side cannot reach.
        let private = seen.options("object").find(|one| {
            let opts = one.opts();
            let is = |kind: &str| {
                opts.parts.iter().any(|(key, value)| key == kind || value.as_deref() == Some(kind))
            };
            let share = opts.switch("share");
            // Of a memfd sharing is what QEMU takes by itself.
            (is("memory-backend-file") || is("memory-backend-ram")) && share != Some(true)
                || is("memory-backend-memfd") && share == Some(false)
        });
        let backend = seen
            .options("object")
            .any(|one| one.value.as_deref().is_some_and(|value| value.contains("memory-backend-")));
        if let Some(private) = private {
            draft =
                draft.because(Strength::Strong, seen.quote(private.value_line), "the backend lacks share=on");
        } else if !backend && seen.commands.iter().any(|command| command.program.is_some()) {
            draft = draft.because(
                Strength::Strong,
                seen.quote(user.value_line),
                "the command has no memory backend that is shared",
            );
        }
        return vec![draft.verdict()];
    }
    vec![draft.verdict()]
}
