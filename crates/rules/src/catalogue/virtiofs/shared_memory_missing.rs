//! # virtio-fs without shared memory
//!
//! ## What it is
//! virtiofsd is a process of its own and reads the guest's rings and buffers directly. That works only if all of
//! the guest's memory is backed by a shared mapping (`memory-backend-memfd,share=on` or a file with `share=on`)
//! and the machine uses that backend. An ivshmem device does not count.
//!
//! Heard as: adding a share makes the VM fail to start or virtiofsd die at the first use; memory is not shared.
//!
//! Known by: virtiofs requires shared memory; vhost_set_mem_table failed; access mode='shared' in memoryBacking; memfd;
//! numa cell memAccess; filesystem does not attach.
//!
//! ## Why it happens
//! The domain lacks `<memoryBacking>` with `<access mode='shared'/>`; a command line has the backend object but
//! does not give it to the machine or a NUMA node; one NUMA cell is private; huge pages were set without sharing.
//!
//! ## Confirm
//! `virsh dumpxml NAME | sed -n '/<memoryBacking/,/<\/memoryBacking>/p'`; in QEMU's command line look for
//! `share=on` (or `"share":true`) on the object that `memory-backend=` or `memdev=` names.
//!
//! ## Refute
//! Every memory backend is shared and `grep -c 'rw-s' /proc/<qemu pid>/maps` shows the guest's RAM mapped shared.
//!
//! ## Fix
//! Add `<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>`, or by hand
//! `-object memory-backend-memfd,id=mem,size=SIZE,share=on -machine memory-backend=mem`.
//!
//! ## References
//! libvirt `docs/kbase/virtiofs.rst`; `src/qemu/qemu_validate.c`, `qemuValidateDomainDefVhostUserRequireSharedMemory()`;
//! QEMU `hw/virtio/vhost-user.c`, `vhost_user_fill_set_mem_table_msg()`; virtio-fs HOWTO.

use crate::prelude::*;

/// What shows that virtio-fs is meant, and no other vhost-user device.
const FS: &[&str] = &["virtiofs"];

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["virtiofs", "memory"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Probe(Probe::Vmms)],
    signs: &[
        Sign::proof("'virtiofs' requires shared memory"),
        Sign::proof("virtiofs requires shared memory"),
        Sign::proof("virtiofs requires one or more NUMA nodes"),
        Sign::proof("MissingMemoryMapping"),
        Sign::strong("Failed initializing vhost-user memory map").and(FS),
        Sign::strong("Failed initializing vhost-user memory map").and(&["vhost-user-fs"]),
        Sign::strong("HandleRequest(InvalidParam").and(FS),
        Sign::support("HandleRequest(InvalidParam"),
        Sign::strong("HandleRequest(ReqHandlerError(*emory"),
        Sign::strong("unmapped page(s) in element"),
        Sign::strong("virtio: bogus descriptor or out of resources").and(FS),
        Sign::support("vhost VQ {queue} ring restore failed: -22").and(FS),
        Sign::hint("vhost_set_vring_call failed").and(FS),
        Sign::strong("Failed initializing vhost-user memory map").and(&["virtio-fs"]),
        Sign::strong("requires using shared memory").and(FS),
        Sign::strong("requires using shared memory").and(&["virtio-fs"]),
        Sign::strong("VhostUserRequiresSharedMemory").and(&["virtio-fs"]),
        Sign::support("fv_panic"),
        // Cloud Hypervisor before it checked the configuration itself.
        Sign::strong("VhostUserMemoryRegion(NoMemoryRegion)").and(&["--fs "]),
        Sign::strong("QueueWriter(FindMemoryRegion)"),
        Sign::support("FindMemoryRegion"),
    ],
    words: &["virtiofs", "virtiofsd", "shared memory", "memorybacking", "memfd", "share=on"],
    explains: &["virtiofs/daemon-exited", "vhost-user/shared-memory-missing", "vhost-user/protocol-mismatch"],
    tells: "virsh dumpxml NAME | grep -A3 memoryBacking",
    remedy: "back the guest's memory by memfd with shared access (<memoryBacking>, or share=on on the machine's backend)",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// How a shared mapping is written: domain XML, `-object` in both spellings, Cloud Hypervisor's `--memory`.
const SHARED: [&str; 11] = [
    "access mode='shared'",
    "access mode=\"shared\"",
    "memAccess='shared'",
    "memAccess=\"shared\"",
    "share=on",
    "share=yes",
    "share=true",
    "\"share\":true",
    "mem-shared=on",
    // Cloud Hypervisor.
    "shared=on",
    "hugepages=on",
];

/// What a line of a virtio-fs device has, in XML and in command lines.
const DEVICE: [&str; 4] = ["type='virtiofs'", "type=\"virtiofs\"", "vhost-user-fs-", "--fs "];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for text in cx.texts_with(DEVICE) {
        // One text holds one VM: a whole domain, or a command line. A fragment cannot show what lacks.
        let whole = text.holds("<domain type=");
        let device = |line: &str| {
            whole && (line.contains("type='virtiofs'") || line.contains("type=\"virtiofs\""))
                || line.contains("vhost-user-fs-") && line.contains("chardev") && text.holds("-chardev")
                || line.contains("--fs ") && text.holds("cloud-hypervisor ")
        };
        let Some((number, _)) = text.lines_with(DEVICE).find(|(_, line)| device(line)) else { continue };
        if !text.holds(SHARED) {
            draft = draft.because(
                Strength::Strong,
                text.quote(number),
                "virtio-fs, and no memory backend is shared",
            );
        }
    }
    vec![draft.verdict()]
}
