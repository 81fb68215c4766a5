//! # aio=native is asked for without cache.direct=on
//!
//! ## What it is
//! Linux AIO (`aio=native`, libvirt `io='native'`) is asynchronous only on files opened with O_DIRECT. QEMU and
//! libvirt refuse it for a disk whose cache mode goes through the host's page cache.
//!
//! Heard as: after a change of the cache mode in the UI the VM does not start; native AIO.
//!
//! Known by: aio=native was specified, but it requires cache.direct=on; io='native' needs cache none or directsync;
//! disk does not start.
//!
//! ## Why it happens
//! `cache=writeback` is QEMU's default: who sets only `io='native'`, or changes `cache='none'` to `writeback`
//! and leaves the rest, gets a contradiction. Before QEMU 2.6 it fell back to threads in silence, so old
//! definitions break at an upgrade. A front end (Proxmox, OpenStack, oVirt, KubeVirt) may write such a pair too.
//! The same holds for host-managed zoned devices, which need cache.direct=on as well.
//!
//! ## Confirm
//! `virsh dumpxml VM | grep "<driver"` shows `io='native'` with a cache other than `none` or `directsync`; on a
//! command line, `aio=native` without `cache=none`, `cache=directsync` or `cache.direct=on`.
//!
//! ## Refute
//! The disk has `cache=none` or `directsync`: then an O_DIRECT failure belongs to the file system or device.
//!
//! ## Fix
//! Set `cache='none'` (`cache.direct=on`) if the file system supports O_DIRECT; else take `io='threads'` or
//! `io='io_uring'`, which work with every cache mode. It takes effect when the VM is started again.
//!
//! ## References
//! QEMU `block/file-posix.c`, `raw_open_common()`; QEMU invocation, `-drive aio=`; libvirt domain XML, disk
//! `<driver cache= io=>`; libvirt `src/qemu/qemu_command.c` / `qemu_validate.c`; `io_submit(2)`.

use super::cache_mode_unsafe::disks;
use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["storage", "boot"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Probe(Probe::Vmms)],
    signs: &[
        Sign::proof("aio=native was specified, but it requires cache.direct=on"),
        Sign::proof("aio=native requires cache.direct=on"),
        Sign::proof("io='native' needs either no disk cache or directsync cache mode"),
        Sign::proof("native I/O needs either no disk cache or directsync cache mode"),
        Sign::strong("The driver supports zoned devices, and it requires cache.direct=on"),
        Sign::support("aio=native was specified for '{file}', but it requires cache.direct=on"),
        Sign::support("target storage is known to cause issues with aio=io_uring"),
    ],
    words: &["aio=native", "io=native", "io='native'", "cache.direct", "writeback"],
    tells: "virsh dumpxml VM",
    remedy: "set cache='none' for the disk, or io='threads' or 'io_uring' if it must be cached",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    rank: Rank::Specific,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for disk in disks(cx).iter() {
        draft = draft.looked();
        if disk.aio.as_deref() == Some("native") && disk.direct() == Some(false) {
            return vec![
                draft
                    .because(
                        Strength::Strong,
                        disk.quote.clone(),
                        "native AIO on a disk that uses the page cache",
                    )
                    .title(format!("{} has aio=native without cache.direct=on", disk.name()))
                    .verdict(),
            ];
        }
    }
    vec![draft.verdict()]
}
