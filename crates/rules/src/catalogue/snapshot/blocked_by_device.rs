//! # A device blocks saving the VM's state
//!
//! ## What it is
//! Saving memory to a file (`virsh save`, managed save, a snapshot with memory, `savevm`) is a migration into a
//! file: the same blockers refuse it.
//!
//! Heard as: saving or a snapshot with memory is refused while a shared folder or host device is there.
//!
//! Known by: savevm: device does not support snapshots or migration; State blocked; vfio, virtiofs or SEV VM cannot be
//! suspended; internal snapshot refused; hibernating with passthrough; saving state, suspending to file or internal
//! checkpoint refused because of attached hardware or share; detach first; not supported for this device.
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

use crate::catalogue::migration::non_migratable_device::RULE as MIGRATION;
use crate::confidence::weaker;
use crate::prelude::*;
use vmwright_formats::DomainXml;
use vmwright_formats::domain_xml::Domain;

pub const RULE: Rule = Rule {
    tags: &["snapshot", "save"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        // The blockers themselves are the signs of migration/non-migratable-device.
        Sign::strong("Background-snapshot is not compatible"),
        Sign::strong("Background-snapshot is not supported by host kernel"),
        // Incus and LXD, driver_qemu.go.
        Sign::strong("Stateful snapshot*migration.stateful"),
        Sign::strong("Stateful stop*migration.stateful"),
        // libvirt, qemu_snapshot.c.
        Sign::strong("external active snapshots are not supported on scsi passthrough devices"),
        Sign::strong("qemu doesn't support taking snapshots of PMSUSPENDED guests"),
        Sign::strong("external active snapshots are not supported on '{kind}' disks"),
        Sign::strong("external inactive snapshots are not supported on"),
        Sign::strong("support for offline external snapshots while checkpoint exists"),
        Sign::strong("cannot suspend VM to disk due to passed-through PCI device"),
        Sign::strong("Cannot live-migrate, snapshot (with RAM), or hibernate a VM with")
            .said(&["snapshot", "hibernat", "suspend"]),
        Sign::strong("Block migration and snapshots are incompatible"),
        Sign::strong("Record/replay does not allow making snapshot right now"),
        Sign::strong("Cannot update device state while vm is running"),
        Sign::strong("Stateful stop and snapshots require the instance limits.memory be less than"),
        Sign::strong("aren't supported with migration.stateful=true").said(&["snapshot", "stateful stop"]),
        Sign::strong("Snapshot not possible with TDX VM"),
        Sign::strong("Can't snapshot a vDPA device outside live migration"),
    ],
    words: &[
        "snapshot",
        "savevm",
        "virsh save",
        "managedsave",
        "managed save",
        "save the vm",
        "saving",
        "save state",
        "hibernate",
        "suspend to disk",
        "failed to save domain",
    ],
    tells: "virsh dumpxml NAME, and info migrate in QEMU's monitor",
    remedy: "take disk-only snapshots or shut the guest down, or detach the device that blocks while saving",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestPause,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = weigh(cx, cx.draft(), MIGRATION.signs, saves(cx) != Some(false));
    if saves(cx) == Some(true) && draft.any() {
        // What is refused, and the device that it is refused for: each bears the other out.
        draft = config_blockers(cx, draft, Strength::Support);
    }
    vec![draft.verdict()]
}

/// Whether the user saves or snapshots (true) or migrates (false), by the complaint first and then by the
/// commands and messages in what was read; none where both or neither are named.
pub(crate) fn saves(cx: &Context<'_>) -> Option<bool> {
    let one = |save: bool, migrate: bool| (save != migrate).then_some(save);
    let stands = |words: &[&str]| words.iter().any(|word| cx.stands(word));
    one(said(cx, &SAVE), said(cx, &MIGRATE) || cx.said("migrat"))
        .or_else(|| one(stands(&SAVE), stands(&MIGRATE)))
}

fn said(cx: &Context<'_>, words: &[&str]) -> bool {
    words.iter().any(|word| cx.said(word))
}

/// Words of who saves.
const SAVE: [&str; 9] = [
    "snapshot",
    "savevm",
    "virsh save",
    "managedsave",
    "managed save",
    "saving",
    "save state",
    "hibernate",
    "failed to save domain",
];

/// Words of who moves a VM.
const MIGRATE: [&str; 5] = ["virsh migrate", "qm migrate", "another host", "other host", "MigrateToURI"];

/// The blockers at their strength where the operation is the rule's own, one strength less where it is the
/// neighbour's: both print the same words. What would be refused QEMU's monitor tells unasked: worth knowing, no more, while
/// nobody saves or moves the VM.
pub(crate) fn weigh<'r>(cx: &Context<'r>, mut draft: Draft<'r>, signs: &[Sign], mine: bool) -> Draft<'r> {
    let mut refused = said(cx, &SAVE) || said(cx, &MIGRATE) || cx.said("migrat");
    for sign in signs {
        let quote = cx.hits_of(sign).first().and_then(|hit| cx.evidence(hit));
        let shown = quote.is_some();
        let strength = if mine && shown { Some(sign.strength) } else { weaker(sign.strength) };
        if let Some(strength) = strength.filter(|_| shown || mine && cx.said(sign.text)) {
            refused |= quote.as_ref().is_none_or(|quote| !quote.source.starts_with("qmp/"));
            draft.add(
                strength,
                false,
                quote,
                if shown { "the message stands there" } else { "the complaint says so" },
            );
        }
    }
    if refused || !draft.any() { draft } else { draft.level(Level::Note) }
}

/// Devices of the domain that neither migrate nor can be saved.
pub(crate) fn config_blockers<'r>(cx: &Context<'r>, mut draft: Draft<'r>, strength: Strength) -> Draft<'r> {
    let Some(seen) = cx.one::<DomainXml>() else { return draft };
    for line in seen.domains.iter().flat_map(blockers) {
        draft = draft.because(strength, seen.quote(line), "the VM has a device of a kind that blocks it");
    }
    draft
}

/// Where a definition has host devices, shares and shared memory.
pub(crate) fn blockers(domain: &Domain) -> Vec<u32> {
    let devices = &domain.devices;
    let host = devices.hostdevs.iter().find(|device| {
        let kind = device.device_type.as_ref();
        kind.is_some_and(|kind| ["pci", "mdev", "scsi_host"].contains(&kind.value.as_str()))
    });
    let shared = devices.filesystems.first().map(|share| share.line);
    let memory = devices.shmems.first().map(|shmem| shmem.line);
    [host.map(|device| device.line), shared, memory].into_iter().flatten().collect()
}
