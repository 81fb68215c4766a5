//! # No hugetlbfs is mounted where the VMM looks for huge pages
//!
//! ## What it is
//! QEMU with `mem-path`, libvirt and DPDK reach huge pages through a file system of the type hugetlbfs, one mount
//! for each page size. Without it the reserved pages cannot be used by them (memfd and anonymous maps need none).
//!
//! Heard as: pages are reserved but no hugetlbfs mount is found.
//!
//! Known by: no mount for the page size; hugetlbfs filesystem is not mounted or disabled by administrator config;
//! /dev/hugepages missing; mount -t hugetlbfs pagesize=1G.
//!
//! ## Why it happens
//! systemd mounts `/dev/hugepages` for the default size only: pages of another size need a mount of their own. A
//! container does not see the host's mount unless it is handed in. Or libvirt's `hugetlbfs_mount` in qemu.conf
//! names other places, or was read before the mount was there: libvirtd looks when it starts.
//!
//! ## Confirm
//! `mount -t hugetlbfs`, or `grep hugetlbfs /proc/mounts` in the VMM's own mount namespace: nothing, or nothing
//! with `pagesize=` of the size in question.
//!
//! ## Refute
//! A mount of the size is there and the message is about permission (`access/image-permission`) or about too few
//! pages (`memory/hugepages-not-reserved`).
//!
//! ## Fix
//! `mount -t hugetlbfs -o pagesize=1G nodev /dev/hugepages1G` with a line in fstab or a mount unit, then restart
//! the daemon; for a container hand the mount in. Or let QEMU use memfd (`<source type='memfd'/>`).
//!
//! ## References
//! libvirt `src/qemu/qemu_conf.c` (`qemuGetDomainHupageMemPath`), qemu.conf `hugetlbfs_mount`; DPDK
//! `lib/eal/linux/eal_hugepage_info.c`; Linux `Documentation/admin-guide/mm/hugetlbpage.rst`.

use super::hugepages_not_reserved::guests::guests;
use super::hugepages_not_reserved::settings::line_with;
use crate::prelude::*;
use vmwright_formats::Mounts;

pub const RULE: Rule = Rule {
    tags: &["memory", "hugepages"],
    needs: &[Need::File("/proc/mounts"), Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Probe(Probe::Machine)],
    signs: &[
        Sign::proof("hugetlbfs filesystem is not mounted or disabled by administrator config"),
        // libvirt before 1.3.
        Sign::strong("hugetlbfs filesystem is not mounted"),
        Sign::strong("hugepages are disabled by administrator config"),
        Sign::strong("Unable to find any usable hugetlbfs mount for {size} KiB"),
        Sign::strong("not a hugetlbfs mount"),
        Sign::support("unable to create hugepage path"),
        // QEMU up to 2.x looked at the type of the file system.
        Sign::strong("path not on HugeTLBFS"),
        Sign::strong("can't open backing store /dev/hugepages* for guest RAM: No such file or directory"),
        Sign::strong("can't open backing store *huge* for guest RAM: No such file or directory"),
        Sign::strong("-mem-path *huge*: No such file or directory"),
        // DPDK and SPDK. The first is harmless where another size is mounted.
        Sign::support("no mounted hugetlbfs found for that size"),
        Sign::strong("Cannot get hugepage information").and(&["no mounted hugetlbfs found for that size"]),
        Sign::hint("Cannot get hugepage information"),
        Sign::strong("could not find any hugetlbfs mount"),
        Sign::support("mounting hugepages failed"),
        Sign::strong("can't open backing store {path} for guest RAM: No such file"),
        Sign::strong("can't open backing store {p} for guest RAM: No such file"),
    ],
    words: &["hugepage", "huge page", "hugetlbfs", "hugepages reserved"],
    tells: "/proc/mounts",
    remedy: "mount hugetlbfs for the page size and restart what looks for it",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::ServiceRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let said = draft.any();
    // One line of `mount | grep` is no listing of all mounts.
    if let Some(mounts) = cx.all::<Mounts>().into_iter().find(|one| one.mounts.len() >= 4) {
        draft = draft.looked();
        let guests = guests(cx);
        // vmwright's own machines and memfd need no mount: libvirt's huge pages without a memfd source do.
        let by_path = guests.iter().find(|one| one.huge.is_some() && !one.running);
        let memfd = line_with(cx, "memfd").is_some();
        if let Some(guest) = by_path.filter(|_| mounts.of_type("hugetlbfs").next().is_none() && !memfd) {
            let listed = mounts.mounts.first().and_then(|mount| mounts.quote(mount.line));
            draft = draft
                .because(
                    Strength::Support,
                    guest.huge.clone().flatten(),
                    "the VM takes its memory from huge pages",
                )
                .because(Strength::Hint, listed, "and among these mounts is no hugetlbfs");
            if !said {
                draft = draft.level(Level::Warn);
            }
        }
        let mounted = mounts.of_type("hugetlbfs").next().map(|mount| mount.line);
        if let Some(line) = mounted.filter(|_| !said) {
            draft = draft.despite(Strength::Hint, mounts.quote(line), "a hugetlbfs is mounted");
        }
    }
    vec![draft.verdict()]
}
