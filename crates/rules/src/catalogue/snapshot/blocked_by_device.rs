//! # A device blocks saving the VM's state
//!
//! ## What it is
//! Saving memory to a file (`virsh save`, managed save, a snapshot with memory, `savevm`) is a migration into a
//! file: the same blockers refuse it.
//!
//! ## Why it happens
//! A PCI or mediated host device, 9p or virtio-fs, ivshmem, 3D graphics, a vhost-user backend without logging,
//! `invtsc`, nested VMX on an old kernel, an encrypted guest. A background snapshot has more blockers than a
//! plain one.
//!
//! ## Confirm
//! The message names the device. `virsh dumpxml NAME | grep -E '<hostdev|<filesystem|<shmem|accel3d|invtsc'`;
//! `info migrate` in QEMU's monitor lists the blockers.
//!
//! ## Refute
//! A snapshot of the disks alone (`virsh snapshot-create-as NAME --disk-only`) fails as well: then it is not
//! the memory's state.
//!
//! ## Fix
//! Take disk-only snapshots (with the agent's freeze for consistency), or shut the guest down for a snapshot;
//! detach the device or unmount the share before saving and attach it after.
//!
//! ## References
//! QEMU `migration/savevm.c` (save_snapshot, qemu_savevm_state_blocked), `migration/options.c`;
//! `hw/virtio/vhost.c`, `hw/9pfs/9p.c`; libvirt `src/qemu/qemu_migration.c` (qemuMigrationSrcIsAllowed), used
//! by save and snapshot.

use crate::prelude::*;
use crate::confidence::weaker;
use vmwright_formats::DomainXml;

pub const RULE: Rule = Rule {
    tags: &["snapshot", "save"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::strong("State blocked by non-migratable device"),
        Sign::strong("non-migratable device"),
        Sign::strong("State blocked by non-migratable CPU device"),
        Sign::strong("State blocked due to non-migratable CPUID feature"),
        Sign::strong("Migration is disabled when VirtFS export path"),
        Sign::strong("Migration disabled: vhost-user backend lacks"),
        Sign::strong("Migration disabled: vhost lacks VHOST_F_LOG_ALL"),
        Sign::strong("Migration disabled: failed to allocate shared memory"),
        Sign::strong("Migration disabled: TPM emulator does not support"),
        Sign::strong("Migration disabled for VFIO device"),
        Sign::strong("VFIO device doesn't support migration"),
        Sign::strong("VFIO migration is not supported in kernel"),
        Sign::strong("Migration is disabled for VFIO device"),
        Sign::strong("Migration is currently not supported with"),
        Sign::strong("Multiple VFIO devices migration is supported only if"),
        Sign::strong("VFIO device * migration"),
        Sign::strong("virgl is not yet migratable"),
        Sign::strong("Migration is disabled when using feature 'peer mode' in device 'ivshmem'"),
        Sign::strong("vhost-scsi does not support migration"),
        Sign::strong("protected VMs are currently not migratable"),
        Sign::strong("SEV: Migration is not implemented"),
        Sign::strong("SEV-SNP: Migration is not implemented"),
        Sign::strong("does not support live migration"),
        Sign::strong("does not support migration"),
        Sign::strong("CPU flag prevents migration"),
        Sign::strong("Live migration disabled due to MTE"),
        Sign::strong("Nested VMX virtualization does not support live migration yet"),
        Sign::strong("Nested virtualization does not support live migration yet"),
        Sign::strong("Guest is nested virtualization"),
        Sign::strong("the vdagent chardev doesn't yet support migration"),
        Sign::strong("VFIO migration is not supported with background snapshot"),
        Sign::strong("This operating system kernel does not support v* migration"),
        Sign::strong("cannot migrate a domain with <hostdev"),
        Sign::strong("cannot migrate a domain with <interface type="),
        Sign::strong("domain has assigned non-USB host devices"),
        Sign::strong("domain has assigned host devices"),
        Sign::strong("cannot migrate domain: "),
        Sign::strong("domain is marked for auto destroy"),
        Sign::strong("domain has 'invtsc' CPU feature but"),
        Sign::strong("domain has CPU feature: invtsc"),
        Sign::strong("migration with legacy shmem device is not supported"),
        Sign::strong("cannot be migrated, only shmem with role="),
        Sign::strong("vDPA devices cannot be migrated"),
        Sign::strong("a slirp-helper cannot be migrated"),
        Sign::strong("migration with virtiofs device is not supported"),
        Sign::strong("migration with this virtiofs device is not supported"),
        Sign::strong("cannot migrate this domain without dbus-vmstate support"),
        Sign::strong("migration with transient disk is not supported"),
        Sign::support("cannot migrate domain with I/O error"),
        Sign::strong("hardware poisoned memory"),
        Sign::support("Background-snapshot is not compatible"),
        Sign::support("Background-snapshot is not supported by host kernel"),
        Sign::support("Failed to take snapshot: "),
    ],
    words: &[
        "snapshot", "savevm", "virsh save", "managedsave", "managed save", "save the vm", "saving", "save state", "hibernate", "suspend to disk",
    ],
    tells: "virsh dumpxml NAME, and info migrate in QEMU's monitor",
    remedy: "take disk-only snapshots or shut the guest down, or detach the device that blocks while saving",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestPause,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = weigh(cx, saves(cx) != Some(false));
    if saves(cx) == Some(true) && draft.any() {
        draft = config_blockers(cx, draft, Strength::Hint);
    }
    vec![draft.verdict()]
}

/// Whether the user saves or snapshots (true) or migrates (false), by the complaint first and then by the
/// commands and messages in what was read; none where both or neither are named.
pub(crate) fn saves(cx: &Context<'_>) -> Option<bool> {
    let save = ["snapshot", "savevm", "virsh save", "managedsave", "managed save", "saving", "save state", "hibernate"];
    let migrate = ["live migration", "virsh migrate", "qm migrate", "another host", "other host"];
    let one = |save: bool, migrate: bool| (save != migrate).then_some(save);
    one(save.iter().any(|word| cx.said(word)), migrate.iter().any(|word| cx.said(word)) || cx.said("migrat"))
        .or_else(|| one(save.iter().any(|word| cx.stands(word)), migrate.iter().any(|word| cx.stands(word))))
}

/// The rule's signs at their strength where the operation is the rule's own, one strength less where it is
/// the neighbour's: both print the same words.
pub(crate) fn weigh<'r>(cx: &Context<'r>, mine: bool) -> Draft<'r> {
    if mine {
        return cx.draft();
    }
    let mut draft = cx.blank();
    for sign in cx.entry.rule.signs {
        let quote = cx.hits_of(sign).first().and_then(|hit| cx.evidence(hit));
        let Some(strength) = weaker(sign.strength) else { continue };
        draft = draft.because(strength, quote, "the message stands there, of the neighbouring operation");
    }
    draft
}

/// Devices of the domain that neither migrate nor can be saved.
pub(crate) fn config_blockers<'r>(cx: &Context<'r>, mut draft: Draft<'r>, strength: Strength) -> Draft<'r> {
    let Some(seen) = cx.one::<DomainXml>() else { return draft };
    for domain in &seen.domains {
        let devices = &domain.devices;
        let host = devices.hostdevs.iter().find(|device| {
            device.device_type.as_ref().is_some_and(|kind| ["pci", "mdev", "scsi_host"].contains(&kind.value.as_str()))
        });
        let shared = devices.filesystems.first().map(|share| share.line);
        let memory = devices.shmems.first().map(|shmem| shmem.line);
        for line in [host.map(|device| device.line), shared, memory].into_iter().flatten() {
            draft = draft.because(strength, seen.quote(line), "the VM has a device of a kind that blocks it");
        }
    }
    draft
}
